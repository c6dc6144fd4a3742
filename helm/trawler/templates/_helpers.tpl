{{- /* What several templates share: names, labels, images, security contexts. */ -}}

{{- define "trawler.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- /* The release's name where it already says trawler, else both; short enough for a suffix. */ -}}
{{- define "trawler.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "trawler.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "trawler.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "trawler.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ include "trawler.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- /* Called with (list . "operator"). What selectors use must never change. */ -}}
{{- define "trawler.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "trawler.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- /* Called with (list . .Values.operator.image). */ -}}
{{- define "trawler.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default $root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- /* Both together satisfy the Pod Security Standard `restricted`. Of the user, or of one that the cluster assigns. */ -}}
{{- define "trawler.podSecurityContext" -}}
runAsNonRoot: true
{{- if ne (toString .) "Assigned" }}
runAsUser: {{ int64 . }}
runAsGroup: {{ int64 . }}
fsGroup: {{ int64 . }}
{{- end }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "trawler.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "trawler.databaseSecret" -}}
{{- if .Values.database.workerUrlKey -}}
{{- fail "database.workerUrlKey is now database.gatewayUrlKey: crawler pods do not reach PostgreSQL any more, the gateway does" -}}
{{- end -}}
{{- if and .Values.postgres.enabled .Values.database.existingSecret -}}
{{- fail "set either database.existingSecret or postgres.enabled, not both" -}}
{{- else if .Values.postgres.enabled -}}
{{ include "trawler.fullname" . }}-postgres
{{- else -}}
{{- required "Trawler needs a PostgreSQL: set database.existingSecret to the Secret with its URL, or postgres.enabled=true to try Trawler out" .Values.database.existingSecret -}}
{{- end -}}
{{- end -}}

{{- /* Where the operator writes the gateway's way into the database. */ -}}
{{- define "trawler.gatewayLoginSecret" -}}
{{ include "trawler.fullname" . }}-gateway-login
{{- end -}}

{{- /* Where the operator writes the API server's way into the database; a login that reads. */ -}}
{{- define "trawler.serverLoginSecret" -}}
{{ include "trawler.fullname" . }}-server-login
{{- end -}}

{{- define "trawler.serverTokensSecret" -}}
{{ include "trawler.fullname" . }}-server-tokens
{{- end -}}

{{- define "trawler.gatewayTlsSecret" -}}
{{- .Values.gateway.tls.existingSecret | default (printf "%s-gateway-tls" (include "trawler.fullname" .)) -}}
{{- end -}}

{{- /* Where workers reach it: without the cluster's domain, which every pod's resolver adds. */ -}}
{{- define "trawler.gatewayUrl" -}}
{{ ternary "https" "http" .Values.gateway.tls.enabled }}://{{ include "trawler.fullname" . }}-gateway.{{ .Release.Namespace }}.svc:8443
{{- end -}}

{{- define "trawler.gatewayLeast" -}}
{{ ternary .Values.gateway.autoscaling.minReplicas .Values.gateway.replicas .Values.gateway.autoscaling.enabled }}
{{- end -}}

{{- define "trawler.gatewayMost" -}}
{{ ternary .Values.gateway.autoscaling.maxReplicas .Values.gateway.replicas .Values.gateway.autoscaling.enabled }}
{{- end -}}

{{- /* Two more than its pool for each replica, and twice the replicas: those that go are there beside those that come. */ -}}
{{- define "trawler.gatewayConnections" -}}
{{ mul 2 (max 1 (int (include "trawler.gatewayMost" .))) (add 2 .Values.gateway.poolSize) }}
{{- end -}}
