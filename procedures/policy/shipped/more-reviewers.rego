package more_reviewers

level := {"low": 0, "moderate": 1, "high": 2}

require := {data.settings.duty: data.settings.people} if {
	level[input.version.risk] >= level[data.settings.risk]
}
