package time_limit

given(whole, step) := {"version": {"timeout_s": whole, "steps": [{"id": "one", "timeout_s": step}]}}

test_within_the_limit_passes if {
	count(deny) == 0 with input as given(600, 0) with data.settings as {"minutes": 10}
}

test_a_longer_version_is_refused if {
	deny == {"it may take 11 minutes, more than 10"} with input as given(601, 0) with data.settings as {"minutes": 10}
}

test_a_longer_step_is_refused if {
	deny == {"step one may take more than 10 minutes"} with input as given(600, 601) with data.settings as {"minutes": 10}
}
