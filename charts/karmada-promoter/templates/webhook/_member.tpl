{{- /*
The name of the installation, which every stamp in the member begins with. The one that is there is
kept while it has pinned stamps all the time; as `promoter_installation::member::opt_in::kept` has it.
*/ -}}
{{- define "karmada-promoter.installation" -}}
{{- $kept := "" -}}
{{- $api := "admissionregistration.k8s.io/v1" -}}
{{- $name := "opt-in.promote.karmada.io" -}}
{{- $policy := lookup $api "ValidatingAdmissionPolicy" "" $name -}}
{{- $binding := lookup $api "ValidatingAdmissionPolicyBinding" "" $name -}}
{{- $pins := eq (dig "spec" "failurePolicy" "" $policy) "Fail" -}}
{{- $bound := deepEqual (dig "spec" (dict) $binding) (dict "policyName" $name "validationActions" (list "Deny")) -}}
{{- if and $pins $bound -}}
{{- range dig "spec" "variables" (list) $policy -}}
{{- if eq .name "installation" -}}
{{- $kept = trimAll "\"" .expression -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if .Values.webhook.member.installation -}}
{{- .Values.webhook.member.installation -}}
{{- else if regexMatch "^[a-z0-9]{8,64}$" $kept -}}
{{- $kept -}}
{{- else -}}
{{- randAlphaNum 16 | lower -}}
{{- end -}}
{{- end }}

{{- define "karmada-promoter.karmadaUser" -}}
{{- default (printf "system:serviceaccount:karmada-cluster:karmada-%s" .Values.webhook.cluster) .Values.webhook.member.karmadaUser }}
{{- end }}
