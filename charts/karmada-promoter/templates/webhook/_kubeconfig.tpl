{{- /* The Secret with the webhook's kubeconfig of the control plane. Nothing where it has none. */ -}}
{{- define "karmada-promoter.webhookKubeconfig" -}}
{{- $kubeconfig := .root.Values.webhook.karmada.kubeconfig -}}
{{- if $kubeconfig.secretName -}}
{{- $kubeconfig.secretName }}
{{- else if $kubeconfig.content -}}
{{- printf "%s-kubeconfig" (include "karmada-promoter.roleName" .) }}
{{- end -}}
{{- end }}
