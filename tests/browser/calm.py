"""Access as it looks on a good day, for the pictures of the handbook: an agent, a campaign, a grant that waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from opsportal.demo.client import Keyboard
from opsportal.demo.company import Company
from procedures.domain.canonical import moment


def until(days: int) -> dict[str, str]:
    at = datetime.now(UTC)
    return {"not_before": moment(at), "expires_at": moment(at + timedelta(days=min(days, 360)))}


def signed(person: Keyboard, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Take a control object to one of the doors that sign it."""
    control = "campaign_keep" if path.endswith("/keep/") else "campaign" if path.endswith("campaigns/") else "grant"
    statement = person.good("POST", "/api/v1/controls/statement/", {"control": control, "object": body["object"]})
    sent = {name: value for name, value in body.items() if name != "object" or control != "campaign_keep"}
    found: dict[str, Any] = person.good("POST", path, sent | {"signature": person.sign(statement["statement"])})
    return found


def access_of(company: Company) -> dict[str, str]:
    """Fill the portal; gives the paths of what was made, by the name that the list of pages has for each."""
    agent = {"agent": str(uuid4()), "username": "night-watch", "name": "Night watch", "runs_an_hour": 10}
    company.both("agent", {**agent, "owner": company["olga"].subject})
    right: dict[str, Any] = {"verbs": ["run", "read_output"], "environments": ["development"], **until(30)}
    looks = {"selector": ["diagnostic"], "grows": True, "reason": "Looks around at night."}
    company.both("grant", {**right, **looks, "principal": f"person:{agent['agent']}"})
    token = {"name": "server room", "of": agent["agent"], "audience": "mcp", "days": 30}
    company["olga"].good("POST", "/api/v1/tokens/", token)
    wish: dict[str, Any] = {
        "name": "Autumn",
        "due_at": moment(datetime.now(UTC) + timedelta(days=14)),
        "reviewers": ["jonas"],
    }
    wish |= {"select": {"procedure": "restart-service"}}
    made = company["mira"].good("POST", "/api/v1/campaigns/offer/", wish)
    opened = signed(company["mira"], "/api/v1/campaigns/", {"object": made["object"]})
    given = {"principal": f"person:{company['max'].subject}", "procedure": "restart-service", "reason": "On call."}
    right |= {"environments": ["staging", "production"], "target_filter": "role=web"}
    change = company["mira"].propose("grant", {**right, **given})
    return {"autumn": f"/access/campaigns/{opened['id']}/", "grant": f"/changes/{change['id']}/"}
