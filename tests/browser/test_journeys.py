"""Each persona's way through the pages, in a real browser."""

from __future__ import annotations

import threading
from base64 import b64decode
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import connections, transaction
from django.test import Client
from playwright.sync_api import Route, expect

from procedures.domain.clock import now
from procedures.domain.sshkeys import fingerprint
from procedures.evidence.record import record
from procedures.models import Environment, LogChunk, Review, Run, Source, SourceFinding, Version
from procedures.runner.drive import drive
from procedures.services import controls, discussions
from tests.browser import ugly
from tests.browser.conftest import Portal
from tests.web.test_reviews import greet, send

pytestmark = pytest.mark.once


def in_background(run: Run) -> threading.Thread:
    """Drive a run as a runner would, in a thread of its own."""

    def work() -> None:
        try:
            drive(run.id)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.django_db
def test_sign_in_page_answers_before_anybody_is_there() -> None:
    assert Client(HTTP_HOST="localhost").get("/login/").status_code == 200


def test_requester_runs_hello_and_watches_its_output_come(portal: Portal) -> None:
    portal.town.accept("hello")
    page = portal.page("mira")
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(f"{portal.url}/procedures/hello/")
    page.fill("[name='p.name']", "Zoë <b>")
    page.fill("#reason", "to see it")
    page.wait_for_selector("#will-happen .steps")
    page.click("#will-happen button.primary")
    page.wait_for_url("**/runs/*/")
    driver = in_background(Run.objects.get())
    page.wait_for_selector("#lines li:has-text('Zoë <b>')", timeout=15_000)
    page.wait_for_selector("#live[data-state=succeeded]", timeout=15_000)
    driver.join(10)
    assert complaints == []
    assert page.locator("#lines b").count() == 0


def test_trigger_works_without_javascript(portal: Portal) -> None:
    portal.town.accept("hello")
    page = portal.page("mira", javascript=False, width=390)
    page.goto(f"{portal.url}/procedures/hello/")
    page.fill("#reason", "no scripts here")
    page.click("text=Show what will happen")
    assert "hello.sh" in page.inner_text("#will-happen")
    page.click("#will-happen button.primary")
    page.wait_for_url("**/runs/*/")
    run = Run.objects.get()
    in_background(run).join(20)
    page.reload()
    assert "Succeeded" in page.inner_text("#live")
    assert page.locator("#lines li").count() >= 1


def test_reviewer_reads_the_files_and_accepts_by_a_plain_button(portal: Portal) -> None:
    Environment.objects.update(min_strength="session")
    version = Version.objects.get(procedure__name="hello")
    page = portal.page("aisha")
    page.click("nav.rail >> text=Reviews")
    page.click("text=Say hello v1")
    assert "hello.sh" in page.inner_text("main")
    page.fill("#cm", "Read it all.")
    page.click("button:has-text('Accept as')")
    page.wait_for_selector(".pill:has-text('Accepted')")
    version.refresh_from_db()
    assert version.state == "accepted"
    assert Review.objects.get(version=version).comment == "Read it all."


def test_approver_approves_without_javascript_and_the_requester_could_not(portal: Portal) -> None:
    portal.town.accept("hello")
    Environment.objects.filter(pk="staging").update(approvals={"low": {"operations": 1}}, min_strength="session")
    run = portal.town.ask(environment="staging")
    own = portal.page("mira", javascript=False)
    own.goto(f"{portal.url}/approvals/{run.id}/")
    assert "somebody else must decide" in own.inner_text("main")
    assert own.locator("button:has-text('Approve')").count() == 0
    page = portal.page("aisha", javascript=False)
    page.click("a.name:has-text('Say hello')")
    page.click("button:has-text('Approve')")
    page.wait_for_url("**/runs/*/")
    run.refresh_from_db()
    assert run.state == "queued"


def test_approver_signs_with_an_ssh_key(portal: Portal) -> None:
    portal.town.accept("hello")
    Environment.objects.filter(pk="staging").update(approvals={"low": {"operations": 1}}, min_strength="signed")
    run = portal.town.ask(environment="staging")
    page = portal.page("aisha")
    page.goto(f"{portal.url}/approvals/{run.id}/")
    assert "ssh-keygen -Y sign -n opsportal-approval" in page.inner_text("main")
    statement = b64decode(page.get_attribute("input[name=statement]", "value") or "")
    page.fill("#signature", portal.town.sign("aisha", statement)["signature"])
    page.click("button:has-text('Approve')")
    page.wait_for_url("**/runs/*/")
    assert run.approvals.get().strength == "signed"


