{{/* Metadata of a Job that the runner submits. Usage: include "selfalign.job.labels" (list . "worker") */}}
{{- define "selfalign.job.labels" -}}
{{ include "selfalign.podLabels" . }}
selfalign.dev/run: "${RUN}"
selfalign.dev/stage: "${STAGE}"
{{- end -}}

{{- define "selfalign.job.queue" -}}
{{- with .Values.jobs.queueName }}
kueue.x-k8s.io/queue-name: {{ . }}
{{- end }}
{{- end -}}

{{/* A disruption costs no attempt; errors that a retry cannot mend end the Job.
     Usage: include "selfalign.job.failurePolicy" (dict "container" "worker" "codes" "[64]") */}}
{{- define "selfalign.job.failurePolicy" -}}
podFailurePolicy:
  rules:
    - action: Ignore
      onPodConditions:
        - {type: DisruptionTarget, status: "True"}
    - action: FailJob
      onExitCodes: {containerName: {{ .container }}, operator: In, values: {{ .codes }}}
{{- end -}}

{{/* A Job's pods go to different nodes where there is room, so that one lost node costs one of them. */}}
{{- define "selfalign.job.topologySpread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        batch.kubernetes.io/job-name: ${NAME}
{{- end -}}
