"""Every page answers each person as it should, and nothing that others wrote becomes markup."""

from __future__ import annotations

import base64
import re

import pytest
from django.test import Client

from procedures.models import Approval, ControlChange, Environment, LogChunk, Person, Review, Run, Version
from procedures.services import approvals
from tests.web.town import PASSWORD, Town

pytestmark = pytest.mark.once
PAGES = (
    "/",
    "/procedures/",
    "/procedures/hello/",
    "/procedures/hello/?tab=history",
    "/procedures/hello/?tab=versions",
    "/procedures/hello/?tab=access",
    "/runs/",
    "/runs/?state=live&mine=1",
    "/approvals/",
    "/reviews/",
    "/people/",
    "/agents/",
    "/environments/",
    "/environments/production/",
    "/environments/production/?tab=rules",
    "/access/",
    "/access/?ended=1",
    "/settings/",
    "/glossary/",
)
UGLY = "<script>alert(1)</script> \u202e{{ me.password }} " + "x" * 300


def hidden(html: str, name: str) -> str:
    match = re.search(rf'name="{name}" value="([^"]*)"', html)
    assert match, name
    return match.group(1).replace("&quot;", '"').replace("&#x27;", "'").replace("&amp;", "&")


def test_every_page_answers_a_manager_and_a_stranger(town: Town) -> None:
    town.accept("hello")
    for name in ("jonas", "stranger"):
        client = town.client(name)
        for page in PAGES:
            assert client.get(page).status_code == 200, (name, page)


def test_pages_send_whoever_is_not_signed_in_to_the_login(town: Town) -> None:
    for page in PAGES:
        answer = Client(HTTP_HOST="localhost").get(page)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/login/")


def test_a_person_signs_in_with_a_password_and_never_leaves_for_another_site(town: Town) -> None:
    client = Client(HTTP_HOST="localhost")
    wrong = client.post("/login/", {"username": "mira", "password": "wrong"})
    assert wrong.status_code == 401
    answer = client.post("/login/", {"username": "mira", "password": PASSWORD, "next": "https://evil.example/"})
    assert answer["Location"] == "/"


def test_a_form_without_its_token_is_refused(town: Town) -> None:
    client = Client(HTTP_HOST="localhost", enforce_csrf_checks=True)
    client.force_login(town.people["mira"], backend="procedures.access.backend.PasswordBackend")
    assert client.post("/procedures/hello/", {"environment": "development"}).status_code == 403
    assert not Run.objects.exists()


def test_pages_carry_no_inline_style_and_a_strict_policy(town: Town) -> None:
    answer = town.client("jonas").get("/")
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert " style=" not in answer.content.decode()


def test_requester_fills_in_the_form_and_the_run_is_recorded(town: Town) -> None:
    town.accept("hello")
    answer = town.client("mira").post(
        "/procedures/hello/", {"environment": "development", "p.name": "Zoë", "reason": "to see it"}
    )
    run = Run.objects.get()
    assert answer["Location"] == f"/runs/{run.id}/"
    assert run.parameters == {"name": "Zoë"}
    assert run.door == "web"


def test_a_wrong_field_is_marked_and_what_was_typed_stays(town: Town) -> None:
    town.accept("hello")
    answer = town.client("mira").post(
        "/procedures/hello/", {"environment": "development", "p.name": "y" * 101, "reason": "because I can"}
    )
    html = answer.content.decode()
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in html
    assert "y" * 101 in html
    assert "because I can" in html
    assert not Run.objects.exists()


def test_a_preview_shows_the_plan_and_writes_nothing(town: Town) -> None:
    town.accept("hello")
    answer = town.client("mira").post("/procedures/hello/preview/", {"environment": "development", "p.name": "Zoë"})
    assert "hello.sh" in answer.content.decode()
    assert not Run.objects.exists()


