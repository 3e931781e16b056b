"""A web tier that shows plan A and hands over plan B: the page's own script tells it, and nothing is signed (H21)."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from playwright.sync_api import Page, Route, expect

from procedures.domain.canonical import canon, moment, parse
from procedures.domain.clock import now
from procedures.domain.plan_words import short_code
from procedures.issuer.judgement import judge_run
from procedures.issuer.replay import replay
from procedures.models import Approval, Environment, GlassBreak, Run
from procedures.services import approvals, break_glass
from procedures.services.run_states import note
from tests.browser.conftest import Portal
from tests.browser.test_engine_pages import SEEN, kept
from tests.browser.test_passkeys import enrol

pytestmark = pytest.mark.once
Bend = Callable[[str], str]


def two(portal: Portal) -> tuple[Run, Run]:
    """Run A, harmless, and run B, which the attacker wants approved; both wait."""
    Environment.objects.filter(pk="staging").update(approvals={"low": {"operations": 1}}, min_strength="signed")
    portal.town.accept("hello")
    return portal.town.ask(environment="staging"), portal.town.ask(environment="staging", reason="mallory's own")


def lies(page: Page, portal: Portal, run: Run, bend: Bend, more: str = "") -> None:
    """From now on the page of this run's approval is served bent; the portal's scripts are its own."""

    def answer(route: Route) -> None:
        real = route.fetch()
        route.fulfill(response=real, body=bend(real.text()))

    path = f"{portal.url}/approvals/{run.id}/{more}"
    page.route(path, lambda route: answer(route) if route.request.method == "GET" else route.continue_())


def serves(page: Page, portal: Portal, run: Run, other: Run) -> None:
    """The API hands over another run's plan under this run's name."""
    body = {"plan_digest": other.digest_now, "plan": {}, "bytes": b64encode(bytes(other.plan_now)).decode()}
    page.route(f"{portal.url}/api/v1/runs/{run.id}/plan/", lambda route: route.fulfill(body=json.dumps(body)))


def statement_of(portal: Portal, run: Run) -> str:
    value = approvals.statement_for(actor=portal.town.people["aisha"], run=run, verdict="approve", at=now())
    return b64encode(canon(value)).decode()


def refused(page: Page, portal: Portal, run: Run, says: str) -> None:
    page.goto(f"{portal.url}/approvals/{run.id}/")
    expect(page.locator("#plan-proof [role=alert]")).to_contain_text(says)
    page.click("button.full:has-text('Approve')")
    page.wait_for_timeout(300)
    assert page.url.endswith(f"/approvals/{run.id}/")
    assert page.input_value("input[name=credential]") == ""
    assert not Approval.objects.exists()


def test_what_is_shown_and_signed_alike_is_approved_with_its_code(portal: Portal) -> None:
    page, _ = enrol(portal, "aisha")
    run, _ = two(portal)
    page.goto(f"{portal.url}/approvals/{run.id}/")
    box = page.locator("#plan-proof .note.ok")
    expect(box).to_contain_text("Your browser hashed the plan's bytes.")
    expect(box).to_contain_text(short_code(run.digest_now))
    page.click("summary:has-text('All that the plan')")
    expect(page.locator("#plan-proof pre")).to_contain_text(str(run.id))
    page.click("button.full:has-text('Approve')")
    page.wait_for_url("**/runs/*/")
    assert run.approvals.get().signatures[0]["method"] == "passkey"


def test_the_page_of_one_plan_with_the_statement_of_another_signs_nothing(portal: Portal) -> None:
    page, _ = enrol(portal, "aisha")
    shown, wanted = two(portal)
    other = statement_of(portal, wanted)
    lies(page, portal, shown, lambda text: re.sub(r'(name="statement" value=")[^"]+', rf"\g<1>{other}", text))
    refused(page, portal, shown, "What would be signed has another run")


def test_nor_does_a_page_that_names_the_other_plan_everywhere_but_where_people_look(portal: Portal) -> None:
    page, _ = enrol(portal, "aisha")
    shown, wanted = two(portal)
    other = statement_of(portal, wanted)

    def bend(text: str) -> str:
        text = re.sub(r'(name="statement" value=")[^"]+', rf"\g<1>{other}", text)
        return text.replace(shown.digest_now, wanted.digest_now)

    lies(page, portal, shown, bend)
    serves(page, portal, shown, wanted)
    refused(page, portal, shown, "another run's plan")


@pytest.mark.parametrize(
    ("bend", "says"),
    [
        (lambda text: text.replace("risk low", "risk none"), "something else of what"),
        (
            lambda text: re.sub(r'(data-plan="steps/0/0">)[^<]+', r"\g<1>true", text),
            "something else of steps/0/0",
        ),
        (lambda text: re.sub(r' data-plan="steps/0/0"', "", text), "leaves out"),
        (lambda text: text.replace('data-plan="steps/0/0"', 'data-plan="steps/0/0" hidden'), "hides"),
        (lambda text: re.sub(r'(id="plan-code">)[0-9a-f]{4}', r"\g<1>0000", text), "The code of the plan's bytes is"),
    ],
    ids=["a fact", "a command", "left out", "hidden", "the code"],
)
def test_a_page_that_shows_something_else_than_the_bytes_is_told(portal: Portal, bend: Bend, says: str) -> None:
    page, _ = enrol(portal, "aisha")
    run, _ = two(portal)
    lies(page, portal, run, bend)
    refused(page, portal, run, says)


def test_a_page_without_its_script_signs_by_no_passkey(portal: Portal) -> None:
    page, _ = enrol(portal, "aisha")
    run, _ = two(portal)
    page.route("**/evidence/approving*.js", lambda route: route.abort())
    page.goto(f"{portal.url}/approvals/{run.id}/")
    page.wait_for_timeout(300)
    page.click("button.full:has-text('Approve')")
    page.wait_for_timeout(500)
    assert not Approval.objects.exists()


def test_what_was_signed_for_one_run_the_issuer_counts_for_no_other(portal: Portal) -> None:
    """Written under another run by who has the database: the issuer reads the statement, not the row."""
    page, _ = enrol(portal, "aisha")
    signed, wanted = two(portal)
    page.goto(f"{portal.url}/approvals/{signed.id}/")
    expect(page.locator("#plan-proof .note.ok")).to_be_visible()
    page.click("button.full:has-text('Approve')")
    page.wait_for_url("**/runs/*/")
    given = signed.approvals.get()
    facts = {name: getattr(given, name) for name in ("gate", "verdict", "duties", "strength", "comment")}
    facts |= {"plan_digest": wanted.digest_now, "digest": wanted.digest}
    with transaction.atomic():
        note(
            "run.approved",
            wanted,
            at=now(),
            actor=given.approver.subject,
            statement=bytes(given.statement),
            signatures=given.signatures,
            facts=facts,
        )
    assert judge_run(replay(), wanted, parse(bytes(wanted.plan)), at=now()) == ()
    assert judge_run(replay(), signed, parse(bytes(signed.plan)), at=now()) == (str(given.approver.subject),)


def test_break_glass_is_held_to_the_plan_too(portal: Portal) -> None:
    page, _ = enrol(portal, "aisha")
    shown, wanted = two(portal)
    aisha, more = portal.town.people["aisha"], "break-glass/?reason=on%20fire%0D%0Asince%20nine"
    right = {"principal": f"person:{aisha.subject}", "verbs": ["break_glass"], "environments": []}
    right |= {"not_before": moment(now()), "expires_at": moment(now() + timedelta(days=1)), "reason": "on call"}
    portal.town.change("jonas", "grant", right)
    value = break_glass.statement_for(actor=aisha, run=wanted, reason="on fire\r\nsince nine", at=now())
    other = b64encode(canon(value)).decode()
    lies(page, portal, shown, lambda text: re.sub(r'(name="statement" value=")[^"]+', rf"\g<1>{other}", text), more)
    page.goto(f"{portal.url}/approvals/{shown.id}/{more}")
    expect(page.locator("#plan-proof [role=alert]")).to_contain_text("What would be signed has another run")
    page.click("button:has-text('Break the glass')")
    page.wait_for_timeout(300)
    assert not GlassBreak.objects.exists()
    page.unroute_all()
    page.goto(f"{portal.url}/approvals/{shown.id}/{more}")
    expect(page.locator("#plan-proof .note.ok")).to_contain_text(short_code(shown.plan_digest))
    for width, scheme in SEEN:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        kept(page, f"break-glass-{width}-{scheme}")
    page.click("button:has-text('Break the glass')")
    expect(page.locator("main")).to_contain_text(
        "This key replaces another"
    )  # it was signed, and the service judged it
