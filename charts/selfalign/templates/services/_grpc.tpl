{{/* A gRPC service's command. Usage: include "selfalign.serve" (dict "root" . "name" "refiner") */}}
{{- define "selfalign.serve" -}}
{{- $v := .root.Values -}}
- selfalign
- serve
- {{ .name }}
- --config=/etc/selfalign/run.yaml
- --engine-url={{ include "selfalign.engineUrl" (list .root (eq .name "refiner" | ternary "engraved" "base")) }}
- --metrics-port={{ include "selfalign.ports.metrics" .root }}
- --health-port={{ include "selfalign.ports.health" .root }}
- --drain-grace={{ $v.services.drain.graceSeconds }}
{{- if not $v.services.reflection }}
- --no-reflection
{{- end }}
{{- if $v.tls.enabled }}
- --tls-cert=/etc/selfalign-tls/tls.crt
- --tls-key=/etc/selfalign-tls/tls.key
{{- if $v.tls.mutual }}
- --tls-client-ca=/etc/selfalign-tls/ca.crt
{{- end }}
{{- end }}
{{- if $v.auth.tokenSecret.name }}
- --token-file=/etc/selfalign-auth/token
{{- end }}
{{- end -}}

{{/* The engine is shared and a run scales it to 0: a pod is ready when its process is. Whether the
     engine answers shows in the health of the service's own name. */}}
{{- define "selfalign.grpcProbes" -}}
startupProbe:
  grpc: {port: {{ include "selfalign.ports.health" . }}, service: liveness}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 90
readinessProbe:
  grpc: {port: {{ include "selfalign.ports.health" . }}, service: liveness}
  periodSeconds: 5
  timeoutSeconds: 5
livenessProbe:
  grpc: {port: {{ include "selfalign.ports.health" . }}, service: liveness}
  periodSeconds: 10
  timeoutSeconds: 10
  failureThreshold: 6
{{- end -}}

{{- define "selfalign.topologySpread" -}}
topologySpreadConstraints:
  {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "selfalign.selector" $ | nindent 8 }}
  {{- end }}
{{- end -}}
