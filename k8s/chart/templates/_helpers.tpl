{{- define "pgweir.name" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}

{{- define "pgweir.labels" -}}
app.kubernetes.io/name: pgweir
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{/* What selectors use: never changes in the life of a release. */}}
{{- define "pgweir.pooler" -}}
app.kubernetes.io/name: pgweir
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "pgweir.postgres" -}}
app.kubernetes.io/name: postgres
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "pgweir.group" -}}
{{ include "pgweir.name" . }}-postgres
{{- end -}}

{{- define "pgweir.image" -}}
{{ with .Values.image.registry }}{{ . }}/{{ end -}}
{{ .Values.image.repository }}:{{ .Values.image.tag }}
{{- end -}}

{{- define "pgweir.secret" -}}
{{ .Values.auth.existingSecret | default (include "pgweir.name" .) }}
{{- end -}}

{{- define "pgweir.host" -}}
{{ .Values.primary.host | default (printf "%s-rw" (include "pgweir.group" .)) }}
{{- end -}}

{{/* The headless Service: every member. */}}
{{- define "pgweir.hosts" -}}
{{ .Values.primary.host | default (include "pgweir.group" .) }}
{{- end -}}

{{- define "pgweir.members" -}}
{{- if eq .Values.architecture "replication" -}}
{{ add 1 .Values.readReplicas.replicaCount }}
{{- else -}}
1
{{- end -}}
{{- end -}}

{{- define "pgweir.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "pgweir.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: ["ALL"]
{{- end -}}
