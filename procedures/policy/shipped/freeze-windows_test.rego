package freeze_windows

settings(production) := {
	"windows": [{"from": "2026-12-20T00:00Z", "until": "2027-01-02T06:00Z", "why": "year's end"}],
	"procedures": ["restart-web"],
	"production": production,
}

given(at, name, production) := {
	"now": {"at": at},
	"procedure": {"name": name},
	"environment": {"name": "a", "production": production},
}

test_before_and_after_it_passes if {
	count(deny) == 0 with input as given("2026-12-19T23:59:59.999999Z", "hello", true) with data.settings as settings(true)
	count(deny) == 0 with input as given("2027-01-02T06:00:00.000000Z", "hello", true) with data.settings as settings(true)
}

test_within_it_is_refused_with_its_reason if {
	deny == {"frozen until 2027-01-02T06:00Z: year's end"} with input as given("2026-12-24T12:00:00.000000Z", "hello", true)
		with data.settings as settings(true)
}

test_an_exception_may_run if {
	count(deny) == 0 with input as given("2026-12-24T12:00:00.000000Z", "restart-web", true)
		with data.settings as settings(true)
}

test_outside_production_nothing_is_frozen if {
	count(deny) == 0 with input as given("2026-12-24T12:00:00.000000Z", "hello", false) with data.settings as settings(true)
}
