{{/* The runner. Its name is fixed: two runners on one release would fight over its engines. */}}
{{- define "selfalign.job.pipeline" -}}
{{- $v := .Values -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "selfalign.fullname" . }}-pipeline
  labels:
    {{- include "selfalign.job.pipelineLabels" . | nindent 4 }}
spec:
  # A runner that ends is started again, and goes on from what lies in the store.
  backoffLimit: {{ $v.runner.backoffLimit }}
  podReplacementPolicy: Failed
  ttlSecondsAfterFinished: {{ $v.jobs.ttlSecondsAfterFinished }}
  {{- include "selfalign.job.failurePolicy" (dict "container" "runner" "codes" (include "selfalign.exitCodes.runner" .)) | nindent 2 }}
  template:
    metadata:
      labels:
        {{- include "selfalign.job.pipelineLabels" . | nindent 8 }}
    spec:
      {{- include "selfalign.pod" (dict "root" . "account" "-runner") | nindent 6 }}
      {{- with include "selfalign.placement" $v.services }}
      {{- . | nindent 6 }}
      {{- end }}
      restartPolicy: Never
      terminationGracePeriodSeconds: 60
      containers:
        - name: runner
          {{- include "selfalign.pull" (list . $v.images.services) | nindent 10 }}
          command: [selfalign, run, --file=/etc/selfalign/run.yaml, --json, --metrics-port={{ include "selfalign.ports.metrics" . }}{{ with $v.runner.until }}, --until={{ . }}{{ end }}]
          env:
            - name: POD_NAME
              valueFrom:
                fieldRef: {fieldPath: metadata.name}
            {{- include "selfalign.env" . | nindent 12 }}
            {{- with include "selfalign.engineToken" . }}
            {{- . | nindent 12 }}
            {{- end }}
          envFrom:
            {{- include "selfalign.storeEnv" . | nindent 12 }}
          ports:
            - {name: metrics, containerPort: {{ include "selfalign.ports.metrics" . }}}
          {{- include "selfalign.container" (list . 0) | nindent 10 }}
          {{- include "selfalign.resources" (list . $v.runner.resources 0) | nindent 10 }}
          volumeMounts:
            {{- include "selfalign.runMounts" . | nindent 12 }}
      volumes:
        {{- include "selfalign.runVolumes" . | nindent 8 }}
{{- end -}}

{{- define "selfalign.job.pipelineLabels" -}}
{{ include "selfalign.podLabels" (list . "runner") }}
selfalign.dev/run: {{ .Values.run.name | quote }}
{{- end -}}
