package more_reviewers

settings(risk) := {"risk": risk, "duty": "security", "people": 2}

test_from_that_risk_on_they_are_asked if {
	require == {"security": 2} with input as {"version": {"risk": "high"}} with data.settings as settings("moderate")
	require == {"security": 2} with input as {"version": {"risk": "moderate"}} with data.settings as settings("moderate")
}

test_below_it_they_are_not if {
	not require with input as {"version": {"risk": "low"}} with data.settings as settings("moderate")
}
