package ticket

settings(production) := {"pattern": "CHG-[0-9]+", "example": "CHG-1", "production": production}

given(reason, production) := {"reason": reason, "environment": {"name": "a", "production": production}}

test_a_ticket_in_the_reason_passes if {
	count(deny) == 0 with input as given("because of CHG-12, see there", true) with data.settings as settings(true)
}

test_a_reason_without_one_is_refused_in_production if {
	deny == {"the reason names no ticket, such as CHG-1"} with input as given("please", true)
		with data.settings as settings(true)
}

test_outside_production_nothing_is_asked if {
	count(deny) == 0 with input as given("please", false) with data.settings as settings(true)
}

test_everywhere_means_everywhere if {
	count(deny) == 1 with input as given("please", false) with data.settings as settings(false)
}
