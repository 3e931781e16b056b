"""Each door with a request that would succeed for whoever may: the rows of the matrix."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from procedures.definitions.archive import pack, read_folder
from procedures.domain.canonical import canon
from procedures.domain.clock import now
from procedures.models import AccessRequest, GlassBreak, Run
from procedures.services import break_glass, controls
from tests.access import standing
from tests.access.campaigns import campaign_wish, kept, narrowed, new_campaign, revoked, signed_as
from tests.access.rows_flow import FLOW
from tests.access.scene import Scene, broken_by, confirmation_by, grant_for, review_signed_by
from tests.factories.access_requests import offer
from tests.factories.portal import RUNBOOKS

SOMEDAY = f"{now() + timedelta(days=5):%Y-%m-%d}"
NARROWER = "/api/v1/grants/{grant}/narrower/"
Body = Callable[[Scene, str], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Row:
    """`path` names things of the scene in braces. `body` is JSON for the API, a form's fields for a page."""

    method: str
    path: str
    body: Body | None = None

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def plain(**fields: Any) -> Body:
    return lambda scene, name: {
        key: value.format(**scene.ids) if isinstance(value, str) else value for key, value in fields.items()
    }


def gets(*paths: str) -> list[Row]:
    return [Row("GET", path) for path in paths]


def proposed(scene: Scene) -> dict[str, Any]:
    return {"control": "grant", "object": grant_for(scene, "peer")}


def bundled(runbook: str) -> SimpleUploadedFile:
    return SimpleUploadedFile("bundle.tar.gz", pack({**read_folder(RUNBOOKS / runbook), "README.md": b"# Mine"}))


def as_form(body: dict[str, Any]) -> dict[str, Any]:
    """The same review as the page's form sends it."""
    signature = body.pop("signature", {})
    return body | {key: signature[key] for key in ("statement", "signature") if key in signature}


def signed_review(scene: Scene, name: str) -> dict[str, Any]:
    """Signed where the persona has a key, else as a session would say it."""
    owner = {"her token": "first manager", "asker's token": "asker"}.get(name, name)
    if owner in scene.people and scene.people[owner].username in scene.world.keys:
        return review_signed_by(scene, owner, "accept")
    return {"version": scene.ids["version"], "digest": scene.ids["digest"], "verdict": "accept", "duties": ["security"]}


def signed_confirmation(scene: Scene, name: str) -> dict[str, Any]:
    owner = {"her token": "first manager"}.get(name, name)
    if owner in scene.people and scene.people[owner].username in scene.world.keys:
        return confirmation_by(scene, owner)
    return {}


def signed_answer(scene: Scene, name: str) -> dict[str, Any]:
    """What the asker wants, granted: signed where the persona has a key."""
    row = AccessRequest.objects.get(pk=scene.ids["wish"])
    made = offer(row, environments=["staging"])
    owner = {"her token": "first manager"}.get(name, name)
    if owner in scene.people and scene.people[owner].username in scene.world.keys:
        actor = scene.people[owner]
        statement = canon(controls.statement_for(actor=actor, control="grant", object=made))
        return {"object": made, "signature": scene.world.signed(actor.username, statement)}
    return {"object": made}


def answer_form(scene: Scene, name: str) -> dict[str, Any]:
    body = as_form(signed_answer(scene, name))
    return body | {"object": json.dumps(body["object"])}


def glass_broken(scene: Scene, name: str) -> dict[str, Any]:
    """Signed where the persona has a key."""
    owner = {"her token": "first manager"}.get(name, name)
    if owner in scene.people and scene.people[owner].username in scene.world.keys:
        return broken_by(scene, owner, Run.objects.get(pk=scene.ids["waiting"]))
    return {"plan_digest": scene.ids["plan_digest"], "reason": "it burns"}


def glass_reviewed(scene: Scene, name: str) -> dict[str, Any]:
    """Signed where the persona has a key."""
    owner, said = {"her token": "first manager"}.get(name, name), {"verdict": "justified", "comment": "seen"}
    if owner in scene.people and scene.people[owner].username in scene.world.keys:
        use, actor = GlassBreak.objects.get(pk=scene.ids["use"]), scene.people[owner]
        statement = canon(break_glass.review_statement_for(actor=actor, use=use, **said))
        return said | {"signature": scene.world.signed(actor.username, statement)}
    return said


