package freeze_windows

concerned if not data.settings.production

concerned if input.environment.production

minute := substring(input.now.at, 0, 16)

deny contains msg if {
	concerned
	not input.procedure.name in data.settings.procedures
	some window in data.settings.windows
	minute >= trim_suffix(window.from, "Z")
	minute < trim_suffix(window.until, "Z")
	msg := sprintf("frozen until %v: %v", [window.until, window.why])
}
