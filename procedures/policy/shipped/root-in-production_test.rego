package root_in_production

given(role, reach, strategy, batch) := {"version": {
	"environments": [{"name": "prod", "production": true}, {"name": "dev", "production": false}],
	"bindings": [{"environment": "prod", "name": "deploy", "role": role, "reach": reach}],
	"targets": {"strategy": strategy, "batch": batch},
}}

test_root_at_all_hosts_at_once_is_refused if {
	deny == {"deploy reaches root in prod, and all its targets at once"} with input as given("root", {}, "parallel", "100%")
		with data.settings as {"batch": 50}
}

test_so_is_sudo if {
	count(deny) == 1 with input as given("deploy", {"sudo": "all"}, "parallel", "100%") with data.settings as {"batch": 50}
}

test_host_by_host_passes if {
	count(deny) == 0 with input as given("root", {}, "sequential", "100%") with data.settings as {"batch": 50}
	count(deny) == 0 with input as given("root", {}, "rolling", 3) with data.settings as {"batch": 50}
	count(deny) == 0 with input as given("root", {}, "rolling", "50%") with data.settings as {"batch": 50}
}

test_too_large_a_batch_is_refused if {
	count(deny) == 1 with input as given("root", {}, "rolling", "51%") with data.settings as {"batch": 50}
}

test_another_role_passes if {
	count(deny) == 0 with input as given("deploy", {}, "parallel", "100%") with data.settings as {"batch": 50}
}

test_root_elsewhere_passes if {
	count(deny) == 0 with input as {"version": {
		"environments": [{"name": "dev", "production": false}],
		"bindings": [{"environment": "dev", "name": "a", "role": "root", "reach": {}}],
		"targets": {"strategy": "parallel", "batch": "100%"},
	}}
		with data.settings as {"batch": 50}
}
