{{/* Stops a rendering that could not work. Usage: include "selfalign.engine.check" (dict "root" . "role" "base" "gpus" 8) */}}
{{- define "selfalign.engine.check" -}}
{{- $inference := .root.Values.inference -}}
{{- $gpuEngine := has $inference.engine (list "tgi" "vllm") -}}
{{- if and $gpuEngine (lt (int .gpus) 1) -}}
{{- fail (printf "inference.%s.gpus: %v, but engine %s runs on GPUs; set 1 or more, or inference.engine: model-server" .role .gpus $inference.engine) -}}
{{- end -}}
{{- if and (eq $inference.engine "tgi") (eq $inference.dtype "float32") -}}
{{- fail "inference.dtype: float32 is not known to TGI; expected bfloat16 or float16" -}}
{{- end -}}
{{- if ge (int $inference.maxInputTokens) (int $inference.maxTotalTokens) -}}
{{- fail (printf "inference.maxInputTokens: %v is not below inference.maxTotalTokens %v" $inference.maxInputTokens $inference.maxTotalTokens) -}}
{{- end -}}
{{- $base := $inference.base -}}
{{- $shared := and (eq $base.cache.volume "persistentVolumeClaim") (ne $base.cache.accessMode "ReadWriteMany") -}}
{{- if and (gt (int $base.replicas) 1) $shared -}}
{{- fail (printf "inference.base.replicas: %v replicas cannot share a volume of access mode %s; set inference.base.cache.accessMode: ReadWriteMany or inference.base.cache.volume: emptyDir" $base.replicas $base.cache.accessMode) -}}
{{- end -}}
{{- end -}}

{{/* Router and model-server listen when the model is loaded, so the first answer ends the start-up.
     /health may be late under a full queue: only ten misses restart an engine. */}}
{{- define "selfalign.engine.probes" -}}
startupProbe:
  httpGet: {path: /health, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: {{ div (add .Values.inference.startupSeconds 9) 10 }}
readinessProbe:
  httpGet: {path: /health, port: http}
  periodSeconds: 5
  timeoutSeconds: 5
livenessProbe:
  httpGet: {path: /health, port: http}
  periodSeconds: 10
  timeoutSeconds: 10
  failureThreshold: 10
{{- end -}}

{{/* Volumes of an engine. Usage: include "selfalign.engine.volumes" (dict "root" . "role" "base" "weights" $weights "settings" $settings) */}}
{{- define "selfalign.engine.volumes" -}}
{{ include "selfalign.commonVolumes" .root }}
{{- if .settings.gpus }}
{{ include "selfalign.shmVolume" .root.Values.inference.shmSize }}
{{- end }}
{{- if eq .weights.source "claim" }}
- name: weights
  persistentVolumeClaim: {claimName: {{ .weights.claim }}, readOnly: true}
{{- else if eq .settings.cache.volume "persistentVolumeClaim" }}
{{- if ne .weights.source "folder" }}
- name: weights
  persistentVolumeClaim:
    claimName: {{ include "selfalign.fullname" .root }}-engine-{{ .role }}
{{- end }}
{{- else if ne .weights.source "folder" }}
{{ include "selfalign.localVolume" (dict "name" "weights" "settings" .settings.cache) }}
{{- end }}
{{- end -}}

{{- define "selfalign.engine.mounts" -}}
{{ include "selfalign.commonMounts" .root }}
{{- if .settings.gpus }}
- {name: shm, mountPath: /dev/shm}
{{- end }}
{{- if eq .weights.source "claim" }}
{{ include "selfalign.claimMount" .weights }}
{{- else if ne .weights.source "folder" }}
- {name: weights, mountPath: /weights}
{{- end }}
{{- end -}}

{{/* What a running release has now, so that an upgrade leaves a run's engines alone: replicas and
     weights. Usage: include "selfalign.engine.live" (dict "root" . "role" "base") | fromYaml */}}
{{- define "selfalign.engine.live" -}}
{{- $name := printf "%s-engine-%s" (include "selfalign.fullname" .root) .role -}}
{{- $found := lookup "apps/v1" "Deployment" .root.Release.Namespace $name -}}
{{- $annotations := dict -}}
{{- $replicas := -1 -}}
{{- if $found -}}
{{- $annotations = default dict $found.metadata.annotations -}}
{{- $replicas = int $found.spec.replicas -}}
{{- end -}}
{{- if eq .role "base" -}}
{{- $paused := and (eq $replicas 0) (hasKey $annotations "selfalign.dev/replicas") -}}
replicas: {{ ternary 0 .root.Values.inference.base.replicas $paused }}
{{- else -}}
replicas: {{ max 0 $replicas }}
weights: {{ get $annotations "selfalign.dev/weights" | quote }}
{{- end -}}
{{- end -}}
