{{/* An engine's Deployment. Usage: include "selfalign.engine.deployment" (dict "root" . "role" "base" "settings" .Values.inference.base) */}}
{{- define "selfalign.engine.deployment" -}}
{{- $root := .root -}}
{{- $v := $root.Values -}}
{{- $settings := .settings -}}
{{- $component := printf "engine-%s" .role -}}
{{- $live := include "selfalign.engine.live" . | fromYaml -}}
{{- $weights := dict "source" "store" "path" "/weights/model" -}}
{{- $url := $live.weights -}}
{{- if eq .role "base" -}}
{{- $weights = include "selfalign.weights" $settings.weights | fromYaml -}}
{{- $url = $settings.weights -}}
{{- end -}}
{{- $volumes := dict "root" $root "role" .role "weights" $weights "settings" $settings -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "selfalign.metadata" (list $root $component (printf "-%s" $component)) | nindent 2 }}
  {{- with $url }}
  annotations:
    selfalign.dev/weights: {{ . | quote }}
  {{- end }}
spec:
  {{- if not (and (eq .role "base") $v.inference.autoscaling.enabled) }}
  replicas: {{ $live.replicas }}
  {{- end }}
  # An old pod holds the GPUs and the volume that a new one needs.
  strategy: {type: Recreate}
  progressDeadlineSeconds: {{ add $v.inference.startupSeconds 600 }}
  selector:
    matchLabels:
      {{- include "selfalign.selector" (list $root $component) | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "selfalign.podLabels" (list $root $component) | nindent 8 }}
    spec:
      {{- include "selfalign.pod" (dict "root" $root "account" "") | nindent 6 }}
      {{- with include "selfalign.gpuPlacement" (list $root $settings.gpus) }}
      {{- . | nindent 6 }}
      {{- end }}
      terminationGracePeriodSeconds: {{ add $v.inference.drainSeconds 30 }}
      {{- if eq $weights.source "store" }}
      initContainers:
        {{- $mount := "{name: weights, mountPath: /weights}" }}
        {{- include "selfalign.fetchWeights" (dict "root" $root "url" $url "path" $weights.path "mount" $mount) | nindent 8 }}
      {{- end }}
      containers:
        - name: engine
          {{- include "selfalign.engine.image" $root | nindent 10 }}
          {{- include (printf "selfalign.engine.%s" $v.inference.engine) (dict "values" $v "gpus" $settings.gpus "path" $weights.path) | nindent 10 }}
            {{- range $settings.args }}
            - {{ . | quote }}
            {{- end }}
          env:
            {{- include "selfalign.engine.env" $root | nindent 12 }}
            {{- with $settings.env }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          ports:
            - {name: http, containerPort: {{ include "selfalign.ports.engine" $root }}}
          {{- include "selfalign.engine.probes" $root | nindent 10 }}
          lifecycle:
            preStop:
              sleep: {seconds: 5}
          {{- include "selfalign.container" (list $root $settings.gpus) | nindent 10 }}
          {{- include "selfalign.resources" (list $root $settings.resources $settings.gpus) | nindent 10 }}
          volumeMounts:
            {{- include "selfalign.engine.mounts" $volumes | nindent 12 }}
      volumes:
        {{- include "selfalign.engine.volumes" $volumes | nindent 8 }}
{{- end -}}

{{- define "selfalign.engine.image" -}}
{{- $image := dict "tgi" .Values.images.tgi "vllm" .Values.images.vllm "model-server" .Values.images.modelServer -}}
{{- include "selfalign.pull" (list . (get $image .Values.inference.engine)) -}}
{{- end -}}
