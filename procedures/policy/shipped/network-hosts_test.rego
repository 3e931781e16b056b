package network_hosts

settings(allow) := {"hosts": ["api.example.com", "*.Example.org"], "unknown": allow, "scripts": allow}

given(hosts, unknown, network) := {"stage": "submit", "version": {"steps": [{
	"id": "call",
	"hosts": hosts,
	"host_unknown": unknown,
	"network": network,
}]}}

test_a_listed_host_passes if {
	count(deny) == 0 with input as given(["api.example.com", "a.example.org"], false, false)
		with data.settings as settings(false)
}

test_another_host_is_refused if {
	deny == {"step call speaks to evil.test, which is not in the list"} with input as given(["evil.test"], false, false)
		with data.settings as settings(false)
}

test_a_star_stands_for_one_part if {
	count(deny) == 1 with input as given(["a.b.example.org"], false, false) with data.settings as settings(false)
}

test_an_unknown_host_and_a_script_are_refused if {
	count(deny) == 2 with input as given([], true, true) with data.settings as settings(false)
}

test_they_pass_where_they_are_allowed if {
	count(deny) == 0 with input as given([], true, true) with data.settings as settings(true)
}

test_a_plan_is_judged_by_its_own_steps if {
	count(deny) == 1 with input as {"stage": "plan", "plan": {"steps": [{
		"id": "a",
		"hosts": ["evil.test"],
		"host_unknown": false,
		"network": false,
	}]}}
		with data.settings as settings(false)
}
