{{/* Name of every object of the chart. */}}
{{- define "quickbite-operator.fullname" -}}
{{- default (default .Chart.Name .Values.nameOverride) .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* What selectors match; never changes. */}}
{{- define "quickbite-operator.selector" -}}
app.kubernetes.io/name: {{ include "quickbite-operator.fullname" . }}
{{- end -}}

{{/* All labels. */}}
{{- define "quickbite-operator.labels" -}}
{{ include "quickbite-operator.selector" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}
