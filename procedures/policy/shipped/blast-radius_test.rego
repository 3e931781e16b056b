package blast_radius

settings(most, percent) := {
	"most": most,
	"percent": percent,
	"ask_from": 50,
	"few": 2,
	"duty": "security",
	"production": true,
}

given(number, percent, production) := {
	"targets": {"count": number, "percent": percent},
	"environment": {"name": "a", "production": production},
}

test_few_targets_pass_whatever_their_share if {
	count(deny) == 0 with input as given(2, 100, true) with data.settings as settings(10, 40)
	not require with input as given(2, 100, true) with data.settings as settings(10, 40)
}

test_too_many_are_refused if {
	deny == {"11 targets are more than 10"} with input as given(11, 5, true) with data.settings as settings(10, 40)
}

test_too_large_a_share_is_refused if {
	deny == {"41 % of a are more than 40 %"} with input as given(5, 41, true) with data.settings as settings(10, 40)
}

test_from_a_share_on_security_must_approve if {
	require == {"security": 1} with input as given(5, 50, true) with data.settings as settings(10, 100)
}

test_below_that_share_nobody_is_asked if {
	not require with input as given(5, 49, true) with data.settings as settings(10, 100)
}

test_outside_production_nothing_is_measured if {
	count(deny) == 0 with input as given(5000, 100, false) with data.settings as settings(10, 40)
}