def test_a_stranger_cannot_run_what_the_page_does_not_offer(town: Town) -> None:
    town.accept("hello")
    client = town.client("stranger")
    assert 'id="ask"' not in client.get("/procedures/hello/").content.decode()
    answer = client.post("/procedures/hello/", {"environment": "development", "p.name": "a", "reason": "b"})
    assert not Run.objects.exists()
    assert "/procedures/hello/ask/" in answer.content.decode()


def test_an_unseen_run_and_a_missing_one_look_alike(town: Town) -> None:
    town.accept("hello")
    run = town.ask()
    client = town.client("stranger")
    unseen = client.get(f"/runs/{run.id}/")
    missing = client.get("/runs/01900000-0000-7000-8000-000000000000/")
    assert (unseen.status_code, missing.status_code) == (404, 404)
    token = re.compile(r'value="[A-Za-z0-9]{64}"|/runs/[0-9a-f-]{36}/')
    assert token.sub("", unseen.content.decode()) == token.sub("", missing.content.decode())


def test_ugly_text_stays_text_everywhere(town: Town) -> None:
    Person.objects.filter(username="mira").update(name=UGLY[:200])
    town.accept("hello")
    run = town.ask(reason=UGLY, parameters={"name": "<b>x</b>"})
    LogChunk.objects.create(
        run=run,
        seq=1,
        step="greet",
        stream="stdout",
        at=run.requested_at,
        text="<img src=x onerror=alert(1)>\x1b[2J\u202e\n",
    )
    client = town.client("jonas")
    for page in ("/", "/runs/", f"/runs/{run.id}/", f"/runs/{run.id}/?tab=plan", f"/approvals/{run.id}/", "/people/"):
        html = client.get(page).content.decode()
        assert "<script>alert" not in html, page
        assert "<img src=x" not in html, page
    html = client.get(f"/runs/{run.id}/").content.decode()
    assert r"\x1b" in html
    assert r"\u202e" in html


def test_reviewer_accepts_by_signing_the_statement_that_the_page_shows(town: Town) -> None:
    version = Version.objects.get(procedure__name="restart-service")
    client = town.client("aisha")
    html = client.get(f"/reviews/{version.id}/").content.decode()
    statement = hidden(html, "statement")
    signed = town.sign("aisha", base64.b64decode(statement))
    answer = client.post(
        f"/reviews/{version.id}/",
        {
            "digest": hidden(html, "digest"),
            "verdict": "accept",
            "comment": "read it",
            "statement": statement,
            "duties": ["operations", "security", "compliance"],
            "signature": signed["signature"],
        },
    )
    assert answer.status_code == 302
    version.refresh_from_db()
    assert version.state == "accepted"
    assert Review.objects.get(version=version).strength == "signed"


def test_a_review_without_a_signature_is_refused_where_production_is_named(town: Town) -> None:
    version = Version.objects.get(procedure__name="restart-service")
    answer = town.client("aisha").post(
        f"/reviews/{version.id}/", {"digest": version.digest, "verdict": "accept", "duties": ["operations", "security"]}
    )
    assert answer.status_code == 403
    assert not Review.objects.filter(version=version).exists()


def needs_approval(town: Town) -> Run:
    town.accept("hello")
    Environment.objects.filter(pk="staging").update(approvals={"low": {"operations": 1}}, min_strength="session")
    return town.ask(environment="staging")


def test_approver_sees_the_plan_and_approves_by_a_plain_button_where_a_session_is_enough(town: Town) -> None:
    run = needs_approval(town)
    client = town.client("aisha")
    html = client.get(f"/approvals/{run.id}/").content.decode()
    assert "hello.sh" in html
    assert "Approve" in html
    assert "signature" not in html
    answer = client.post(f"/approvals/{run.id}/", {"verdict": "approve", "plan_digest": run.plan_digest})
    assert answer["Location"] == f"/runs/{run.id}/"
    run.refresh_from_db()
    assert run.state == "queued"


