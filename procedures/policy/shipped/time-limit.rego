package time_limit

limit := data.settings.minutes * 60

deny contains msg if {
	input.version.timeout_s > limit
	msg := sprintf("it may take %v minutes, more than %v", [ceil(input.version.timeout_s / 60), data.settings.minutes])
}

deny contains msg if {
	some step in input.version.steps
	step.timeout_s > limit
	msg := sprintf("step %v may take more than %v minutes", [step.id, data.settings.minutes])
}
