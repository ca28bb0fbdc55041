{{/* A pod of `helm test` that runs a script of checks/.
     Usage: include "selfalign.check" (dict "root" . "name" "bucket" "args" (list "...")) */}}
{{- define "selfalign.check" -}}
apiVersion: v1
kind: Pod
metadata:
  {{- include "selfalign.metadata" (list .root "test" (printf "-test-%s" .name)) | nindent 2 }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  {{- include "selfalign.pod" (dict "root" .root "account" "") | nindent 2 }}
  {{- with include "selfalign.placement" .root.Values.services }}
  {{- . | nindent 2 }}
  {{- end }}
  restartPolicy: Never
  containers:
    - name: {{ .name }}
      {{- include "selfalign.pull" (list .root .root.Values.images.services) | nindent 6 }}
      command:
        - python
        - -c
        - |
          {{- .root.Files.Get (printf "checks/%s.py" .name) | nindent 10 }}
        {{- range .args }}
        - {{ . | quote }}
        {{- end }}
      env:
        {{- include "selfalign.env" .root | nindent 8 }}
        {{- with include "selfalign.engineToken" .root }}
        {{- . | nindent 8 }}
        {{- end }}
      envFrom:
        {{- include "selfalign.storeEnv" .root | nindent 8 }}
      {{- include "selfalign.container" (list .root 0) | nindent 6 }}
      resources:
        requests: {cpu: 10m, memory: 128Mi}
        limits: {memory: 512Mi}
      volumeMounts:
        {{- include "selfalign.runMounts" .root | nindent 8 }}
  volumes:
    {{- include "selfalign.runVolumes" .root | nindent 4 }}
{{- end -}}
