package blast_radius

concerned if not data.settings.production

concerned if input.environment.production

measured if {
	concerned
	input.targets.count > data.settings.few
}

deny contains msg if {
	concerned
	input.targets.count > data.settings.most
	msg := sprintf("%v targets are more than %v", [input.targets.count, data.settings.most])
}

deny contains msg if {
	measured
	input.targets.percent > data.settings.percent
	msg := sprintf("%v %% of %v are more than %v %%", [input.targets.percent, input.environment.name, data.settings.percent])
}

require := {data.settings.duty: 1} if {
	measured
	input.targets.percent >= data.settings.ask_from
}
