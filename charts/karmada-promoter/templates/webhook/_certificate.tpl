{{- /* The Secret with the webhook's certificate. */ -}}
{{- define "karmada-promoter.certificateSecret" -}}
{{- $certificate := .root.Values.webhook.certificate -}}
{{- if eq $certificate.source "Secret" -}}
{{- required "webhook.certificate.secretName: name the Secret with tls.crt and tls.key, or choose another webhook.certificate.source" $certificate.secretName }}
{{- else -}}
{{- default (printf "%s-certificate" (include "karmada-promoter.roleName" .)) $certificate.secretName }}
{{- end -}}
{{- end }}

{{- /* The names that API servers reach the webhook by, as a JSON list. */ -}}
{{- define "karmada-promoter.certificateNames" -}}
{{- $service := printf "%s.%s.svc" (include "karmada-promoter.roleName" .) .root.Release.Namespace -}}
{{- concat (list $service) .root.Values.webhook.certificate.dnsNames | uniq | toJson }}
{{- end }}

{{- /* The authorities that API servers are to take the webhook's certificate from, in base64. Nothing where somebody else writes them. */ -}}
{{- define "karmada-promoter.certificateBundle" -}}
{{- $certificate := .root.Values.webhook.certificate -}}
{{- if eq $certificate.source "Secret" -}}
{{- if $certificate.caBundle -}}
{{- $certificate.caBundle | b64enc }}
{{- else -}}
{{- $name := include "karmada-promoter.certificateSecret" . -}}
{{- $secret := lookup "v1" "Secret" .root.Release.Namespace $name -}}
{{- required (printf "webhook.certificate.caBundle: say in PEM which authority has signed the certificate, or put it as ca.crt into Secret %s before" $name) (dig "data" "ca.crt" "" $secret) }}
{{- end -}}
{{- end -}}
{{- end }}

{{- /* The labels of the Secret that the program keeps its certificate in. */ -}}
{{- define "karmada-promoter.certificateLabels" -}}
promote.karmada.io/certificate: self-managed
{{- end }}
