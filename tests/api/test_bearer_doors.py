"""A stolen token (H20): every door that changes something is judged here, and a new one fails until somebody judges it.

`may` is what a token may do, with the reason; `never` is tried for real with a token of somebody who holds every right.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.contrib.auth.models import Group
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient
from rest_framework.views import APIView

from procedures.domain.canonical import canon
from procedures.domain.clock import now
from procedures.domain.sshkeys import fingerprint
from procedures.evidence.models import Event
from procedures.models import ControlChange, Person, Source
from procedures.services import reviews, tokens
from tests.factories.portal import SOON, World, public_text
from tests.factories.transitions import unevidenced

CHANGES = {"post", "put", "patch", "delete"}
MAY = {
    "post v1/procedures/<str:name>/options/": "asks a diagnostic for choices, as the form does; limits of the person",
    "post v1/procedures/<str:name>/targets/": "tells what a filter finds; nothing is stored",
    "post v1/versions/": "hands bytes in; others review them",
    "post v1/versions/<str:pk>/comments/": "says something; a remark decides nothing",
    "post v1/versions/<str:pk>/test/": "plays tests in a cell that holds nothing",
    "post v1/versions/<str:pk>/withdraw/": "takes own work back: it narrows",
    "post v1/versions/<str:pk>/resubmit/": "asks for a review; nothing of the old acceptance counts",
    "post v1/threads/<str:pk>/resolve/": "a remark's state decides nothing",
    "post v1/threads/<str:pk>/reopen/": "a remark's state decides nothing",
    "post v1/runs/": "asks for a run within the person's grants; approvals stay with people",
    "post v1/runs/<str:pk>/cancel/": "stops",
    "post v1/runs/<str:pk>/comments/": "says something; a remark decides nothing",
    "post v1/runs/<str:pk>/answer/": "values within bounds that the plan names, by whoever asked; duties sign in",
    "post v1/runs/<str:pk>/pause/": "holds back what it may stop",
    "post v1/runs/<str:pk>/resume/": "lets go on what was approved; the claim decides again",
    "post v1/runs/<str:pk>/rerun/": "asks for a run as any other is asked for",
    "post v1/runs/<str:pk>/continue/": "asks for a run as any other is asked for",
    "post v1/runs/<str:pk>/results/<str:result>/fetch/": "hands out what an enrolled key alone opens, to read_output",
    "post v1/access-requests/": "asks; others decide, signed in",
    "post v1/access-requests/<str:pk>/withdraw/": "takes an own wish back: it narrows",
    "post v1/schedules/<str:name>/pause/": "takes away: it asks for nothing more",
    "post v1/hooks/<str:name>/pause/": "takes away: it asks for nothing more",
    "post v1/sources/<str:name>/look/": "has the portal look at what was pushed anyway",
}
NEVER = {
    "post v1/versions/<str:pk>/lift/",
    "post v1/versions/<str:pk>/revoke/",
    "post v1/procedures/<str:name>/retire/",
    "post v1/evidence/exports/",
    "post v1/evidence/populations/",
    "post v1/evidence/samples/",
    "post v1/evidence/requests/",
    "post v1/evidence/requests/<str:pk>/ask/",
    "post v1/evidence/requests/<str:pk>/drop/",
    "post v1/controls/statement/",
    "post v1/reviews/",
    "post v1/procedures/<str:name>/restore/",
    "post v1/runs/<str:pk>/approve/",
    "post v1/runs/<str:pk>/reject/",
    "post v1/notices/read/",
    "post v1/deputies/",
    "post v1/deputies/<str:pk>/agree/",
    "post v1/deputies/<str:pk>/end/",
    "post v1/decisions/<str:what>/<str:pk>/",
    "post v1/runs/<str:pk>/break-glass/",
    "post v1/runs/<str:pk>/results/<str:result>/erase/",
    "post v1/break-glass/<str:pk>/review/",
    "post v1/grants/",
    "post v1/access-requests/<str:pk>/grant/",
    "post v1/access-requests/<str:pk>/refuse/",
    "post v1/grants/preview/",
    "post v1/grants/<str:pk>/narrower/",
    "post v1/procedures/<str:name>/narrow/",
    "post v1/campaigns/",
    "post v1/campaigns/offer/",
    "post v1/campaigns/<str:pk>/keep/",
    "post v1/campaigns/<str:pk>/revoke/",
    "post v1/campaigns/<str:pk>/narrow/",
    "post v1/controls/",
    "post v1/controls/<str:pk>/confirm/",
    "post v1/controls/<str:pk>/refuse/",
    "post v1/people/",
    "post v1/policies/past/",
    "post v1/session/step-up/",
    "post v1/people/<str:pk>/close/",
    "post v1/people/<str:pk>/let-in/",
    "post v1/inventories/<str:name>/sync/",
    *(f"post v1/{kind}/{door}" for kind in ("schedules", "hooks") for door in ("", "preview/", "<str:name>/resume/")),
    "post v1/schedules/<str:name>/ahead/",
    "post v1/schedules/<str:name>/ahead/<str:pk>/take-back/",
    "post v1/hooks/<str:name>/secret/",
    "post v1/environments/<str:name>/contact/",
    "post v1/targets/<str:name>/logins/",
    "delete v1/sessions/",
    "delete v1/sessions/<str:pk>/",
    "post v1/stops/",
    "post v1/agents/<str:pk>/stop/",
    "post v1/agents/<str:pk>/start/",
    "post v1/tokens/",
    "post v1/directories/",
    "delete v1/tokens/<str:pk>/",
    "post v1/tokens/<str:pk>/rotate/",
    "get v1/sources/<str:name>/hook/",
}
WITHOUT_A_TOKEN = {
    "post v1/session/": "a password opens a session",
    "delete v1/session/": "closes the own session",
    "post v1/token/exchange/": "a token that a trusted issuer signed, once, for a short one; tests/workloads",
    "post v1/session/code/": "a code from the page, which needs a signed-in person, opens a session once",
    "post v1/welcome/": "the first link, once",
    "post v1/join/": "an invitation, once",
}


def doors() -> Iterator[str]:
    """`method path` of everything below /api/ that changes something."""

    def walk(patterns: list[Any], prefix: str) -> Iterator[str]:
        for one in patterns:
            path = prefix + str(one.pattern)
            if isinstance(one, URLResolver):
                yield from walk(one.url_patterns, path)
            elif isinstance(one, URLPattern) and (view := getattr(one.callback, "cls", None)):
                assert issubclass(view, APIView)
                for method in sorted(CHANGES):
                    if hasattr(view, method):
                        yield f"{method} {path.removeprefix('api/')}"

    for one in get_resolver().url_patterns:
        if str(one.pattern) == "api/":
            yield from walk(one.url_patterns, "api/")


def test_every_door_that_changes_something_was_judged() -> None:
    judged = set(MAY) | NEVER | set(WITHOUT_A_TOKEN)
    found = set(doors())
    assert found - judged == set(), "say of each whether a bearer token may do it, and why"
    assert judged - found == {"get v1/sources/<str:name>/hook/"}, "a judged door is gone"


@pytest.fixture
def thief(world: World) -> APIClient:
    """Holds a token of Mira, who may do everything but what needs herself."""
    world.may(world.person("olga", key=True), "author")
    _, token = tokens.make_token(actor=world.mira, name="ci", days=1, at=now())
    return APIClient(HTTP_AUTHORIZATION=f"Bearer {token}")


def refused(answer: Any) -> None:
    assert answer.status_code == 403, answer.content
    assert "oken" in answer.json()["detail"], answer.json()


def test_a_token_neither_reviews_nor_lifts_nor_restores(world: World, thief: APIClient) -> None:
    olga = Person.objects.get(username="olga")
    version = world.submit(olga)
    value = reviews.statement_for(actor=world.mira, version=version, verdict="accept", duties=["operations"])
    body = {"version": str(version.pk), "digest": version.digest, "verdict": "accept", "duties": ["operations"]}
    refused(thief.post("/api/v1/reviews/", body, format="json"))
    weak = {"statement": base64.b64encode(canon(value)).decode(), "signature": "x"}
    assert thief.post("/api/v1/reviews/", {**body, "signature": weak}, format="json").status_code in {400, 403, 422}
    refused(thief.post(f"/api/v1/versions/{version.pk}/lift/", format="json"))
    refused(thief.post("/api/v1/procedures/hello/restore/", {"reason": "x"}, format="json"))
    assert not version.reviews.exists()


def test_a_token_changes_nothing_that_decides_authority(world: World, thief: APIClient) -> None:
    olga = Person.objects.get(username="olga")
    public = public_text(Ed25519PrivateKey.generate())
    key = {"subject": str(world.mira.subject), "public": public, "fingerprint": fingerprint(public)}
    proposed = {"control": "membership", "object": {"person": str(olga.subject), "group": "ops", "action": "add"}}
    Group.objects.create(name="ops")
    refused(thief.post("/api/v1/controls/", {"control": "key", "object": key}, format="json"))
    refused(thief.post("/api/v1/controls/", proposed, format="json"))
    grant = {
        "principal": "person:olga",
        "verbs": ["run"],
        "environments": ["development"],
        "expires_at": SOON,
        "reason": "mine",
    }
    refused(thief.post("/api/v1/grants/", grant, format="json"))
    refused(thief.post("/api/v1/tokens/", {"name": "another"}, format="json"))
    refused(thief.post("/api/v1/stops/", {"reason": "away"}, format="json"))
    refused(thief.post("/api/v1/agents/all/stop/", {"reason": "away"}, format="json"))
    refused(thief.post("/api/v1/agents/all/start/", {"reason": "go on"}, format="json"))
    before = Person.objects.count()
    refused(thief.post("/api/v1/people/", {"username": "second-self", "name": "Me"}, format="json"))
    assert Person.objects.count() == before


def test_a_token_does_not_turn_down_the_end_of_what_was_stolen(world: World, thief: APIClient) -> None:
    """Somebody proposes to end a right; the thief would refuse that with the token alone."""
    public = {"subject": str(world.mira.subject)}
    with unevidenced():
        change = ControlChange.objects.create(
            control="key_end",
            object=public,
            proposer=Person.objects.get(username="olga"),
            statement=b"{}",
            signatures=[],
            proposed_at=now(),
            production=True,
        )
    refused(thief.post(f"/api/v1/controls/{change.pk}/refuse/", {"reason": "no"}, format="json"))
    refused_too = thief.post(f"/api/v1/controls/{change.pk}/confirm/", {}, format="json")
    assert refused_too.status_code == 403
    change.refresh_from_db()
    assert change.state == "proposed"


def test_a_token_gets_no_secret_that_names_pushers(world: World, thief: APIClient) -> None:
    fields = {"url": "/srv/x.git", "branch": "main", "owner": world.mira, "hook_secret": "f" * 64}
    Source.objects.create(name="repo", since_at=now(), **fields)
    answer = thief.get("/api/v1/sources/repo/hook/")
    refused(answer)
    assert "f" * 64 not in answer.content.decode()
    assert Event.objects.filter(kind="access.denied").exists()


def test_a_token_opens_no_page(world: World, thief: APIClient) -> None:
    for path in ("/settings/", "/people/", "/procedures/edit/?name=x", "/changes/grant/new/"):
        answer = thief.get(path)
        assert (answer.status_code, answer["Location"].startswith("/login/")) == (302, True), path
    assert thief.post("/settings/tokens/", {"name": "x"}).status_code in {302, 403}
