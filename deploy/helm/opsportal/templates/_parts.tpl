{{- define "opsportal.labels" -}}
app.kubernetes.io/name: opsportal
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end }}
{{- define "opsportal.image" -}}
{{ .Values.image.repository }}{{ with .Values.image.digest }}@{{ . }}{{ else }}:{{ .Values.image.tag }}{{ end }}
{{- end }}
{{- /* One container, restricted. `beside`: "issuer-" for the second one of a runner's pod, which shares no folder with it
but the one that holds their socket. */ -}}
{{- define "opsportal.container" -}}
- name: {{ .name | default .role }}
  image: {{ include "opsportal.image" .root | quote }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy | default "IfNotPresent" }}
  args: {{ toJson .args }}
  env:
    - {name: OPSPORTAL_PUBLIC_URL, value: {{ .root.Values.publicUrl | quote }}}
    - {name: OPSPORTAL_REVIEW_PROFILE, value: {{ .root.Values.reviewProfile | default "team" | quote }}}
    - {name: OPSPORTAL_DATA_DIR, value: /var/lib/opsportal/data}
    - {name: DATABASE_URL_FILE, value: /run/secrets/opsportal/database-url}
    {{- if not (or .beside .outward) }}
    - {name: OPSPORTAL_BROKER_URL_FILE, value: /run/secrets/opsportal/broker-url}
    {{- end }}
    - {name: OPSPORTAL_SECRET_KEY_FILE, value: /run/secrets/opsportal/secret-key}
    {{- if .sealed }}
    - {name: OPSPORTAL_EGRESS_KEY_FILE, value: /run/secrets/opsportal/egress-key}
    {{- end }}
    {{- if .mail }}
    - {name: OPSPORTAL_SMTP_URL_FILE, value: /run/secrets/opsportal/smtp-url}
    {{- end }}
    {{- range $name, $value := .root.Values.settings }}
    - {name: {{ $name }}, value: {{ $value | toString | quote }}}
    {{- end }}
    {{- range $name, $value := .env }}
    - {name: {{ $name }}, value: {{ $value | toString | quote }}}
    {{- end }}
  securityContext:
    {{- if .beside }}
    runAsUser: {{ .user }}
    seccompProfile: {type: RuntimeDefault}
    {{- end }}
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities: {drop: [ALL]}
  {{- if eq .probe "web" }}
  ports: [{name: http, containerPort: 8000}]
  startupProbe: {exec: {command: [python, -S, -m, opsportal.alive]}, periodSeconds: 3, failureThreshold: 40, timeoutSeconds: 5}
  livenessProbe: {exec: {command: [python, -S, -m, opsportal.alive]}, periodSeconds: 15, failureThreshold: 4, timeoutSeconds: 5}
  readinessProbe:
    httpGet: {path: /healthz, port: http, httpHeaders: [{name: Host, value: {{ (urlParse .root.Values.publicUrl).hostname | quote }}}, {name: X-Forwarded-Proto, value: https}]}
    periodSeconds: 5
  {{- else if eq .probe "file" }}
  startupProbe: {exec: {command: [python, -S, -m, opsportal.alive]}, periodSeconds: 3, failureThreshold: 60, timeoutSeconds: 5}
  livenessProbe: {exec: {command: [python, -S, -m, opsportal.alive]}, periodSeconds: 15, failureThreshold: 4, timeoutSeconds: 5}
  {{- end }}
  resources: {{ toJson .resources }}
  volumeMounts:
    - {name: {{ if .beside }}issuer-secrets{{ else }}secrets{{ end }}, mountPath: /run/secrets/opsportal, readOnly: true}
    - {name: {{ .beside }}tmp, mountPath: /tmp}
    - {name: {{ .beside }}vartmp, mountPath: /var/tmp}
    - {name: {{ .beside }}run, mountPath: /run/opsportal}
    - {name: {{ .beside }}data, mountPath: /var/lib/opsportal/data}
    {{- if .root.Values.certificates.configMap }}
    - {name: certificates, mountPath: /run/certificates, readOnly: true}
    {{- end }}
    {{- range .mounts }}
    - {{ toJson . }}
    {{- end }}
{{- end }}
{{- /* A pod of one role, restricted. `role`, `user`, `args`, `mounts`, `volumes`, `secret` (of OPSPORTAL_SECRET_KEY);
`sealed`: web and its way out, which share a key; `outward`: the latter, which sends no message. */ -}}
{{- define "opsportal.pod" -}}
{{- $cells := and .cells .root.Values.cells.enabled -}}
{{- $login := ternary .role "owner" (and .root.Values.database.roles (ne .role "install")) -}}
{{- $sender := not (or (eq .role "disposable") (hasPrefix "runner-" .role)) -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- if $cells }}
hostUsers: false
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .user }}
  runAsGroup: 10000
  fsGroup: 10000
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: {{ if $cells }}Unconfined{{ else }}RuntimeDefault{{ end }}}
containers:
  {{- include "opsportal.container" . | nindent 2 }}
  {{- with .issuer }}
  {{- include "opsportal.container" . | nindent 2 }}
  {{- end }}
