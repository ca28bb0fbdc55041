{{/* Where weights are and under which path an engine loads them.
     Usage: include "selfalign.weights" "pvc://claim/path" | fromYaml
     gives source (hub, claim, store, folder), path; of a claim its name and the path in it. */}}
{{- define "selfalign.weights" -}}
{{- if hasPrefix "pvc://" . -}}
{{- $place := trimPrefix "pvc://" . | trimSuffix "/" -}}
source: claim
path: /weights/base
claim: {{ splitList "/" $place | first }}
subPath: {{ splitList "/" $place | rest | join "/" | quote }}
{{- else if contains "://" . -}}
source: store
path: /weights/base
{{- else if hasPrefix "/" . -}}
source: folder
path: {{ . }}
{{- else -}}
source: hub
path: {{ . }}
{{- end }}
{{- end -}}

{{/* Mount of a claim's folder of weights. Usage: include "selfalign.claimMount" $weights */}}
{{- define "selfalign.claimMount" -}}
- name: weights
  mountPath: /weights/base
  readOnly: true
  {{- with .subPath }}
  subPath: {{ . }}
  {{- end }}
{{- end -}}

{{/* The init container that brings weights from object storage or the hub; it ends at once if they
     are there. Usage: include "selfalign.fetchWeights" (dict "root" . "url" "s3://..." "path" "/weights/base" "mount" "{...}") */}}
{{- define "selfalign.fetchWeights" -}}
- name: weights
  {{- include "selfalign.pull" (list .root .root.Values.images.services) | nindent 2 }}
  command: [selfalign, weights, fetch, $(SELFALIGN_WEIGHTS), {{ .path }}]
  env:
    - {name: SELFALIGN_WEIGHTS, value: {{ .url | quote }}}
    {{- include "selfalign.env" .root | nindent 4 }}
    - {name: HF_HOME, value: /tmp/hub}
    {{- include "selfalign.hubEnv" .root | nindent 4 }}
  envFrom:
    {{- include "selfalign.storeEnv" .root | nindent 4 }}
  {{- include "selfalign.container" (list .root 0) | nindent 2 }}
  resources:
    requests: {cpu: 100m, memory: 256Mi}
    limits: {memory: 2Gi}
  volumeMounts:
    {{- include "selfalign.commonMounts" .root | nindent 4 }}
    - {{ .mount }}
{{- end -}}
