{{/* Names, labels, images. Usage: {{ include "selfalign.fullname" . }} */}}

{{- define "selfalign.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 32 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 32 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Labels that never change. Usage: include "selfalign.selector" (list . "refiner") */}}
{{- define "selfalign.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ default $root.Chart.Name $root.Values.nameOverride }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Labels of an object. Usage: include "selfalign.labels" (list . "refiner") */}}
{{- define "selfalign.labels" -}}
{{- $root := index . 0 -}}
{{ include "selfalign.selector" . }}
app.kubernetes.io/part-of: selfalign
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Labels of a pod: without versions, so that a release of the chart alone restarts nothing. */}}
{{- define "selfalign.podLabels" -}}
{{- $root := index . 0 -}}
{{ include "selfalign.selector" . }}
app.kubernetes.io/part-of: selfalign
{{- with $root.Values.serviceAccount.podLabels }}
{{ toYaml . }}
{{- end }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The name and metadata of an object. Usage: include "selfalign.metadata" (list . "refiner" "-suffix") */}}
{{- define "selfalign.metadata" -}}
{{- $root := index . 0 -}}
name: {{ include "selfalign.fullname" $root }}{{ index . 2 }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "selfalign.labels" . | nindent 2 }}
{{- end -}}

{{/* repository[:tag][@digest]. Usage: include "selfalign.image" (list . .Values.images.tgi) */}}
{{- define "selfalign.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- $repository := $image.repository -}}
{{- if $root.Values.image.registry -}}
{{- $parts := splitList "/" $repository -}}
{{- if and (gt (len $parts) 1) (regexMatch "[.:]|^localhost$" (first $parts)) -}}
{{- $repository = join "/" (rest $parts) -}}
{{- end -}}
{{- $repository = printf "%s/%s" (trimSuffix "/" $root.Values.image.registry) $repository -}}
{{- end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default $root.Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* image and imagePullPolicy of a container. */}}
{{- define "selfalign.pull" -}}
image: {{ include "selfalign.image" . | quote }}
imagePullPolicy: {{ (index . 0).Values.image.pullPolicy }}
{{- end -}}

{{/* The port of the embedded S3 server. */}}
{{- define "selfalign.ports.store" -}}7070{{- end -}}

{{/* http://host:port of an engine. Usage: include "selfalign.engineUrl" (list . "base") */}}
{{- define "selfalign.engineUrl" -}}
{{- $root := index . 0 -}}
{{- $role := index . 1 -}}
{{- $inference := $root.Values.inference -}}
{{- if eq $inference.engine "external" -}}
{{- if eq $role "base" -}}{{ $inference.external.baseUrl }}{{- else -}}{{ $inference.external.engravedUrl }}{{- end -}}
{{- else -}}
{{- printf "http://%s-engine-%s:%s" (include "selfalign.fullname" $root) $role (include "selfalign.ports.engine" $root) -}}
{{- end -}}
{{- end -}}

{{/* Secret with the object store's credentials: yours, or that of the embedded server. */}}
{{- define "selfalign.storeSecret" -}}
{{- default (printf "%s-store" (include "selfalign.fullname" .)) .Values.objectStorage.existingSecret -}}
{{- end -}}

{{/* Address of the S3 server; empty for the provider's own. */}}
{{- define "selfalign.storeEndpoint" -}}
{{- if .Values.embeddedStore.enabled -}}
http://{{ include "selfalign.fullname" . }}-store:{{ include "selfalign.ports.store" . }}
{{- else -}}
{{- .Values.objectStorage.endpoint -}}
{{- end -}}
{{- end -}}

{{/* Secret with the certificate of the gRPC services. */}}
{{- define "selfalign.tlsSecret" -}}
{{- default (printf "%s-tls" (include "selfalign.fullname" .)) .Values.tls.secretName -}}
{{- end -}}