REASON = plain(reason="because")
WISH = {"procedure": "hello", "environment": "development", "parameters": {"name": "Zoe"}, "reason": "to see it"}
NAMING = {"mode": "on", "stages": "submit", "s.pattern": "^a$", "s.longest": "40", "s.parameters": "^a$"}
RULES = 'package house\n\ndeny contains "x" if false\n'
HOUSE = {"name": "house", "source": RULES, "settings": {}, "mode": "on", "stages": ["submit"]}
ACCESS = {"procedure": "hello", "verbs": ["review"], "environments": ["staging"], "days": 3, "reason": "a turn"}
ANSWERS = ("holders", "drift", "separation", "people/{asker}", "people/manager")
API = [
    *gets(*(f"/api/v1/access/{kind}/" for kind in ANSWERS)),
    *gets(*(f"/api/v1/{noun}/" for noun in ("me", "actions", "procedures", "people", "environments", "targets"))),
    *gets(*(f"/api/v1/{noun}/" for noun in ("versions", "runs", "grants", "controls", "sources", "evidence/log"))),
    *gets(
        "/api/v1/evidence/holds/",
        "/api/v1/evidence/retention/",
        "/api/v1/evidence/populations/",
        "/api/v1/evidence/registers/reads/",
    ),
    *gets("/api/v1/procedures/hello/", "/api/v1/versions/{version}/", "/api/v1/versions/{draft}/"),
    *gets(*(f"/api/v1/versions/{{version}}/{part}/" for part in ("files", "comments", "diff", "gains", "statement"))),
    *gets(
        *(
            f"/api/v1/runs/{{done}}/{part}/"
            for part in ("tasks", "log", "artifacts", "results", "events", "plan", "proof", "receipt")
        )
    ),
    *gets("/api/v1/runs/{done}/", "/api/v1/runs/{waiting}/", "/api/v1/runs/{waiting}/statement/"),
    *gets("/api/v1/controls/{change}/", "/api/v1/sources/repo/", "/api/v1/sources/repo/hook/", "/api/v1/runners/"),
    Row("POST", "/api/v1/runs/", plain(**WISH)),
    Row("POST", "/api/v1/runs/{waiting}/approve/", plain(plan_digest="{plan_digest}")),
    Row("POST", "/api/v1/runs/{waiting}/reject/", plain(plan_digest="{plan_digest}", comment="no")),
    Row("POST", "/api/v1/runs/{waiting}/cancel/", REASON),
    *(Row("POST", "/api/v1/runs/{done}/" + act, REASON) for act in ("rerun/", "continue/")),
    *gets("/api/v1/break-glass/", "/api/v1/break-glass/{use}/review/", "/api/v1/runs/{waiting}/break-glass/"),
    Row("POST", "/api/v1/runs/{waiting}/break-glass/", glass_broken),
    Row("POST", "/api/v1/break-glass/{use}/review/", glass_reviewed),
    Row("POST", "/api/v1/procedures/hello/retire/", REASON),
    Row("POST", "/api/v1/procedures/hello/restore/", REASON),
    Row("POST", "/api/v1/reviews/", signed_review),
    Row("POST", "/api/v1/versions/{version}/comments/", plain(body="why?")),
    Row("POST", "/api/v1/versions/{version}/test/"),
    Row("POST", "/api/v1/versions/{wanted}/lift/"),
    Row("POST", "/api/v1/versions/{version}/withdraw/"),
    Row("POST", "/api/v1/versions/{accepted}/revoke/", REASON),
    Row("POST", "/api/v1/versions/{accepted}/resubmit/", plain(note="again")),
    Row("POST", "/api/v1/threads/{thread}/resolve/"),
    Row("POST", "/api/v1/threads/{thread}/reopen/"),
    Row("POST", "/api/v1/controls/", lambda scene, name: proposed(scene)),
    Row("POST", "/api/v1/controls/{change}/confirm/", signed_confirmation),
    Row("POST", "/api/v1/controls/{change}/refuse/", REASON),
    Row("POST", "/api/v1/grants/", lambda scene, name: grant_for(scene, "peer")),
    Row("POST", "/api/v1/grants/preview/", lambda scene, name: grant_for(scene, "peer")),
    *gets("/api/v1/procedures/hello/use/", "/api/v1/grants/{grant}/use/"),
    *(Row("POST", path, plain(lines=["x"])) for path in ("/api/v1/procedures/hello/narrow/", NARROWER)),
    Row("POST", "/api/v1/people/", plain(username="zoe", name="Zoe")),
    Row("POST", "/api/v1/tokens/", plain(name="mine")),
    Row("POST", "/api/v1/evidence/exports/", plain(procedure="hello")),
    Row("POST", "/api/v1/evidence/populations/", plain(procedure="hello")),
    *gets("/api/v1/evidence/events/?control=CC8.1", "/api/v1/evidence/collectors/"),
    *gets("/api/v1/evidence/requests/", "/api/v1/evidence/requests/{saved}/"),
    Row("POST", "/api/v1/evidence/requests/", plain(name="PBC-2", procedure="hello")),
    *(Row("POST", f"/api/v1/evidence/requests/{{saved}}/{act}/") for act in ("ask", "drop")),
    Row("POST", "/api/v1/evidence/samples/", plain(population="none", nonce="spoken-later", count=1)),
    Row("POST", "/api/v1/sources/repo/look/"),
    *gets("/api/v1/targets/web-1/", "/api/v1/inventories/", "/api/v1/inventories/hosts/"),
    Row("POST", "/api/v1/inventories/hosts/sync/"),
    Row("POST", "/api/v1/targets/web-1/logins/", plain(log="Accepted password for x from 10.0.0.1 port 9 ssh2")),
    Row("POST", "/api/v1/procedures/hello/targets/", plain(environment="development")),
    Row("POST", "/api/v1/environments/staging/contact/"),
    *gets("/api/v1/campaigns/", "/api/v1/campaigns/{campaign}/", "/api/v1/campaigns/{campaign}/grants/"),
    *gets("/api/v1/campaigns/{campaign}/results/"),
    Row("POST", "/api/v1/campaigns/offer/", lambda scene, name: campaign_wish()),
    Row("POST", "/api/v1/campaigns/", lambda scene, name: signed_as(scene, name, "campaign", new_campaign(scene))),
    Row("POST", "/api/v1/campaigns/{campaign}/keep/", kept),
    Row("POST", "/api/v1/campaigns/{campaign}/revoke/", revoked),
    Row("POST", "/api/v1/campaigns/{campaign}/narrow/", narrowed),
    *gets("/api/v1/access-requests/", "/api/v1/access-requests/{wish}/"),
    Row("POST", "/api/v1/access-requests/", plain(**ACCESS)),
    Row("POST", "/api/v1/access-requests/{wish}/grant/", signed_answer),
    Row("POST", "/api/v1/access-requests/{wish}/refuse/", REASON),
    Row("POST", "/api/v1/access-requests/{wish}/withdraw/"),
    *gets("/api/v1/evidence/events/{event}/proof/", "/api/v1/runs/{done}/dossier/"),
    *gets("/api/v1/evidence/events/{event}/", "/api/v1/tokens/", "/api/v1/agents/", "/api/v1/directories/"),
    Row("POST", "/api/v1/directories/", plain(provider="corp", name="SCIM", days=3)),
    Row("POST", "/api/v1/agents/{agent}/stop/", REASON),
    Row("POST", "/api/v1/agents/{agent}/start/", REASON),
    Row("POST", "/api/v1/tokens/{token}/rotate/"),
    Row("DELETE", "/api/v1/tokens/{token}/"),
    *gets(
        "/api/v1/sessions/", "/api/v1/sessions/?of={stranger}", "/api/v1/session/step-up/", "/api/v1/service-accounts/"
    ),
    Row("DELETE", "/api/v1/sessions/"),
    Row("DELETE", "/api/v1/sessions/{session}/"),
    Row("POST", "/api/v1/session/step-up/", plain(signature={"totp": "000000"})),
    Row("POST", "/api/v1/people/{peer}/let-in/"),
    Row("POST", "/api/v1/people/{peer}/close/"),
    Row("POST", "/api/v1/controls/statement/", lambda scene, name: proposed(scene)),
    Row("POST", "/api/v1/procedures/hello/options/", plain(environment="development", parameter="name")),
    Row("POST", "/api/v1/versions/", lambda scene, name: {"bundle": bundled("collect-diagnostics"), "note": "mine"}),
]
PAGES = [
    *gets(*(f"/access/answers/{kind}/" for kind in ("who", "person", "drift", "separation", "exceptions", "reads"))),
    *gets("/", "/glossary/", "/procedures/", "/procedures/find/?q=hello", "/procedures/hello/", "/runs/"),
    *gets("/runs/{done}/", "/runs/{waiting}/", "/runs/{done}/evidence/"),
    *gets("/runs/{done}/live/", "/runs/{done}/log.txt", "/runs/{done}/log/lines"),
    *gets("/approvals/", "/approvals/{waiting}/", "/reviews/", "/reviews/{version}/", "/reviews/{draft}/"),
    *gets("/reviews/{version}/bundle.zip", "/reviews/{version}/file?path=procedure.yaml", "/drafts/{draft}/"),
    *gets("/evidence/", "/people/", "/environments/", "/environments/production/", "/sources/", "/sources/repo/"),
    *gets("/evidence/population/", "/evidence/populations/{population}/"),
    *gets("/evidence/requests/", "/evidence/requests/{saved}/"),
    Row("POST", "/evidence/requests/save/", plain(name="PBC-2", procedure="hello")),
    *(Row("POST", f"/evidence/requests/{{saved}}/{act}/") for act in ("ask", "drop")),
    *gets("/policies/", "/policies/naming/", "/access/", "/changes/{change}/"),
    *gets("/settings/", "/procedures/edit/?name=new-one", "/runs/{done}/dossier.html", "/evidence/controls/soc2/"),
    Row("POST", "/procedures/hello/", plain(environment="development", **{"p.name": "Zoe", "reason": "to see it"})),
    Row("POST", "/procedures/hello/preview/", plain(environment="development", **{"p.name": "Zoe"})),
    Row("POST", "/procedures/hello/fields/", plain(environment="development")),
    *(Row("POST", path, REASON) for path in ("/runs/{waiting}/cancel/", "/runs/{done}/continue/")),
    *gets("/break-glass/", "/break-glass/{use}/", "/approvals/{waiting}/break-glass/"),
    Row("POST", "/approvals/{waiting}/break-glass/", lambda scene, name: as_form(glass_broken(scene, name))),
    Row("POST", "/break-glass/{use}/", lambda scene, name: as_form(glass_reviewed(scene, name))),
    Row("POST", "/approvals/{waiting}/", plain(verdict="approve", plan_digest="{plan_digest}")),
    Row("POST", "/reviews/{version}/comments/", plain(body="why?")),
    Row("POST", "/reviews/{version}/comments/{thread}/resolve/"),
    Row("POST", "/reviews/{version}/test/"),
    Row("POST", "/reviews/{wanted}/lift/"),
    Row("POST", "/reviews/{version}/withdraw/"),
    Row("POST", "/reviews/{accepted}/revoke/", REASON),
    Row("POST", "/drafts/of/{version}/"),
    Row("POST", "/drafts/{draft}/", plain(environment="development", reason="try")),
    Row("POST", "/procedures/hello/life/retire/", REASON),
    Row("POST", "/evidence/export/", plain(procedure="hello")),
    Row("POST", "/evidence/population/fix/", plain(procedure="hello")),
    Row("POST", "/evidence/populations/{population}/draw/", plain(nonce="spoken-later", count="1")),
    Row("POST", "/people/invite/", plain(username="zoe", name="Zoe", email="", kind="person")),
    Row("POST", "/people/close/", plain(person="{peer}")),
    Row("POST", "/people/let-in/", plain(person="{peer}")),
    Row("POST", "/settings/sessions/", plain(session="{session}")),
    Row("POST", "/sources/repo/"),
    *gets("/environments/staging/target/?name=web-1", "/environments/staging/inventories/hosts/", "/runners/"),
    *(Row("POST", f"/environments/staging/{part}/") for part in ("inventories/hosts", "contact")),
    *gets("/access/spaces/", "/api/v1/spaces/", "/api/v1/policies/"),
    Row("POST", "/api/v1/policies/past/", plain(policy=HOUSE, days=3)),
    *gets("/access/workloads/", "/api/v1/workloads/", "/stops/", "/api/v1/stops/", "/agents/connect/?{asks}"),
    *(Row("POST", path, plain(environment="staging", reason="a leak")) for path in ("/stops/throw/", "/api/v1/stops/")),
    *gets("/access/campaigns/", "/access/campaigns/{campaign}/", "/access/campaigns/{campaign}/results.csv"),
    Row("POST", "/access/campaigns/", plain(name="x", reviewers="mira", days="3", person="author")),
    Row("POST", "/access/campaigns/{campaign}/keep/", plain(grant="{reviewed}", reason="needed")),
    *gets("/procedures/hello/ask/", "/access/requests/{wish}/", "/access/{grant}/extend/", "/access/{grant}/use/"),
    *(Row("POST", path, plain(line="x")) for path in ("/procedures/hello/narrow/", "/access/{grant}/use/")),
    Row("POST", "/procedures/hello/ask/", plain(verb="review", environment="staging", days="3", reason="a turn")),
    Row("POST", "/access/requests/{wish}/", REASON),
    Row("POST", "/access/requests/{wish}/grant/", answer_form),
    Row("POST", "/access/{grant}/extend/", plain(days="3", reason="still")),
    Row("POST", "/policies/naming/", plain(**NAMING)),
    Row("POST", "/changes/{change}/", plain(verdict="refuse", reason="no")),
    *gets("/settings/notices/", "/api/v1/notices/", "/settings/deputies/", "/api/v1/deputies/", "/api/v1/decisions/"),
    *gets("/decisions/run/{waiting}/", "/api/v1/decisions/run/{waiting}/"),
    Row("POST", "/decisions/run/{waiting}/", plain(to="{peer}", reason="yours")),
    Row("POST", "/api/v1/decisions/run/{waiting}/", plain(to="{peer}", reason="yours")),
    Row(
        "POST", "/settings/deputies/", plain(deputy="{peer}", verbs="approve", **{"from": "2026-01-01"}, until=SOMEDAY)
    ),
    Row("POST", "/api/v1/deputies/", plain(deputy="{peer}", until_at=f"{SOMEDAY}T00:00:00Z")),
    Row("POST", "/settings/notices/", plain(mail="review.waits")),
    Row("POST", "/settings/tokens/", plain(name="mine", days="7")),
    Row("POST", "/settings/code-app/", plain(do="enrol", code="123456")),
    Row("POST", "/settings/passkeys/", plain()),
    Row("POST", "/reviews/{version}/", lambda scene, name: as_form(signed_review(scene, name))),
    Row("POST", "/changes/grant/new/", lambda scene, name: {"object": json.dumps(grant_for(scene, "peer"))}),
    Row("POST", "/procedures/new-one/edit/", plain(discard="1")),
    Row("POST", "/procedures/new-one/edit/check/", plain()),
    Row("POST", "/agents/switch/", plain(agent="{agent}", do="stop", reason="because")),
    Row("POST", "/people/sign-in/token/", plain(provider="corp", name="SCIM", days="3")),
    Row("POST", "/agents/tokens/", plain(agent="{agent}", name="mine", days="7")),
    Row("POST", "/agents/connect/?{asks}", plain(agent="{agent}", days="7")),
    *gets("/evidence/{event}/proof/"),
    *gets("/agents/", "/evidence/{event}/", "/procedures/new-one/edit/", "/procedures/new-one/edit/change.patch"),
]
STANDING = [*gets(*standing.GETS), *(Row("POST", *door) for door in standing.POSTS)]
ROWS = [*API, *PAGES, *(Row(*door) for door in FLOW), *STANDING]
