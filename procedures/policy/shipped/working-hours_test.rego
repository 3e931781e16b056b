package working_hours

settings(production) := {
	"zone": "Europe/Berlin",
	"days": ["monday", "friday"],
	"from": "08:00",
	"until": "17:00",
	"production": production,
}

given(weekday, time, production) := {
	"now": {"zones": {"Europe/Berlin": {"weekday": weekday, "time": time}}},
	"environment": {"name": "a", "production": production},
}

test_within_the_hours_passes if {
	count(deny) == 0 with input as given("monday", "08:00", true) with data.settings as settings(true)
}

test_the_end_is_outside if {
	count(deny) == 1 with input as given("monday", "17:00", true) with data.settings as settings(true)
}

test_before_the_beginning_is_outside if {
	count(deny) == 1 with input as given("friday", "07:59", true) with data.settings as settings(true)
}

test_another_day_is_outside if {
	count(deny) == 1 with input as given("sunday", "10:00", true) with data.settings as settings(true)
}

test_an_unknown_zone_refuses if {
	count(deny) == 1 with input as {"now": {"zones": {}}, "environment": {"production": true}}
		with data.settings as settings(true)
}

test_outside_production_any_hour_will_do if {
	count(deny) == 0 with input as given("sunday", "03:00", false) with data.settings as settings(true)
}
