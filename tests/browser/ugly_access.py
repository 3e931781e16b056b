"""What pages about access must bear: many rights, requests in each state, a campaign, agents, break-glass."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from opsportal.demo.company import Company
from procedures.domain.canonical import moment
from tests.browser.calm import signed, until
from tests.browser.ugly import RTL, SAID, WORD

NAME = f"Bartholomäus {WORD[:90]} 🚀 {RTL}"
READ: dict[str, Any] = {"verbs": ["view", "discover"], "environments": ["development"]}
SLOW = {"service": "checkout", "grace": 30}
LDAP = {"url": "ldaps://ldap.example.com", "subject": "entryUUID", "group_base": "ou=groups,dc=example,dc=com"}


def access_of(company: Company) -> dict[str, str]:
    """Fill the portal; gives the paths of what was made, by the name that the list of pages has for each."""
    company.grant("petra", ["break_glass"], ["production"], reason="On call.")
    long_named(company)
    places = requests(company) | campaign(company) | glass(company)
    agents(company)
    space(company)
    providers(company)
    return places | waiting(company)


def long_named(company: Company) -> None:
    """Somebody whose name does not end, who holds much, and a group of the same kind."""
    mira = company["mira"]
    subject = mira.good("POST", "/api/v1/people/", {"username": WORD[:100], "name": NAME[:200]})["subject"]
    company.both("membership", {"person": subject, "group": f"on-call {WORD[:80]}", "action": "add"})
    company.both("membership", {"person": company["quinn"].subject, "group": f"on-call {WORD[:80]}", "action": "add"})
    for principal in (f"person:{subject}", f"group:on-call {WORD[:80]}"):
        given = {**READ, "procedure": "hello", "reason": SAID, "principal": principal}
        given["window"] = {
            "days": ["mon", "sat"],
            "from": "22:30",
            "until": "05:00",
            "zone": "America/Argentina/Ushuaia",
        }
        company.both("grant", given | until(400 if principal.startswith("group") else 3))
    for number in range(12):
        company.grant("max", ["view"], ["development"], reason=f"{number} {SAID}", procedure="hello")


def requests(company: Company) -> dict[str, str]:
    """One that waits, one that was refused, one that waits for a second manager, one that was withdrawn."""
    made = {}
    for name, who in (("waits", "max"), ("refused", "adam"), ("proposed", "clara"), ("withdrawn", "ines")):
        wish: dict[str, Any] = {"procedure": "restart-service", "verbs": ["run", "read_output"], "days": 9}
        wish |= {"environments": ["production", "staging"], "reason": SAID * 3}
        made[name] = company[who].good("POST", "/api/v1/access-requests/", wish)["id"]
    company["mira"].good("POST", f"/api/v1/access-requests/{made['refused']}/refuse/", {"reason": SAID * 2})
    company["ines"].good("POST", f"/api/v1/access-requests/{made['withdrawn']}/withdraw/")
    offer = company["mira"].good("GET", f"/api/v1/access-requests/{made['proposed']}/")["offer"]
    signed(company["mira"], f"/api/v1/access-requests/{made['proposed']}/grant/", {"object": offer})
    return {f"asked-{name}": f"/access/requests/{pk}/" for name, pk in made.items()}


def campaign(company: Company) -> dict[str, str]:
    """One over everything that mira opened and jonas has begun to decide."""
    jonas = company["jonas"]
    wish = {"name": f"Quarter {WORD} 🚀", "due_at": moment(datetime.now(UTC) + timedelta(days=5))}
    made = company["mira"].good(
        "POST", "/api/v1/campaigns/offer/", {**wish, "reviewers": ["jonas"], "select": {"person": "max"}}
    )
    row = signed(company["mira"], "/api/v1/campaigns/", {"object": made["object"]})
    items = jonas.good("GET", f"/api/v1/campaigns/{row['id']}/grants/")["results"]
    said = {"grants": [one["grant"]["id"] for one in items[:2]], "reason": SAID[:190]}
    signed(jonas, f"/api/v1/campaigns/{row['id']}/keep/", {**said, "object": {"campaign": row["id"], **said}})
    return {"campaign": f"/access/campaigns/{row['id']}/"}


def glass(company: Company) -> dict[str, str]:
    """A run that petra let go alone, and one that still waits."""
    quinn, petra = company["quinn"], company["petra"]
    quinn.step_up()
    wish = {"procedure": "restart-service", "environment": "production", "reason": SAID, "parameters": SLOW}
    run = quinn.good("POST", "/api/v1/runs/", wish)
    waits = quinn.good("POST", "/api/v1/runs/", wish)["id"]
    said = petra.good("GET", f"/api/v1/runs/{run['id']}/break-glass/", params={"reason": SAID})
    body = {"plan_digest": said["value"]["plan_digest"], "reason": SAID}
    body["signature"] = petra.sign(said["statement"])
    use = petra.good("POST", f"/api/v1/runs/{run['id']}/break-glass/", body)
    return {"glass-review": f"/break-glass/{use['id']}/", "glass-break": f"/approvals/{waits}/break-glass/"}


def agents(company: Company) -> None:
    """Two, one with a name that does not end; one asks for quinn, who made it tokens; accounts and tokens beside."""
    quinn = company["quinn"]
    for number, name in enumerate((NAME[:200], "Night watch")):
        subject = str(uuid4())
        made = {"agent": subject, "username": f"bot-{number}-{WORD[: 90 * (1 - number)]}", "name": name}
        company.both("agent", {**made, "owner": quinn.subject, "runs_an_hour": 10})
        given = {**READ, "verbs": ["run", "read_output"], "selector": ["diagnostic"], "grows": True, "reason": SAID}
        company.both("grant", {**given, "principal": f"person:{subject}", **until(30)})
        for door in ("mcp", "api"):
            quinn.good(
                "POST", "/api/v1/tokens/", {"name": f"{door} {WORD[:90]}", "of": subject, "audience": door, "days": 9}
            )
    for number in range(3):
        reach = {"verbs": ["view"], "procedures": ["hello"], "environments": ["development"]}
        quinn.good("POST", "/api/v1/tokens/", {"name": f"{number} {WORD[:90]}", "days": 1 + number * 40, **reach})
    account = {"account": str(uuid4()), "username": f"ci-{WORD[:100]}", "name": NAME[:200]}
    company.both("service_account", {**account, "owner": company["adam"].subject})


def space(company: Company) -> None:
    made = {"name": "payments", "title": f"Payments {WORD} 🚀", "leads": [f"person:{company['adam'].subject}"]}
    made |= {"procedures": ["hello", "restart-service"], "environments": ["development", "staging"]}
    company.both("space", {**made, "verbs": ["view", "run"], "days": 30, "risk": "moderate", "action": "set"})
    company.both("labels", {"procedure": "hello", "labels": ["diagnostic", WORD[:60]]})


def providers(company: Company) -> None:
    made = {"name": "corp", "title": f"Corp {WORD} 🚀", "protocol": "ldap", "action": "set", "provision": True}
    made |= {"authority": False, "groups": {f"cn={WORD},dc=example,dc=com": f"developers {WORD[:90]}"}}
    place = {"person_dn": "uid={username},ou=people,dc=example,dc=com"}
    company.both("identity_provider", {**made, "settings": {**LDAP, **place}})


def waiting(company: Company) -> dict[str, str]:
    """A change that only one manager has signed."""
    given = {**READ, "principal": f"person:{company['max'].subject}", "reason": SAID, "environments": ["production"]}
    given["constraint"] = {"properties": {"service": {"enum": ["checkout", WORD]}}}
    change = company["mira"].propose("grant", {**given, **until(30), "procedure": "restart-service"})
    return {"change": f"/changes/{change['id']}/"}
