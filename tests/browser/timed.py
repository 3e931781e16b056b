"""A schedule of production whose runs Petra approved ahead, one of her approvals taken back, in long words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from opsportal.demo.company import Company
from procedures.domain.canonical import moment
from tests.browser.calm import until
from tests.browser.ugly import SAID

RULES = {
    "name": "production",
    "title": "Production",
    "position": 3,
    "production": True,
    "drafts": False,
    "approvals": {"moderate": {"operations": 1}, "high": {"operations": 1}},
    "min_strength": "signed",
    "approval_expiry_s": 86_400,
    "reason_required": True,
    "ahead_up_to": "moderate",
}
NAME = "restart-at-night"


def standing_of(company: Company) -> dict[str, str]:
    """Fill the portal; gives the paths of what was made, by the name that the list of pages has for each."""
    quinn, petra = company["quinn"], company["petra"]
    account = {"account": str(uuid4()), "username": "nightbot", "name": "Night bot", "owner": quinn.subject}
    company.both("service_account", account)
    right = {"verbs": ["run"], "environments": ["production"], "procedure": "restart-service", "reason": "At night."}
    company.both("grant", {**right, **until(60), "principal": f"person:{account['account']}"})
    company.both("environment", RULES)
    wish = {"name": NAME, "procedure": "restart-service", "environment": "production", "account": "nightbot"}
    wish |= {"when": {"cron": "30 2 * * mon-fri", "zone": "Europe/Berlin"}, "reason": SAID[:300]}
    wish |= {"parameters": {"service": "checkout", "grace": 30}, "expires_at": until(90)["expires_at"]}
    made = quinn.good("POST", "/api/v1/schedules/preview/", {"object": wish})["object"]
    company["jonas"].confirm(quinn.propose("schedule", made))
    ahead = f"/api/v1/schedules/{NAME}/ahead/"
    given = []
    for count, comment in ((10, "Looked at it with Olga."), (40, SAID[:500])):
        found = petra.good("GET", f"{ahead}?runs={count}&days=20")
        body = {"runs": count, "not_after": found["value"]["not_after"], "plan_digest": found["plan_digest"]}
        body |= {"comment": comment, "signature": petra.sign(found["statement"])}
        given.append(petra.good("POST", ahead, body)["id"])
    petra.good("POST", f"{ahead}{given[0]}/take-back/", {"reason": SAID[:200]})
    soon = moment(datetime.now(UTC) + timedelta(days=1))
    once = {**made, "name": "once", "when": {"at": soon}, "reason": "Once, before the release."}
    company["jonas"].confirm(quinn.propose("schedule", once))
    page = f"/schedules/schedule/{NAME}/"
    return {"schedule": page, "ahead": f"{page}ahead/", "ahead-sign": f"{page}ahead/?runs=20&days=20&comment=Looked"}
