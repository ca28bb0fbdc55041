{{/* Command lines of the engines. Usage: include "selfalign.engine.tgi" (dict "values" .Values "gpus" 8 "path" "...") */}}

{{- define "selfalign.engine.tgi" -}}
{{- $inference := .values.inference -}}
args:
  - --model-id={{ .path }}
  - --hostname=0.0.0.0
  - --port={{ include "selfalign.ports.engine" . }}
  - --num-shard={{ .gpus }}
  {{- if $inference.quantize }}
  - --quantize={{ $inference.quantize }}
  {{- else if ne $inference.dtype "auto" }}
  - --dtype={{ $inference.dtype }}
  {{- end }}
  - --max-input-tokens={{ $inference.maxInputTokens }}
  - --max-total-tokens={{ $inference.maxTotalTokens }}
  - --max-concurrent-requests={{ $inference.maxConcurrentRequests }}
  - --max-top-n-tokens={{ include "selfalign.maxTopNTokens" . }}
  - --usage-stats=off
  - --json-output
{{- end -}}

{{- define "selfalign.engine.vllm" -}}
{{- $inference := .values.inference -}}
command: [vllm, serve, {{ .path }}]
args:
  - --host=0.0.0.0
  - --port={{ include "selfalign.ports.engine" . }}
  - --served-model-name=selfalign
  - --tensor-parallel-size={{ .gpus }}
  - --dtype={{ $inference.dtype }}
  {{- with $inference.quantize }}
  - --quantization={{ . }}
  {{- end }}
  - --max-model-len={{ $inference.maxTotalTokens }}
  - --max-num-seqs={{ $inference.maxConcurrentRequests }}
  - --max-logprobs={{ include "selfalign.maxTopNTokens" . }}
  - --enable-prefix-caching
  - --shutdown-timeout={{ $inference.drainSeconds }}
{{- end -}}

{{- define "selfalign.engine.model-server" -}}
{{- $inference := .values.inference -}}
command: [python, -m, selfalign.model_server]
args:
  - --model={{ .path }}
  - --host=0.0.0.0
  - --port={{ include "selfalign.ports.engine" . }}
  - --dtype={{ get (dict "auto" "auto" "float32" "fp32") $inference.dtype | default "bf16" }}
  - --max-input-tokens={{ $inference.maxInputTokens }}
  - --max-total-tokens={{ $inference.maxTotalTokens }}
  - --max-concurrent-requests={{ $inference.maxConcurrentRequests }}
{{- end -}}

{{/* Environment by engine. */}}
{{- define "selfalign.engine.env" -}}
{{- $inference := .Values.inference -}}
{{- include "selfalign.env" . }}
- {name: HF_HOME, value: /weights/hub}
{{ include "selfalign.hubEnv" . }}
{{- if eq $inference.engine "tgi" }}
- {name: HUGGINGFACE_HUB_CACHE, value: /weights/hub}
- {name: GRACEFUL_TERMINATION_TIMEOUT, value: {{ $inference.drainSeconds | quote }}}
{{- else if eq $inference.engine "vllm" }}
- {name: VLLM_NO_USAGE_STATS, value: "1"}
- {name: VLLM_CACHE_ROOT, value: /tmp/vllm}
{{- end }}
{{- end -}}
