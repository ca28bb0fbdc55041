{{/* Where our pods may go: names, each other, and the ports of what lies outside. */}}
{{- define "selfalign.egress" -}}
{{- $v := .root.Values -}}
{{- $ports := $v.networkPolicy.egressPorts -}}
{{- range list $v.objectStorage.endpoint $v.inference.external.baseUrl $v.inference.external.engravedUrl -}}
{{- if . -}}
{{- $ports = append $ports (include "selfalign.port" . | int) -}}
{{- end -}}
{{- end -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
- to:
    - {{ toJson .ours }}
- ports:
    {{- range $ports | uniq }}
    - {port: {{ . }}}
    {{- end }}
{{- end -}}

{{/* The port of a URL. */}}
{{- define "selfalign.port" -}}
{{- $host := (urlParse .).host -}}
{{- if regexMatch ":[0-9]+$" $host -}}
{{- regexFind "[0-9]+$" $host -}}
{{- else -}}
{{- hasPrefix "https" . | ternary 443 80 -}}
{{- end -}}
{{- end -}}
