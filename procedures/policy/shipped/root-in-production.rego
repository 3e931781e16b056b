package root_in_production

production := {place.name | some place in input.version.environments; place.production}

root(binding) if binding.role == "root"

root(binding) if binding.reach.root

root(binding) if binding.reach.sudo == "all"

careful if input.version.targets.strategy == "sequential"

careful if {
	input.version.targets.strategy == "rolling"
	is_number(input.version.targets.batch)
}

careful if {
	input.version.targets.strategy == "rolling"
	to_number(trim_suffix(sprintf("%v", [input.version.targets.batch]), "%")) <= data.settings.batch
}

deny contains msg if {
	some binding in input.version.bindings
	binding.environment in production
	root(binding)
	not careful
	msg := sprintf("%v reaches root in %v, and all its targets at once", [binding.name, binding.environment])
}
