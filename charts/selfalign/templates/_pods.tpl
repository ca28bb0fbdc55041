{{/* What all pods have in common. */}}

{{/* Fields of a pod's spec. Usage: include "selfalign.pod" (dict "root" . "account" "") */}}
{{- define "selfalign.pod" -}}
{{- $root := .root -}}
serviceAccountName: {{ include "selfalign.fullname" $root }}{{ .account }}
automountServiceAccountToken: {{ ne .account "" }}
enableServiceLinks: false
securityContext:
  {{- toYaml $root.Values.podSecurityContext | nindent 2 }}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Placement. Usage: include "selfalign.placement" .Values.services */}}
{{- define "selfalign.placement" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* Placement of pods with GPUs; others go anywhere. Usage: include "selfalign.gpuPlacement" (list . 8) */}}
{{- define "selfalign.gpuPlacement" -}}
{{- if index . 1 }}
{{- include "selfalign.placement" (index . 0).Values.gpu }}
{{- end }}
{{- end -}}

{{/* Security context of a container. Usage: include "selfalign.container" (list . 0): with 0 GPUs */}}
{{- define "selfalign.container" -}}
{{- $values := (index . 0).Values -}}
securityContext:
  {{- toYaml (ternary $values.gpuSecurityContext $values.containerSecurityContext (gt (int (index . 1)) 0)) | nindent 2 }}
{{- end -}}

{{/* Resources with GPUs. Usage: include "selfalign.resources" (list . .Values.training.resources 8) */}}
{{- define "selfalign.resources" -}}
{{- $resources := deepCopy (index . 1) -}}
{{- if index . 2 -}}
{{- $limits := default dict $resources.limits -}}
{{- $_ := set $limits (index . 0).Values.gpu.resource (index . 2) -}}
{{- $_ := set $resources "limits" $limits -}}
{{- end -}}
resources:
  {{- toYaml $resources | nindent 2 }}
{{- end -}}

{{/* Environment that leads every process to writable folders, and to the object store's CA. */}}
{{- define "selfalign.env" -}}
- {name: HOME, value: /tmp}
- {name: NUMBA_CACHE_DIR, value: /tmp/numba}
{{- with .Values.objectStorage.caBundle.configMap }}
- {name: SSL_CERT_FILE, value: /etc/selfalign-ca/ca.crt}
- {name: REQUESTS_CA_BUNDLE, value: /etc/selfalign-ca/ca.crt}
{{- end }}
{{- end -}}

{{/* The object store's address and credentials. */}}
{{- define "selfalign.storeEnv" -}}
- configMapRef:
    name: {{ include "selfalign.fullname" . }}-store
- secretRef:
    name: {{ include "selfalign.storeSecret" . }}
    optional: {{ not .Values.objectStorage.existingSecret }}
{{- end -}}

{{- define "selfalign.hubEnv" -}}
{{- $hub := .Values.inference.hub -}}
- {name: HF_HUB_OFFLINE, value: {{ ternary "1" "0" $hub.offline | quote }}}
{{- with $hub.tokenSecret.name }}
- name: HF_TOKEN
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: {{ $hub.tokenSecret.key }}}
{{- end }}
{{- end -}}

{{/* Volumes and mounts that most containers need. */}}
{{- define "selfalign.commonVolumes" -}}
- name: tmp
  emptyDir: {}
{{- with .Values.objectStorage.caBundle }}
{{- if .configMap }}
- name: ca
  configMap:
    name: {{ .configMap }}
    items: [{key: {{ .key }}, path: ca.crt}]
{{- end }}
{{- end }}
{{- end -}}

{{- define "selfalign.commonMounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if .Values.objectStorage.caBundle.configMap }}
- {name: ca, mountPath: /etc/selfalign-ca, readOnly: true}
{{- end }}
{{- end -}}

{{/* The run file, and the certificate and token with which services are served and called. */}}
{{- define "selfalign.runVolumes" -}}
{{ include "selfalign.commonVolumes" . }}
- name: run
  configMap:
    name: {{ include "selfalign.fullname" . }}-run
{{- if .Values.tls.enabled }}
- name: tls
  secret:
    secretName: {{ include "selfalign.tlsSecret" . }}
{{- end }}
{{- with .Values.auth.tokenSecret }}
{{- if .name }}
- name: token
  secret:
    secretName: {{ .name }}
    items: [{key: {{ .key }}, path: token}]
{{- end }}
{{- end }}
{{- end -}}

{{- define "selfalign.runMounts" -}}
{{ include "selfalign.commonMounts" . }}
- {name: run, mountPath: /etc/selfalign, readOnly: true}
{{- if .Values.tls.enabled }}
- {name: tls, mountPath: /etc/selfalign-tls, readOnly: true}
{{- end }}
{{- if .Values.auth.tokenSecret.name }}
- {name: token, mountPath: /etc/selfalign-auth, readOnly: true}
{{- end }}
{{- end -}}

{{/* /dev/shm in memory: NCCL needs more than the 64 MB of the container runtime. */}}
{{- define "selfalign.shmVolume" -}}
- name: shm
  emptyDir: {medium: Memory, sizeLimit: {{ . }}}
{{- end -}}

{{/* A volume that lives as long as its pod. Usage: include "selfalign.localVolume" (dict "name" "work" "settings" .Values.training.work) */}}
{{- define "selfalign.localVolume" -}}
- name: {{ .name }}
  {{- if eq .settings.volume "ephemeral" }}
  ephemeral:
    volumeClaimTemplate:
      spec:
        accessModes: [ReadWriteOnce]
        {{- with .settings.storageClass }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests: {storage: {{ .settings.size }}}
  {{- else }}
  emptyDir: {sizeLimit: {{ .settings.size }}}
  {{- end }}
{{- end -}}