def test_requester_cannot_approve_own_run_and_the_page_says_why(town: Town) -> None:
    run = needs_approval(town)
    client = town.client("mira")
    assert "somebody else must decide" in client.get(f"/approvals/{run.id}/").content.decode()
    answer = client.post(f"/approvals/{run.id}/", {"verdict": "approve", "plan_digest": run.plan_digest})
    assert answer.status_code == 403
    assert not Approval.objects.exists()


def test_approval_of_another_plan_is_refused(town: Town) -> None:
    run = needs_approval(town)
    answer = town.client("aisha").post(
        f"/approvals/{run.id}/", {"verdict": "approve", "plan_digest": "sha256:" + "0" * 64}
    )
    assert answer.status_code == 409


def test_a_run_is_turned_down_with_a_comment(town: Town) -> None:
    run = needs_approval(town)
    answer = town.client("aisha").post(
        f"/approvals/{run.id}/", {"verdict": "reject", "plan_digest": run.plan_digest, "comment": "not today"}
    )
    assert answer.status_code == 302
    run.refresh_from_db()
    assert run.state == "rejected"
    assert approvals.given(run) == {}


def test_access_is_given_by_a_signed_proposal(town: Town) -> None:
    client = town.client("jonas")
    stranger = town.people["stranger"]
    form = {
        "principal": f"person:{stranger.subject}",
        "verbs": ["run"],
        "procedure": "hello",
        "days": "7",
        "reason": "on call",
    }
    html = client.post("/changes/grant/new/", form).content.decode()
    made, statement = hidden(html, "object"), hidden(html, "statement")
    signed = town.sign("jonas", base64.b64decode(statement))
    answer = client.post(
        "/changes/grant/new/",
        {"object": made, "statement": statement, "signature": signed["signature"], "next": "/access/"},
    )
    assert answer["Location"] == "/access/"
    assert stranger.grants.get().verbs == ["run"]


def test_nobody_gives_access_to_themselves_by_page(town: Town) -> None:
    jonas = town.people["jonas"]
    client = town.client("jonas")
    form = {"principal": f"person:{jonas.subject}", "verbs": ["break_glass"], "days": "7", "reason": "mine"}
    html = client.post("/changes/grant/new/", form).content.decode()
    statement = hidden(html, "statement")
    signed = town.sign("jonas", base64.b64decode(statement))
    answer = client.post(
        "/changes/grant/new/",
        {"object": hidden(html, "object"), "statement": statement, "signature": signed["signature"]},
    )
    assert answer.status_code == 403
    assert not ControlChange.objects.filter(object__verbs=["break_glass"]).exists()


def test_invited_person_gets_a_link_that_is_shown_once(town: Town) -> None:
    client = town.client("jonas")
    answer = client.post("/people/invite/", {"username": "nora", "name": "Nora Petit", "email": "", "kind": "person"})
    assert answer.status_code == 201
    match = re.search(r"(/join/[^/\s<]+/)", answer.content.decode())
    assert match
    fresh = Client(HTTP_HOST="localhost")
    assert fresh.post(match.group(1), {"password": PASSWORD})["Location"] == "/"
    assert fresh.get("/").status_code == 200
    again = Client(HTTP_HOST="localhost").post(match.group(1), {"password": PASSWORD})
    assert again.status_code == 400
    for path in (match.group(1), "/welcome/never-was/"):
        page = Client(HTTP_HOST="localhost").get(path)
        assert page.status_code == 400, "nobody fills in a form that is refused"
        assert "This link is not valid any more." in page.content.decode()
        assert "password" not in page.content.decode()


def test_evidence_is_for_auditors(town: Town) -> None:
    assert town.client("aisha").get("/evidence/").status_code == 200
    assert town.client("mira").get("/evidence/").status_code == 403


def test_home_ticks_the_first_steps_by_itself(town: Town) -> None:
    before = town.client("jonas").get("/").content.decode()
    assert "Run hello here" in before
    assert before.count("tick done") == 1
    town.accept("restart-service")
    assert town.client("jonas").get("/").content.decode().count("tick done") == 2