def test_the_palette_finds_a_procedure_by_keyboard_alone(portal: Portal) -> None:
    portal.town.accept("hello")
    page = portal.page("mira")
    page.keyboard.press("Control+k")
    page.keyboard.type("hello")
    page.wait_for_selector("#palette a:has-text('Say hello')")
    page.keyboard.press("Enter")
    page.wait_for_url("**/procedures/hello/")


def test_enter_before_the_palette_has_answered_opens_what_was_typed(portal: Portal) -> None:
    portal.town.accept("hello")
    page = portal.page("mira")

    def slowly(route: Route) -> None:
        page.wait_for_timeout(600)
        route.continue_()

    page.keyboard.press("Control+k")
    page.wait_for_selector("#palette a:has-text('Say hello')")
    page.route("**/procedures/find/?q=hello", slowly)
    page.keyboard.type("hello")
    page.keyboard.press("Enter")
    page.wait_for_url("**/procedures/hello/")


def ugly_things(portal: Portal) -> Version:
    """A version in review that is talked about, one that is due, a source that failed, a key that waits: long words."""
    Version.objects.filter(procedure__name="hello", state="accepted").update(expires_at=now() + timedelta(days=9))
    files = {f"{ugly.WORD[:100]}.sh": ugly.LINES.encode(), "notes 🚀.md": ugly.SAID.encode()}
    version = send(portal.town, greet(**files))
    Version.objects.filter(pk=version.pk).update(note=ugly.WORD)
    for line in (None, 1):
        place = {"path": "procedure.yaml", "line": line} if line else {}
        discussions.comment(actor=portal.town.people["aisha"], version=version.pk, body=ugly.SAID, at=now(), **place)
    mira = portal.town.people["mira"]
    source = Source.objects.create(
        name="flows",
        url=f"https://git.example.com/{ugly.WORD}.git",
        branch="b" * 150,
        owner=mira,
        problem=ugly.WORD,
        since_at=now(),
    )
    SourceFinding.objects.create(source=source, commit="c" * 40, path="p" * 300, message=ugly.WORD, at=now())
    public = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    made = {"subject": str(mira.subject), "public": public, "fingerprint": fingerprint(public)}
    controls.propose(actor=mira, control="key", object=made, signature=None, at=now())
    return version


@pytest.mark.parametrize("width", [1440, 900, 390])
def test_no_page_is_wider_than_the_window(portal: Portal, width: int) -> None:
    portal.town.accept("hello")
    long = "x" * 200
    run = portal.town.ask(reason=long, parameters={"name": "y" * 100})
    in_background(run).join(20)
    with transaction.atomic():
        facts = {"step": "s", "target": "t" * 150, "credential": "deploy", "why": long}
        record("lease.refused", actor=None, at=now(), facts=facts)
    version = Version.objects.get(procedure__name="restart-service")
    talked = ugly_things(portal)
    page = portal.page("mira", width=width)
    for path in (
        f"/reviews/{talked.id}/",
        "/reviews/",
        "/procedures/greet/?tab=versions",
        "/procedures/greet/?tab=history",
        "/procedures/greet/edit/",
        "/procedures/edit/",
        "/sources/",
        "/sources/flows/",
    ):
        page.goto(portal.url + path)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path
    page = portal.page("jonas", width=width)
    for path in (
        "/",
        "/procedures/",
        "/procedures/hello/",
        "/runs/",
        f"/runs/{run.id}/",
        f"/reviews/{version.id}/",
        f"/approvals/{run.id}/",
        "/people/",
        "/environments/",
        "/environments/production/",
        "/access/",
        "/evidence/",
        "/settings/",
    ):
        page.goto(portal.url + path)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path


def test_a_flood_of_output_keeps_the_page_small_and_loses_nothing(portal: Portal) -> None:
    portal.town.accept("hello")
    run = portal.town.ask()
    page = portal.page("mira")
    page.goto(f"{portal.url}/runs/{run.id}/")
    expect(page.locator("#log-state")).to_have_text("Live.")
    text = "".join(f"line {number}\n" for number in range(100))
    LogChunk.objects.bulk_create(
        LogChunk(run=run, seq=seq, at=now(), step="s", target="", stream="stdout", text=text) for seq in range(1, 121)
    )
    page.wait_for_selector("#L120\\.99", timeout=30_000)
    shown = "document.querySelector('#lines').childElementCount"
    assert page.evaluate(shown) == 5000
    assert page.text_content("#lines li:last-child .n") == "12000"
    first = page.text_content("#lines li:first-child .n")
    assert first == "7001"
    page.click("#earlier")
    expect(page.locator("#lines li:first-child .n")).to_have_text("1")
    assert page.evaluate(shown) == 12_000
    assert page.is_hidden("#earlier")
