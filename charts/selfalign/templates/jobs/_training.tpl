{{/* The DeepSpeed Job: a pod a node, torchrun with a static rendezvous at pod 0. */}}
{{- define "selfalign.job.training" -}}
{{- $v := .Values -}}
{{- $training := $v.training -}}
{{- $weights := include "selfalign.weights" $v.inference.base.weights | fromYaml -}}
apiVersion: v1
kind: Service
metadata:
  name: ${NAME}
  labels:
    {{- include "selfalign.job.labels" (list . "training") | nindent 4 }}
spec:
  # Ranks look for each other before anyone is ready.
  clusterIP: None
  publishNotReadyAddresses: true
  selector:
    batch.kubernetes.io/job-name: ${NAME}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: ${NAME}
  labels:
    {{- include "selfalign.job.labels" (list . "training") | nindent 4 }}
    {{- with include "selfalign.job.queue" . }}
    {{- . | nindent 4 }}
    {{- end }}
spec:
  completionMode: Indexed
  completions: ${COUNT}
  parallelism: ${COUNT}
  # One dead pod makes the others exit: an incident costs up to `nodes` pods.
  backoffLimit: {{ mul $training.nodes $training.restarts }}
  # Two pods never share a rank.
  podReplacementPolicy: Failed
  ttlSecondsAfterFinished: {{ $v.jobs.ttlSecondsAfterFinished }}
  {{- with $training.deadlineSeconds }}
  activeDeadlineSeconds: {{ . }}
  {{- end }}
  {{- include "selfalign.job.failurePolicy" (dict "container" "training" "codes" (include "selfalign.exitCodes.job" .)) | nindent 2 }}
  template:
    metadata:
      labels:
        {{- include "selfalign.job.labels" (list . "training") | nindent 8 }}
    spec:
      {{- include "selfalign.pod" (dict "root" . "account" "") | nindent 6 }}
      {{- with include "selfalign.gpuPlacement" (list . $training.gpus) }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- include "selfalign.job.topologySpread" . | nindent 6 }}
      subdomain: ${NAME}
      restartPolicy: Never
      terminationGracePeriodSeconds: {{ add $training.graceSeconds 30 }}
      {{- if ne $weights.source "claim" }}
      initContainers:
        {{- include "selfalign.job.trainingWeights" . | nindent 8 }}
      {{- end }}
      containers:
        - name: training
          {{- include "selfalign.pull" (list . $v.images.training) | nindent 10 }}
          command: [python, -m, selfalign_training, node, /etc/selfalign-job/training.yaml]
          env:
            {{- include "selfalign.job.trainingEnv" . | nindent 12 }}
          envFrom:
            {{- include "selfalign.storeEnv" . | nindent 12 }}
          ports:
            - {name: metrics, containerPort: {{ include "selfalign.ports.metrics" . }}}
          {{- include "selfalign.container" (list . $training.gpus) | nindent 10 }}
          {{- include "selfalign.resources" (list . $training.resources $training.gpus) | nindent 10 }}
          volumeMounts:
            {{- include "selfalign.commonMounts" . | nindent 12 }}
            - {name: job, mountPath: /etc/selfalign-job, readOnly: true}
            - {name: shm, mountPath: /dev/shm}
            - {name: work, mountPath: /work}
            {{- if eq $weights.source "claim" }}
            {{- include "selfalign.claimMount" $weights | nindent 12 }}
            {{- else }}
            - {name: work, mountPath: /weights, subPath: weights}
            {{- end }}
      volumes:
        {{- include "selfalign.commonVolumes" . | nindent 8 }}
        - name: job
          configMap:
            name: ${CONFIG_MAP}
        {{- include "selfalign.shmVolume" $training.shmSize | nindent 8 }}
        {{- include "selfalign.localVolume" (dict "name" "work" "settings" $training.work) | nindent 8 }}
        {{- if eq $weights.source "claim" }}
        - name: weights
          persistentVolumeClaim: {claimName: {{ $weights.claim }}, readOnly: true}
        {{- end }}
{{- end -}}

{{- define "selfalign.job.trainingEnv" -}}
{{- $training := .Values.training -}}
{{- $ranks := default $training.gpus $training.processes -}}
{{- if not $ranks -}}
{{- fail "training.gpus: 0 and training.processes: 0; set one of them, the ranks of a node" -}}
{{- end -}}
- {name: NNODES, value: "${COUNT}"}
- name: NODE_RANK
  valueFrom:
    fieldRef: {fieldPath: "metadata.annotations['batch.kubernetes.io/job-completion-index']"}
- {name: NPROC_PER_NODE, value: {{ $ranks | quote }}}
- {name: MASTER_ADDR, value: "${NAME}-0.${NAME}"}
- {name: MASTER_PORT, value: "29500"}
- {name: TERMINATION_GRACE_S, value: {{ $training.graceSeconds | quote }}}
- {name: HF_HUB_OFFLINE, value: "1"}
{{ include "selfalign.env" . }}
{{- with $training.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Brings the base model to /weights/base. */}}
{{- define "selfalign.job.trainingWeights" -}}
{{- $weights := .Values.inference.base.weights -}}
{{- $mount := "{name: work, mountPath: /weights, subPath: weights}" -}}
{{- if eq (include "selfalign.weights" $weights | fromYaml).source "folder" -}}
# The model lies in the training image.
- name: weights
  {{- include "selfalign.pull" (list . .Values.images.training) | nindent 2 }}
  command: [ln, -sfn, {{ $weights }}, /weights/base]
  {{- include "selfalign.container" (list . 0) | nindent 2 }}
  resources:
    requests: {cpu: 10m, memory: 16Mi}
    limits: {memory: 64Mi}
  volumeMounts:
    - {{ $mount }}
{{- else -}}
{{- include "selfalign.fetchWeights" (dict "root" . "url" $weights "path" "/weights/base" "mount" $mount) -}}
{{- end -}}
{{- end -}}
