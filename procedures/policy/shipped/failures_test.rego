package failures

given(phase, on_failure, production) := {"version": {
	"environments": [{"name": "a", "production": production}],
	"steps": [{"id": "one", "phase": phase, "on_failure": on_failure}],
}}

test_going_on_is_refused_in_production if {
	deny == {"step one goes on after a failure"} with input as given("steps", "continue", true)
		with data.settings as {"except": []}
}

test_an_exception_may if {
	count(deny) == 0 with input as given("steps", "continue", true) with data.settings as {"except": ["one"]}
}

test_failing_passes if {
	count(deny) == 0 with input as given("steps", "fail", true) with data.settings as {"except": []}
}

test_what_cleans_up_may_go_on if {
	count(deny) == 0 with input as given("always", "continue", true) with data.settings as {"except": []}
}

test_outside_production_it_may if {
	count(deny) == 0 with input as given("steps", "continue", false) with data.settings as {"except": []}
}
