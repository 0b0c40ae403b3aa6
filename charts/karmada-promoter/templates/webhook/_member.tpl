{{- /*
The name of the installation, which every stamp in the member begins with. The one that is there is
kept while it pins stamps as this version would have them; as
`promoter_installation::member::opt_in::check` has it.
*/ -}}
{{- define "karmada-promoter.installation" -}}
{{- $kept := "" -}}
{{- $api := "admissionregistration.k8s.io/v1" -}}
{{- $name := "opt-in.promote.karmada.io" -}}
{{- $policy := lookup $api "ValidatingAdmissionPolicy" "" $name -}}
{{- $binding := lookup $api "ValidatingAdmissionPolicyBinding" "" $name -}}
{{- range dig "spec" "variables" (list) $policy -}}
{{- if eq .name "installation" -}}
{{- $kept = trimAll "\"" .expression -}}
{{- end -}}
{{- end -}}
{{- $wanted := .Files.Get (printf "member/%s.validatingadmissionpolicy.yaml" $name) -}}
{{- $wanted = $wanted | replace "@INSTALLATION@" $kept | replace "@KARMADA_USER@" (include "karmada-promoter.karmadaUser" .) | fromYaml -}}
{{- $pins := deepEqual (dig "spec" (dict) $policy) $wanted.spec -}}
{{- $bound := deepEqual (dig "spec" (dict) $binding) (dict "policyName" $name "validationActions" (list "Deny")) -}}
{{- if .Values.webhook.member.installation -}}
{{- .Values.webhook.member.installation -}}
{{- else if and $pins $bound (regexMatch "^[a-z0-9]{8,64}$" $kept) -}}
{{- $kept -}}
{{- else -}}
{{- randAlphaNum 16 | lower -}}
{{- end -}}
{{- end }}

{{- define "karmada-promoter.karmadaUser" -}}
{{- default (printf "system:serviceaccount:karmada-cluster:karmada-%s" .Values.webhook.cluster) .Values.webhook.member.karmadaUser }}
{{- end }}
