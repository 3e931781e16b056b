package ticket

concerned if not data.settings.production

concerned if input.environment.production

deny contains msg if {
	concerned
	not regex.match(data.settings.pattern, input.reason)
	msg := sprintf("the reason names no ticket, such as %v", [data.settings.example])
}
