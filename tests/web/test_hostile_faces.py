"""H29, whole: every page is put through the payloads, or is named here with the reason why nobody else's text is on it.

A new page fails this test until it stands in one of the tables; so does a template that no row has shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from procedures import web
from procedures.api.urls import urlpatterns as api_patterns
from procedures.domain.clock import now
from procedures.models import ApiToken, Grant, Version
from procedures.services import drafts, people
from procedures.web.urls import urlpatterns
from tests.web import hostile_evidence, hostile_hosts, hostile_rest
from tests.web.hostile import ALL, PAYLOADS, places, written
from tests.web.hostile_town import Others, events, pieces
from tests.web.test_hostile import acting
from tests.web.town import PASSWORD, Town

pytestmark = pytest.mark.once
TEMPLATES = Path(web.__file__).with_name("templates")
Rows = list[tuple[str, str]]


def versions(o: Others) -> Rows:
    rows = Version.objects.filter(procedure__name="evil")
    return [(f"/reviews/{row.pk}/", "aisha") for row in rows]


def joined(o: Others) -> Rows:
    links = [
        people.invite_person(actor=o.jonas, username=f"new{n}", name=name, email="", at=now())[1]
        for n, name in enumerate(text for text in pieces(200) if text.isprintable())
    ]
    return [(link, "") for link in links]


def grant(o: Others) -> dict[str, Any]:
    """A form that comes back as what is to be signed."""
    said = {"reason": ALL, "next": ALL, "verbs": ["run"], "days": "3", "procedure": "evil"}
    return said | {"principal": f"person:{o.people[0].subject}", "environments": "development"}


# Pages by their name in urls.py: who looks at what.
ROWS: dict[str, Callable[[Others], Rows]] = {
    "home": lambda o: [("/", "mira"), ("/", "aisha")],
    "procedures": lambda o: [("/procedures/", "mira"), ("/procedures/?q=" + PAYLOADS[0], "mira")],
    "write": lambda o: [("/procedures/edit/", "mira")],
    "find": lambda o: [("/procedures/find/?q=evil", "mira")],
    "procedure": lambda o: [
        (f"/procedures/evil/?tab={tab}", "mira")
        for tab in ("", "history", "versions", "use")
        if hostile_rest.used(o.run)
    ],
    "manuscript": lambda o: [("/procedures/evil/edit/", "mira"), ("/procedures/evil/edit/?file=README.md", "mira")],
    "runs": lambda o: [("/runs/", "mira")],
    "run": lambda o: [
        (f"/runs/{run.pk}/?tab={tab}", "mira") for run in (o.run, o.approval) for tab in ("", "plan", "outputs")
    ],
    "run-live": lambda o: [(f"/runs/{o.run.pk}/live/", "mira"), (f"/runs/{o.approval.pk}/live/", "mira")],
    "log-lines": lambda o: [(f"/runs/{o.run.pk}/log/lines", "mira")],
    "approvals": lambda o: [("/approvals/", "aisha"), ("/approvals/", "mira")],
    "approval": lambda o: [
        (f"/approvals/{o.approval.pk}/", "aisha"),
        (f"/approvals/{o.approval.pk}/?verdict=reject", "aisha"),
        (f"/approvals/{o.approval.pk}/", "mira"),
    ],
    "reviews": lambda o: [("/reviews/", "aisha")],
    "review": versions,
    "draft": lambda o: [(f"/drafts/{drafts.draft_of(actor=o.mira, version=o.version, at=now()).pk}/", "mira")],
    "event": lambda o: [(f"/evidence/{pk}/", "aisha") for pk in events()],
    "people": lambda o: [("/people/", "jonas")],
    "join": joined,
    "environments": lambda o: [("/environments/", "aisha")],
    "runners": lambda o: [("/runners/", "aisha"), ("/runners/", "mira")],
    "environment": lambda o: hostile_hosts.environments(o.places),
    "target": lambda o: hostile_hosts.targets(o.places[0]),
    "inventory": lambda o: [(f"/environments/{o.places[0].pk}/inventories/evil-hosts/", "aisha")],
    "sources": lambda o: [("/sources/", "mira")],
    "source": lambda o: [(f"/sources/{row.pk}/", "mira") for row in o.sources],
    "access": lambda o: [("/access/", "jonas"), ("/access/?ended=1&procedure=" + PAYLOADS[0], "jonas")],
    "change": lambda o: [(f"/changes/{row.pk}/", "jonas") for row in o.changes],
    "settings": lambda o: [("/settings/", "mira")],
    "agents": lambda o: [(hostile_rest.connecting(o.mira, pieces(60))[1], who) for who in ("jonas", "mira")],
    "agent-connect": lambda o: [(hostile_rest.connecting(o.mira, pieces(60))[0], "mira")],
    "answers": lambda o: [
        ("/access/answers/drift/", "jonas"),
        ("/access/answers/separation/", "jonas"),
        ("/access/answers/who/?verb=run", "jonas"),
        ("/access/answers/person/?person=evil0", "jonas"),
    ],
    "policies": lambda o: [("/policies/", "jonas")],
    "policy": lambda o: [("/policies/naming/", "jonas")],
    "ways-in": lambda o: [("/people/sign-in/", "jonas")],
    "command-line": lambda o: [("/cli-login/", "mira")],
    "glass": lambda o: [("/break-glass/", "aisha")],
    "glass-review": lambda o: [(f"/break-glass/{o.glass.pk}/?comment={PAYLOADS[0]}", "aisha")],
    "break-glass": lambda o: [(f"/approvals/{o.approval.pk}/break-glass/?reason={PAYLOADS[0]}", "aisha")],
    "notices": lambda o: [("/settings/notices/", "mira")],
    "deputies": lambda o: [(hostile_rest.deputy(o.mira, o.jonas), who) for who in ("mira", "jonas")],
    "decision": lambda o: [(hostile_rest.asked_to_decide(o.approval, o.jonas), "aisha")],
    "login": lambda o: [("/login/", "")],
    "signon": lambda o: [("/login/with/evil/?next=" + PAYLOADS[0] + "&invite=" + PAYLOADS[1], "")],
    "stops": lambda o: [(hostile_rest.stop(o.mira, pieces(200)), who) for who in ("jonas", "aisha")],
    "spaces": lambda o: [(hostile_rest.space(pieces(200)), who) for who in ("jonas", "aisha")],
    **hostile_rest.ROWS,
    **hostile_evidence.ROWS,
    "campaigns": lambda o: [(hostile_rest.campaign(o.jonas, o.changes[0])[:18], who) for who in ("jonas", "aisha")],
    "campaign": lambda o: [(hostile_rest.campaign(o.jonas, o.changes[0]), who) for who in ("jonas", "aisha")],
    "access-ask": lambda o: [("/procedures/evil/ask/?verb=" + PAYLOADS[0] + "&environment=" + PAYLOADS[1], "mira")],
    "access-request": lambda o: [(f"/access/requests/{row.pk}/", who) for row in o.asked for who in ("mira", "jonas")],
    "access-extend": lambda o: [(f"/access/{row.pk}/extend/", "mira") for row in Grant.objects.filter(person=o.mira)],
}
# What only takes a form: what is sent comes back in a refusal or in what is to be signed.
FORMS: dict[str, Callable[[Others], list[tuple[str, str, dict[str, Any]]]]] = {
    **hostile_rest.FORMS,
    **hostile_evidence.FORMS,
    "preview": lambda o: [("/procedures/evil/preview/", "mira", {"p.text": ALL, "environment": ALL})],
    "fields": lambda o: [
        ("/procedures/evil/fields/", "mira", {"p.text": ALL}),
        ("/procedures/evil/", "mira", {"p.text": ALL, "environment": "development", "load": "p.crew"}),
        ("/procedures/evil/", "mira", {"p.text": ALL, "environment": "development", "load": "crew"}),
    ],
    "manuscript-check": lambda o: [("/procedures/evil/edit/check/", "mira", {"text": ALL, "file": ALL, "name": ALL})],
    "cancel": lambda o: [(f"/runs/{o.run.pk}/cancel/", "mira", {"reason": ALL})],
    "comments": lambda o: [(f"/reviews/{o.version}/comments/", "aisha", {"body": "", "path": ALL, "line": ALL})],
    "lift": lambda o: [(f"/reviews/{o.version}/lift/", "aisha", {"reason": ALL})],
    "version-life": lambda o: [(f"/reviews/{o.version}/revoke/", "aisha", {"reason": ALL, "digest": ALL})],
    "procedure-life": lambda o: [("/procedures/evil/life/retire/", "aisha", {"reason": ALL})],
    "invite": lambda o: [("/people/invite/", "jonas", {"username": ALL, "name": ALL, "email": ALL, "kind": ALL})],
    "break-glass": lambda o: [(f"/approvals/{o.approval.pk}/break-glass/", "aisha", {"reason": ALL})],
    "glass-review": lambda o: [(f"/break-glass/{o.glass.pk}/", "aisha", {"comment": ALL, "verdict": ALL})],
    "policy": lambda o: [
        ("/policies/naming/", "jonas", {"mode": ALL, "s.pattern": ALL, "do": ALL}),
        ("/policies/naming/", "jonas", {"s.pattern": "^z", "stages": "submit", "do": "try", "days": "9"}),
    ],
    "link-login": lambda o: [
        ("/settings/logins/", "mira", {"provider": "evil", "password": PASSWORD}),
        ("/settings/logins/", "mira", {"provider": ALL, "password": ALL}),
    ],
    "directory-token": lambda o: [("/people/sign-in/token/", "jonas", hostile_rest.TOKEN)],
    "stop": lambda o: [("/stops/throw/", "jonas", {"environment": ALL, "procedure": ALL, "reason": ALL})],
    "agent-switch": lambda o: [("/agents/switch/", "jonas", {"agent": ALL, "person": ALL, "on": ALL, "reason": ALL})],
    "agent-connect": lambda o: [
        (hostile_rest.connecting(o.mira, pieces(60))[0], "mira", {"agent": ALL, "days": ALL}),
        ("/agents/connect/?client_id=" + PAYLOADS[0] + "&state=" + PAYLOADS[1], "mira", {}),
    ],
    "agent-tokens": lambda o: [("/agents/tokens/", "jonas", {"name": ALL, "do": ALL, "agent": ALL, "days": ALL})],
    "let-in": lambda o: [("/people/let-in/", "jonas", {"person": ALL})],
    "sessions": lambda o: [("/settings/sessions/", "mira", {"session": ALL, "do": ALL})],
    "close-account": lambda o: [("/people/close/", "jonas", {"person": ALL})],
    "new-change": lambda o: [
        ("/changes/grant/new/", "jonas", grant(o)),
        ("/changes/grant/new/", "jonas", grant(o) | {"selector": ALL, "procedure": ""}),
        ("/changes/labels/new/", "jonas", {"procedure": "evil", "labels": "nightly", "next": ALL}),
        ("/changes/grant/new/", "jonas", {"principal": ALL, "verbs": ALL, "days": "3", "reason": ALL, "next": ALL}),
        ("/changes/grant/new/", "jonas", {"days": ALL}),
        ("/changes/space/new/", "jonas", {"title": ALL, "leads": ALL, "procedures": ALL, "days": "3"}),
        *hostile_rest.WORKLOAD_FORMS,
        ("/changes/binding/new/", "jonas", {"role": ALL, "ceiling": ALL, "max_ttl_s": "60"}),
        ("/changes/target/new/", "jonas", {"address": ALL, "tags": ALL, "port": "22"}),
        ("/changes/service_account/new/", "jonas", {"account": ALL, "username": ALL, "name": ALL, "owner": ALL}),
        ("/changes/inventory/new/", "jonas", {"name": ALL, "settings": ALL, "every_s": "60"}),
        *hostile_hosts.FORMS,
    ],
    "hook-secret": lambda o: [("/schedules/hook/evil/secret/", "mira", {})],
    "passkey": lambda o: [("/settings/passkeys/", "mira", {"id": ALL, "response": ALL})],
    "code-app": lambda o: [("/settings/code-app/", "mira", {"do": ALL, "code": ALL})],
    "tokens": lambda o: [("/settings/tokens/", "mira", {"name": ALL, "days": ALL, "do": ALL})],
    "login": lambda o: [("/login/", "", {"username": ALL, "password": ALL, "next": ALL})],
    "signon": lambda o: [("/login/with/evil/", "", {"username": ALL, "password": ALL, "next": ALL, "invite": ALL})],
    "access-ask": lambda o: [
        ("/procedures/evil/ask/", "mira", {"verb": ALL, "reason": ALL, "days": "3", "group": ALL})
    ],
    "access-request": lambda o: [(f"/access/requests/{o.asked[0].pk}/", "jonas", {"reason": ALL, "act": ALL})],
    "access-grant": lambda o: [(f"/access/requests/{o.asked[0].pk}/grant/", "jonas", grant(o))],
    "access-extend": lambda o: [
        (f"/access/{row.pk}/extend/", "mira", {"reason": ALL, "days": ALL})
        for row in Grant.objects.filter(person=o.mira)
    ],
    "campaigns": lambda o: [
        ("/access/campaigns/", "jonas", {"name": ALL, "reviewers": ALL, "days": "3", "person": ALL}),
        ("/access/campaigns/", "jonas", {"name": ALL, "reviewers": "aisha", "days": "3", "procedure": "evil"}),
    ],
    "campaign-decide": lambda o: [
        (hostile_rest.campaign(o.jonas, o.changes[0]) + "keep/", "jonas", {"grant": ALL, "reason": ALL}),
        (hostile_rest.campaign(o.jonas, o.changes[0]) + "narrow/", "jonas", {"grant": ALL, "reason": ALL}),
    ],
    "export": lambda o: [("/evidence/export/", "aisha", {"procedure": ALL, "environment": ALL, "from": ALL})],
}
# Pages without text of other people, and answers that are no pages.
WITHOUT = {
    "event_proof": "a file of a format of its own, to be kept; tests/api/test_served_log.py",
    **dict.fromkeys(("glossary", "verifier"), "our own words alone"),
    "theme": "sets a cookie and redirects",
    "logout": "redirects",
    "welcome": "the first person's own words; nobody else is there",
    **dict.fromkeys(("signon-done", "signon-acs"), "redirects, or a refusal in our own words"),
    "signon-metadata": "XML for an identity provider, in our own words",
    "manuscript-patch": "a download, text/x-patch",
    "campaign-results": "a download, text/csv or application/json",
    **dict.fromkeys(("artifact", "result"), "a download with nosniff and its own policy"),
    "result-erase": "redirects",
    "log-text": "text/plain with nosniff",
    **dict.fromkeys(("log-events", "run-proofs"), "JSON, as it comes or at once; the script sets textContent"),
    **dict.fromkeys(["contact", "test_again", "continue", "resume", "pause", "answer", "draft-of"], "redirects"),
    **dict.fromkeys(["settle", "run-comments"], "redirects to what was said, which is on the page of its subject"),
    "bundle": "a download, application/zip",
    "version-file": "a download with nosniff and a sandboxing policy",
}
TEMPLATES_WITHOUT = {
    "400.html": "our own words",
    "403.html": "our own words",
    "403_csrf.html": "our own words",
    "404.html": "our own words",
    "500.html": "our own words",
    "glossary.html": "our own words",
    "parts/run_asked.html": "a reviewed form, drawn by the same part as that of a run",
    "step_up.html": "our own words; what was typed waits at the server",
}


def test_every_page_stands_in_one_of_the_tables() -> None:
    names = {str(pattern.name) for pattern in urlpatterns}
    told = set(ROWS) | set(FORMS) | set(WITHOUT)
    assert names == told, f"say in this file what others write there, or why nobody does: {sorted(names ^ told)}"
    assert not (set(ROWS) | set(FORMS)) & set(WITHOUT)


def bad(answer: Any) -> list[str]:
    """What acts in an answer; one that is no page says so, and no browser takes it for one."""
    if answer["X-Content-Type-Options"] != "nosniff":
        return ["nothing forbids to guess its type"]
    if answer["Content-Type"].startswith("text/html"):
        if "frame-ancestors 'none'" not in answer["Content-Security-Policy"]:
            return ["others may frame it"]
        return acting(answer.content.decode())
    kept = "sandbox" in answer.get("Content-Security-Policy", "")  # a file of others, which no browser shows
    plain = answer["Content-Type"].partition(";")[0] in {"application/json", "text/plain"}
    return [] if kept or plain or not answer.content else ["?"]


JSON = {"application/json", "application/problem+json", "application/schema+json"}
API = {"procedures": "evil", "environments": "evil0", "sources": "evil0"}


def api(clients: dict[str, Client], others: Others) -> list[Any]:
    """What is wrong with the API's answers: each is JSON or a file to be kept, and no browser takes it for a page."""
    ids = API | {
        "runs": str(others.approval.pk),
        "versions": str(others.version),
        "controls": str(others.changes[0].pk),
    }
    ids |= {"tokens": str(ApiToken.objects.all()[0].pk), "events": events()[0]}
    wrong, answered = [], 0
    for pattern in api_patterns:
        nouns = str(pattern.pattern).split("/")
        path = "/api/" + re.sub(
            r"<str:\w+>", ids.get(nouns[1], ids["events"]) if len(nouns) > 1 else "", str(pattern.pattern)
        )
        if nouns[0] == "docs" or path == "/api/schema/":
            continue  # ours alone, tests/api/test_described.py
        found = [clients["aisha"].get(path)]
        found += [] if found[0].status_code == 200 else [clients["mira"].get(path)]
        for answer in found:
            kind = answer["Content-Type"].partition(";")[0]
            kept = answer.get("Content-Disposition", "").startswith("attachment")
            safe = answer["X-Content-Type-Options"] == "nosniff" and (kind in JSON or kept)
            wrong += [] if safe else [(path, kind)]
        answered += any(answer.status_code == 200 for answer in found)
    return wrong if answered >= 25 else [*wrong, f"only {answered} were answered"]


def test_no_face_makes_markup_of_what_anybody_wrote(town: Town) -> None:
    others = Others(town, written(town))
    clients = {who: town.client(who) for who in ("mira", "aisha", "jonas")} | {"": Client(HTTP_HOST="localhost")}
    used: set[str] = set()
    complaints: list[Any] = []
    for path, who in [*places(others.run).items(), *(row for rows in ROWS.values() for row in rows(others))]:
        answer = clients[who].get(path)
        complaints += [(path, answer.status_code, bad(answer))] if answer.status_code != 200 or bad(answer) else []
        used |= {str(template.name) for template in answer.templates or [] if template.name}
    for path, who, data in (form for forms in FORMS.values() for form in forms(others)):
        answer = clients[who].post(path, data)
        complaints += [(path, answer.status_code, bad(answer))] if answer.status_code >= 500 or bad(answer) else []
        used |= {str(template.name) for template in answer.templates or [] if template.name}
    assert not complaints
    assert not api(clients, others)
    ours = {str(place.relative_to(TEMPLATES)) for place in TEMPLATES.rglob("*.html")}
    assert ours - used == set(TEMPLATES_WITHOUT), sorted((ours - used) ^ set(TEMPLATES_WITHOUT))
