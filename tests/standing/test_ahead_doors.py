"""Approving ahead through REST and pages: what is shown, signed and taken back, and that nobody behind it gets in."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest

from procedures.domain.canonical import canon, moment, parse
from procedures.domain.clock import now
from procedures.models import PreApproval
from procedures.services import giving_ahead, tokens
from tests.factories import ahead
from tests.factories.standing import until
from tests.standing.conftest import Ready, fired
from tests.standing.test_doors import browser, post

pytestmark = pytest.mark.once
API, PAGE = "/api/v1/schedules/nightly/ahead/", "/schedules/schedule/nightly/ahead/"


def test_over_rest_it_is_looked_at_signed_shown_and_taken_back(ready: Ready) -> None:
    ready.settled()
    sam = browser(ready.sam)
    found = sam.get(API, {"runs": "4", "days": "7"}).json()
    data = base64.b64decode(found["bytes"])
    assert found["plan_digest"] == f"sha256:{hashlib.sha256(data).hexdigest()}" == found["value"]["plan"]
    assert found["value"]["parameters"] == json.loads(data)["parameters"] == {"name": "world"}
    given = {"runs": 4, "not_after": found["value"]["not_after"], "plan_digest": found["plan_digest"]}
    assert post(sam, API, given).status_code == 403, "it is signed, whatever the environment"
    signature = ready.world.signed("sam", base64.b64decode(found["statement"]))
    answer = post(sam, API, {**given, "signature": signature, "comment": "looked at it"})
    assert (answer.status_code, answer.json()["left"], answer.json()["counts"]) == (201, 4, True)
    fired(PreApproval.objects.get().standing)
    [shown] = sam.get("/api/v1/schedules/nightly/").json()["pre_approvals"]
    assert (shown["used"], shown["left"], shown["approver"]) == (1, 3, "sam")
    back = f"{API}{shown['id']}/take-back/"
    assert post(browser(ready.plant.olga), back, {"reason": "x"}).status_code == 403
    assert post(sam, back, {"reason": "no more"}).json()["why_not"] == "it was taken back: no more"
    assert post(sam, back, {"reason": "again"}).status_code == 409
    wrong = post(sam, API, {**given, "not_after": "tomorrow", "signature": signature})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "/not_after")
    assert sam.get(API, {"runs": "many"}).json()["errors"][0]["pointer"] == "/runs"
    assert sam.get("/api/v1/schedules/deployed/ahead/").status_code == 404


def test_on_pages_what_each_run_does_stands_beside_the_number_and_the_statement(ready: Ready) -> None:
    row = ready.settled()
    sam = browser(ready.sam)
    assert "Approve runs ahead" in sam.get("/schedules/schedule/nightly/").content.decode()
    page = sam.get(PAGE).content.decode()
    assert "Each run does exactly this" in page
    assert "name=world" in page
    assert "hello.sh" in page
    assert "until 2" in page
    signs = sam.get(PAGE, {"runs": "5", "days": "7", "comment": "looked"}).content.decode()
    assert "opsportal/pre-approval/v1" in signs
    assert "Approve 5 runs" in signs
    late = sam.get(PAGE, {"runs": "5", "days": "91"})
    assert (late.status_code, "lies ahead, and no later than" in late.content.decode()) == (422, True)
    found = giving_ahead.offer(actor=ready.sam, name="nightly", at=now())
    ends = now() + timedelta(days=7)
    said = giving_ahead.statement_for(actor=ready.sam, found=found, count=5, until=ends, at=now())
    form = {"runs": "5", "not_after": moment(ends), "plan_digest": found.digest, "comment": "looked"}
    refused = sam.post(PAGE, form)
    assert (refused.status_code, PreApproval.objects.count()) == (403, 0)
    assert sam.post(PAGE, form | ready.world.signed("sam", canon(said))).status_code == 302
    shown = sam.get("/schedules/schedule/nightly/").content.decode()
    assert "5 left" in shown
    assert "Take it back" in shown
    assert "Take it back" not in browser(ready.plant.olga).get("/schedules/schedule/nightly/").content.decode()
    run = fired(row)
    assert "ahead, " in sam.get(f"/runs/{run.pk}/").content.decode()
    back = f"{PAGE}{PreApproval.objects.get().pk}/"
    assert sam.post(back, {"reason": "no more"}).status_code == 302
    assert "It was taken back: no more" in sam.get("/schedules/schedule/nightly/").content.decode()


def test_a_run_that_waits_all_the_same_says_why_and_what_differs(ready: Ready) -> None:
    row = ready.settled()
    ahead.given(ready.world, ready.sam)
    ready.world.confirmed("environment", ahead.rules(approvals={"low": {"operations": 2}}))
    run = fired(row)
    sam = browser(ready.sam)
    said = "the plan is another one: approvals: 2 × operations instead of 1 × operations"
    assert said in sam.get(f"/runs/{run.pk}/").content.decode()
    reasons = sam.get(f"/api/v1/runs/{run.pk}/").json()["waiting_for"]
    assert [one["kind"] for one in reasons] == ["approval", "ahead"]
    assert said in sam.get("/schedules/schedule/nightly/").content.decode()


def test_nobody_behind_it_and_no_software_gets_in_by_any_door(ready: Ready) -> None:
    """Olga set it and owns the account; the account asks for it; a stranger may approve nothing. All of them hold keys
    or tokens, and a statement that the portal would offer to Sam.
    """
    row, world, olga = ready.settled(), ready.world, ready.plant.olga
    world.may(olga, "approve", expires_at=until(29))
    world.confirmed("duty", {"principal": f"person:{olga.subject}", "duty": "operations", "action": "add"})
    quinn = world.person("quinn", key=True)
    world.may(quinn, "view", procedure="hello")
    found = giving_ahead.offer(actor=ready.sam, name="nightly", at=now())
    ends = now() + timedelta(days=7)
    for who in (olga, quinn):
        said = giving_ahead.statement_for(actor=who, found=found, count=5, until=ends, at=now())
        form: dict[str, Any] = {"runs": 5, "not_after": moment(ends), "plan_digest": found.digest}
        signature = world.signed(who.username, canon(said))
        client = browser(who)
        answers = [
            client.get(API),
            client.get(PAGE),
            post(client, API, {**form, "signature": signature}),
            client.post(PAGE, form | signature),
        ]
        assert [one.status_code for one in answers] == [403] * 4, [one.content[:300] for one in answers]
    for who in (ready.plant.robot, ready.sam):
        _, secret = tokens.make_token(actor=who, name="x", days=1, at=now())
        bearer = {"HTTP_AUTHORIZATION": f"Bearer {secret}"}
        anonymous = browser(quinn).__class__()
        answer = anonymous.post(API, json.dumps(form), content_type="application/json", **bearer)
        assert answer.status_code == 403
        assert anonymous.get(API, **bearer).status_code == 403
    assert not PreApproval.objects.exists()
    assert parse(found.data)["procedure"] == row.procedure.name
