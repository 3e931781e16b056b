package naming

deny contains msg if {
	not regex.match(data.settings.pattern, input.procedure.name)
	msg := sprintf("the name %v does not match %v", [input.procedure.name, data.settings.pattern])
}

deny contains msg if {
	count(input.procedure.name) > data.settings.longest
	msg := sprintf("the name %v is longer than %v characters", [input.procedure.name, data.settings.longest])
}

deny contains msg if {
	some parameter in input.version.parameters
	not regex.match(data.settings.parameters, parameter.name)
	msg := sprintf("the parameter %v does not match %v", [parameter.name, data.settings.parameters])
}
