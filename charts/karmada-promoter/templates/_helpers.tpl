{{- /*
What the templates of all roles share. Those that take a role get a dict of `root` (the top-level
context), `role` (its name) and `values` (its part of the values); labels may have `extra` ones.
*/ -}}

{{- define "karmada-promoter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* 52 characters leave room for what a role, a ReplicaSet and a pod append. */ -}}
{{- define "karmada-promoter.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- $name = .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- $name = .Release.Name -}}
{{- else -}}
{{- $name = printf "%s-%s" .Release.Name $name -}}
{{- end -}}
{{- $name | trunc 52 | trimSuffix "-" | trimSuffix "." }}
{{- end }}

{{- define "karmada-promoter.roleName" -}}
{{- printf "%s-%s" (include "karmada-promoter.fullname" .root) .role }}
{{- end }}

{{- define "karmada-promoter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "karmada-promoter.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end }}

{{- define "karmada-promoter.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: karmada-promoter
{{ include "karmada-promoter.selectorLabels" . }}
{{- with merge (dict) (default (dict) .extra) .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "karmada-promoter.serviceAccountName" -}}
{{- $account := .values.serviceAccount -}}
{{- if $account.create -}}
{{- default (include "karmada-promoter.roleName" .) $account.name }}
{{- else -}}
{{- required (printf "%s.serviceAccount.name: name a ServiceAccount that exists, or set %s.serviceAccount.create to true" .role .role) $account.name }}
{{- end -}}
{{- end }}

{{- define "karmada-promoter.image" -}}
{{- $image := .Values.image -}}
{{- $repository := required "image.repository: say where the image is, for example registry.example/karmada-promoter" $image.repository -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $repository $image.digest }}
{{- else -}}
{{- printf "%s:%s" $repository (default .Chart.AppVersion $image.tag) }}
{{- end -}}
{{- end }}

{{- define "karmada-promoter.logArguments" -}}
- --log-format={{ .Values.log.format }}
{{- with .Values.log.level }}
- {{ printf "--log-level=%s" . | quote }}
{{- end }}
{{- end }}

{{- /* The parts of a pod's spec that say where it runs and as whom. */ -}}
{{- define "karmada-promoter.podSettings" -}}
serviceAccountName: {{ include "karmada-promoter.serviceAccountName" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
terminationGracePeriodSeconds: {{ .values.terminationGracePeriodSeconds }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /*
A kubeconfig that is given as a value, in base64, checked. Takes a dict of `kubeconfig` (its part of
the values) and `path` (where that stands in them).
*/ -}}
{{- define "karmada-promoter.kubeconfigContent" -}}
{{- if not (dig "clusters" "" (fromYaml .kubeconfig.content)) -}}
{{- fail (printf "%s.content: this is no kubeconfig; give the file's content, by --set-file %s.content=FILE" .path .path) }}
{{- end -}}
{{- .kubeconfig.content | b64enc }}
{{- end }}

{{- /* The annotations of a pod that reads its kubeconfig once: another one makes another pod. */ -}}
{{- define "karmada-promoter.podAnnotations" -}}
{{- with .kubeconfig.content }}
checksum/kubeconfig: {{ sha256sum . }}
{{- end }}
{{- with .values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}
