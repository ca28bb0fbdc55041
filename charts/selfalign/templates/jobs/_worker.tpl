{{/* Workers of one stage: each takes the units whose number is its index modulo their count. */}}
{{- define "selfalign.job.worker" -}}
{{- $v := .Values -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: ${NAME}
  labels:
    {{- include "selfalign.job.labels" (list . "worker") | nindent 4 }}
    {{- with include "selfalign.job.queue" . }}
    {{- . | nindent 4 }}
    {{- end }}
spec:
  completionMode: Indexed
  completions: ${COUNT}
  parallelism: ${COUNT}
  backoffLimitPerIndex: {{ $v.workers.backoffLimitPerIndex }}
  ttlSecondsAfterFinished: {{ $v.jobs.ttlSecondsAfterFinished }}
  {{- include "selfalign.job.failurePolicy" (dict "container" "worker" "codes" (include "selfalign.exitCodes.job" .)) | nindent 2 }}
  template:
    metadata:
      labels:
        {{- include "selfalign.job.labels" (list . "worker") | nindent 8 }}
    spec:
      {{- include "selfalign.pod" (dict "root" . "account" "") | nindent 6 }}
      {{- with include "selfalign.placement" $v.services }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- include "selfalign.job.topologySpread" . | nindent 6 }}
      restartPolicy: Never
      containers:
        - name: worker
          {{- include "selfalign.pull" (list . $v.images.services) | nindent 10 }}
          command: [selfalign, worker]
          args:
            - --config=/etc/selfalign-job/run.yaml
            - --stage=${STAGE}
            - --target=${TARGET}
            - --index=$(JOB_COMPLETION_INDEX)
            - --count=${COUNT}
            - --attempt=${ATTEMPT}
            - --metrics-port={{ include "selfalign.ports.metrics" . }}
            {{- with include "selfalign.job.channel" . }}
            {{- . | nindent 12 }}
            {{- end }}
          env:
            {{- include "selfalign.env" . | nindent 12 }}
          envFrom:
            {{- include "selfalign.storeEnv" . | nindent 12 }}
          ports:
            - {name: metrics, containerPort: {{ include "selfalign.ports.metrics" . }}}
          {{- include "selfalign.container" (list . 0) | nindent 10 }}
          {{- include "selfalign.resources" (list . $v.workers.resources 0) | nindent 10 }}
          volumeMounts:
            {{- include "selfalign.runMounts" . | nindent 12 }}
            - {name: job, mountPath: /etc/selfalign-job, readOnly: true}
      volumes:
        {{- include "selfalign.runVolumes" . | nindent 8 }}
        - name: job
          configMap:
            name: ${CONFIG_MAP}
{{- end -}}

{{/* How workers reach the services. */}}
{{- define "selfalign.job.channel" -}}
{{- if .Values.tls.enabled }}
- --tls-ca=/etc/selfalign-tls/ca.crt
{{- if .Values.tls.mutual }}
- --tls-cert=/etc/selfalign-tls/tls.crt
- --tls-key=/etc/selfalign-tls/tls.key
{{- end }}
{{- with .Values.tls.serverName }}
- --tls-server-name={{ . }}
{{- end }}
{{- end }}
{{- if .Values.auth.tokenSecret.name }}
- --token-file=/etc/selfalign-auth/token
{{- end }}
{{- end -}}
