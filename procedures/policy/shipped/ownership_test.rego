package ownership

settings := {"owner": "^group:", "description": 5, "tags": ["team"], "readme": true}

version(owner, description, tags, files) := {"version": {
	"owner": owner,
	"description": description,
	"tags": tags,
	"files": [{"path": path, "bytes": 1} | some path in files],
}}

test_all_there_passes if {
	house := settings
	count(deny) == 0 with input as version("group:default/web", "Restarts it", ["team"], ["README.md"])
		with data.settings as house
}

test_each_gap_is_named if {
	house := settings
	deny == {
		"it has no owner as the house writes them",
		"its description has fewer than 5 characters",
		"it lacks the tag team",
		"it has no README.md",
	} with input as version("somebody", " a  ", [], ["procedure.yaml"]) with data.settings as house
}

test_what_is_not_asked_for_may_lack if {
	count(deny) == 0 with input as version("group:a", "", [], [])
		with data.settings as {"owner": "^group:", "description": 0, "tags": [], "readme": false}
}
