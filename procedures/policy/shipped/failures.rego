package failures

production if {
	some place in input.version.environments
	place.production
}

deny contains msg if {
	production
	some step in input.version.steps
	step.phase != "always"
	step.on_failure == "continue"
	not step.id in data.settings.except
	msg := sprintf("step %v goes on after a failure", [step.id])
}
