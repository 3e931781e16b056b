package network_hosts

steps := input.plan.steps if input.stage == "plan"

steps := input.version.steps if input.stage == "submit"

known(host) if {
	some pattern in data.settings.hosts
	glob.match(lower(pattern), ["."], host)
}

deny contains msg if {
	some step in steps
	some host in step.hosts
	not known(host)
	msg := sprintf("step %v speaks to %v, which is not in the list", [step.id, host])
}

deny contains msg if {
	not data.settings.unknown
	some step in steps
	step.host_unknown
	msg := sprintf("step %v speaks to a host that is only known when it runs", [step.id])
}

deny contains msg if {
	not data.settings.scripts
	some step in steps
	step.network
	msg := sprintf("step %v lets a script reach the network", [step.id])
}