volumes:
  - name: secrets
    projected:
      defaultMode: 0440
      sources:
        - secret: {name: {{ .root.Values.secrets.databaseUrls.name }}, items: [{key: {{ $login }}, path: database-url}]}
        {{- if not .outward }}
        - secret: {name: {{ .root.Values.secrets.brokerUrls.name }}, items: [{key: {{ ternary "sends" .role $sender }}, path: broker-url}]}
        {{- end }}
        {{- if .sealed }}
        - secret: {name: {{ .root.Values.secrets.egressKey.name }}, items: [{key: {{ .root.Values.secrets.egressKey.key }}, path: egress-key}]}
        {{- end }}
        - secret: {name: {{ .secret.name }}, items: [{key: {{ .secret.key }}, path: secret-key}]}
        {{- if .mail }}
        - secret: {name: {{ .root.Values.secrets.smtpUrl.name }}, items: [{key: {{ .root.Values.secrets.smtpUrl.key }}, path: smtp-url}]}
        {{- end }}
  - {name: tmp, emptyDir: {sizeLimit: 1Gi}}
  - {name: vartmp, emptyDir: {sizeLimit: 1Gi}}
  - {name: run, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
  - {name: data, emptyDir: {sizeLimit: 2Gi}}
  {{- if .issuer }}
  - name: issuer-secrets
    projected:
      defaultMode: 0440
      sources:
        - secret: {name: {{ .root.Values.secrets.databaseUrls.name }}, items: [{key: {{ $login | replace "runner-" "issuer-" }}, path: database-url}]}
        - secret: {name: {{ .secret.name }}, items: [{key: {{ .secret.key }}, path: secret-key}]}
  - {name: issuer-tmp, emptyDir: {sizeLimit: 64Mi}}
  - {name: issuer-vartmp, emptyDir: {sizeLimit: 64Mi}}
  - {name: issuer-run, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
  - {name: issuer-data, emptyDir: {sizeLimit: 64Mi}}
  - {name: door, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
  {{- end }}
  {{- with .root.Values.certificates.configMap }}
  - {name: certificates, configMap: {name: {{ . }}}}
  {{- end }}
  {{- range .volumes }}
  - {{ toJson . }}
  {{- end }}
{{- end }}
{{- /* A Deployment around such a pod; whoever holds a key of its own is there once, and goes before its successor comes. */ -}}
{{- define "opsportal.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .root.Release.Name }}-{{ .role }}
  labels: {{- include "opsportal.labels" . | nindent 4 }}
spec:
  {{- if not .scaled }}
  replicas: {{ .replicas | default 1 }}
  {{- end }}
  revisionHistoryLimit: 3
  {{- if .alone }}
  strategy: {type: Recreate}
  {{- else }}
  strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
  {{- end }}
  selector:
    matchLabels: {{- include "opsportal.labels" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "opsportal.labels" . | nindent 8 }}
    spec:
      terminationGracePeriodSeconds: {{ .grace | default 30 }}
      {{- include "opsportal.pod" . | nindent 6 }}
{{- end }}
