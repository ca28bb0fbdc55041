{{/* Rolls the services when what they read changes. */}}
{{- define "selfalign.serviceConfigDigest" -}}
{{- $run := include "selfalign.run" . | fromYaml -}}
{{- $read := omit $run "executor" "name" "store" -}}
{{- printf "%s%s" (toJson $read) (toJson .Values.runFiles) | sha256sum | trunc 16 -}}
{{- end -}}

{{/* The bearer token of an external engine. */}}
{{- define "selfalign.engineToken" -}}
{{- with .Values.inference.external.tokenSecret }}
{{- if and .name (eq $.Values.inference.engine "external") }}
- name: SELFALIGN_ENGINE_TOKEN
  valueFrom:
    secretKeyRef: {name: {{ .name }}, key: {{ .key }}}
{{- end }}
{{- end }}
{{- end -}}
{{- define "selfalign.runDefaults" -}}
{{- $v := .Values -}}
store: {{ $v.objectStorage.url }}
model:
  base: {{ $v.inference.base.weights }}
engine:
  {{- include "selfalign.engineClient" . | nindent 2 }}
executor:
  kind: kubernetes
  workers: {{ $v.workers.count }}
  startup_timeout_s: {{ $v.inference.startupSeconds }}
  work_dir: /tmp/selfalign
  kubernetes:
    release: {{ include "selfalign.fullname" . }}
    namespace: {{ .Release.Namespace }}
    keep_engines: {{ $v.runner.keepEngines }}
    training_nodes: {{ $v.training.nodes }}
    {{- if eq $v.inference.engine "external" }}
    external_engines:
      base: {{ $v.inference.external.baseUrl }}
      {{- with $v.inference.external.engravedUrl }}
      engraved: {{ . }}
      {{- end }}
    {{- end }}
    {{- if $v.tls.enabled }}
    tls_ca: /etc/selfalign-tls/ca.crt
    {{- if $v.tls.mutual }}
    tls_cert: /etc/selfalign-tls/tls.crt
    tls_key: /etc/selfalign-tls/tls.key
    {{- end }}
    {{- with $v.tls.serverName }}
    tls_server_name: {{ . }}
    {{- end }}
    {{- end }}
{{- end -}}

{{/* How the services talk to the engine. */}}
{{- define "selfalign.engineClient" -}}
{{- $inference := .Values.inference -}}
{{- if eq $inference.engine "external" -}}
kind: {{ $inference.external.api }}
{{- with $inference.external.model }}
model: {{ . }}
{{- end }}
{{- if $inference.external.tokenSecret.name }}
token_env: SELFALIGN_ENGINE_TOKEN
{{- end }}
{{- else if eq $inference.engine "vllm" -}}
kind: openai
model: selfalign
max_concurrency: {{ $inference.maxConcurrentRequests }}
{{- else -}}
kind: tgi
max_concurrency: {{ $inference.maxConcurrentRequests }}
{{- end }}
{{- end -}}

{{/* The run file: the chart's wiring under the user's `run`. */}}
{{- define "selfalign.run" -}}
{{- toYaml (mustMergeOverwrite (include "selfalign.runDefaults" . | fromYaml) (deepCopy .Values.run)) -}}
{{- end -}}

