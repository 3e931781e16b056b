package naming

settings(longest) := {"pattern": "^[a-z-]+$", "longest": longest, "parameters": "^[a-z]+$"}

given(name, parameters) := {"procedure": {"name": name}, "version": {"parameters": [{"name": p} | some p in parameters]}}

test_a_name_that_fits_passes if {
	count(deny) == 0 with input as given("restart-web", ["host"]) with data.settings as settings(12)
}

test_a_name_with_capitals_is_refused if {
	count(deny) == 1 with input as given("RestartWeb", []) with data.settings as settings(12)
}

test_a_long_name_is_refused if {
	count(deny) == 1 with input as given("restart-the-web", []) with data.settings as settings(12)
}

test_a_parameter_is_refused_by_its_name if {
	deny == {"the parameter host-name does not match ^[a-z]+$"} with input as given("restart", ["host-name"])
		with data.settings as settings(12)
}
