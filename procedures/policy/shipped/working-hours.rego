package working_hours

concerned if not data.settings.production

concerned if input.environment.production

here := input.now.zones[data.settings.zone]

open if {
	here.weekday in data.settings.days
	here.time >= data.settings.from
	here.time < data.settings.until
}

deny contains msg if {
	concerned
	not open
	msg := sprintf(
		"it is not between %v and %v in %v on a working day",
		[data.settings.from, data.settings.until, data.settings.zone],
	)
}
