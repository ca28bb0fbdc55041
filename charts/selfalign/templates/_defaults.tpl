{{/* Made by `make chart-docs` from the settings classes and selfalign.errors; change it there. */}}
{{- define "selfalign.services" -}}prompt-synthesizer principle-engine refiner{{- end -}}
{{- define "selfalign.ports.grpc" -}}50051{{- end -}}
{{- define "selfalign.ports.health" -}}50052{{- end -}}
{{- define "selfalign.ports.metrics" -}}9090{{- end -}}
{{- define "selfalign.ports.engine" -}}8080{{- end -}}
{{- define "selfalign.exitCodes.runner" -}}[2,64,65,66,76,78]{{- end -}}
{{- define "selfalign.exitCodes.job" -}}[2,64,65,66]{{- end -}}
{{- define "selfalign.maxTopNTokens" -}}100{{- end -}}
