"""Signing in at a real OpenID provider: the whole way, what it gives, and what each attacker is refused."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.test import Client

from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.evidence.models import Event
from procedures.models import Identity, Person
from procedures.services import leavers, people
from procedures.signon import oidc
from tests.factories.portal import PASSWORD, World
from tests.signon.browser import Browser
from tests.signon.conftest import SECRET, OpenId
from tests.signon.liar import Tokens, claims_of, lying, part

LetIn = Callable[..., None]
pytestmark = pytest.mark.once


def facts(kind: str) -> list[dict[str, Any]]:
    return [json.loads(bytes(row.body)) for row in Event.objects.filter(kind=kind).order_by("id")]


def test_a_newcomer_of_a_trusted_provider_is_in_the_mapped_groups_and_runs_what_these_may(
    world: World, corp: LetIn, browser: Browser
) -> None:
    corp()
    world.accepted("hello")
    answer = browser.sign_in("corp", "ann", next="/procedures/")
    assert answer["Location"] == "/procedures/"
    ann = browser.me()
    assert ann is not None
    assert (ann.username, ann.name, ann.kind) == ("ann", "Ann Lee", "person")
    assert [m.group.name for m in ann.memberships.all()] == ["developers"]
    world.confirmed("grant", world_grant("group:developers"))
    form = {"environment": "development", "p.name": "Ann", "reason": "to see it"}
    assert browser.ours.post("/procedures/hello/", form)["Location"].startswith("/runs/")
    [joined] = facts("membership.synced")
    assert (joined["provider"], joined["group"], joined["action"]) == ("corp", "developers", "add")
    assert facts("session.opened")[-1]["provider"] == "corp"


def world_grant(principal: str) -> dict[str, Any]:
    return {
        "principal": principal,
        "verbs": ["view", "run"],
        "procedure": "hello",
        "environments": ["development"],
        "not_before": moment(now()),
        "expires_at": moment(now() + timedelta(days=1)),
        "reason": "they develop",
    }


def refused(answer: Any, words: str) -> None:
    assert answer.status_code == 403, answer.content.decode()
    assert words in answer.content.decode()


def test_who_was_invited_joins_by_the_link_and_the_provider_and_nobody_signs_up(
    world: World, corp: LetIn, browser: Browser
) -> None:
    corp(provision=False)
    refused(browser.sign_in("corp", "ann"), "Ask an access manager")
    assert browser.me() is None
    assert not Identity.objects.exists()
    row, path = people.invite_person(actor=world.mira, username="ann.l", name="Ann", email="", at=now())
    assert f"/login/with/corp/?invite={path.split('/')[2]}" in browser.ours.get(path).content.decode()
    browser.sign_in("corp", "ann", invite=path.split("/")[2])
    assert browser.me() == row
    again = Browser()
    assert again.sign_in("corp", "bob", invite=path.split("/")[2]).status_code == 400, "the link works once"
    assert [fact["reason"] for fact in facts("identity.refused")] == ["Corp knows you, but this portal does not."]


def test_the_same_mail_and_name_from_another_provider_open_nothing_of_somebody_else(
    world: World, corp: LetIn, openid: OpenId
) -> None:
    corp()
    corp("other", title="Other", groups={})
    Person.objects.filter(pk=world.mira.pk).update(email="mira@example.com")
    ann, eve, fake = Browser(), Browser(), Browser()
    ann.sign_in("corp", "ann")
    openid.accounts(eve={"preferred_username": "ann", "email": "ann@example.com", "name": "Ann Lee"})
    eve.sign_in("other", "eve")
    openid.accounts(fake={"preferred_username": "MIRA", "email": "mira@example.com", "email_verified": True})
    fake.sign_in("other", "fake")
    found = [browser.me() for browser in (ann, eve, fake)]
    assert [person.username for person in found if person] == ["ann", "ann@other", "MIRA@other"]
    assert world.mira not in found
    assert not found[1].memberships.exists() if found[1] else False


def test_one_adds_a_login_to_the_own_account_by_password_and_proof_and_nobody_takes_anothers(
    world: World, corp: LetIn, browser: Browser
) -> None:
    corp()
    mira = Browser()
    mira.ours.force_login(world.mira, backend="procedures.access.backend.PasswordBackend")
    assert mira.ours.get("/login/with/corp/").headers["Location"] == "/", "not without the password"
    wrong = mira.ours.post("/settings/logins/", {"provider": "corp", "password": "wrong"})
    assert wrong.status_code == 403
    assert mira.ours.get("/login/with/corp/").headers["Location"] == "/"
    asked = mira.ours.post("/settings/logins/", {"provider": "corp", "password": PASSWORD})
    assert 'href="/login/with/corp/"' in asked.content.decode()
    assert mira.sign_in("corp", "ann")["Location"] == "/settings/"
    browser.sign_in("corp", "ann")
    assert browser.me() == world.mira
    other = Browser()
    eve = world.person("eve")
    eve.set_password(PASSWORD)
    eve.save()
    other.ours.force_login(eve, backend="procedures.access.backend.PasswordBackend")
    other.ours.post("/settings/logins/", {"provider": "corp", "password": PASSWORD})
    assert "belongs to another account" in other.sign_in("corp", "ann").content.decode()
    assert other.me() == eve


def test_another_subject_is_another_person_whatever_the_mail_says(corp: LetIn, openid: OpenId) -> None:
    corp(provision=False)
    ann = Person.objects.create(username="ann", name="Ann", email="ann@example.com")
    Identity.objects.create(person=ann, provider_id="corp", subject="ann", linked_at=now())
    first = Browser()
    first.sign_in("corp", "ann")
    assert first.me() == ann
    openid.accounts(ann={"sub": "somebody-else", "email": "ann@example.com", "preferred_username": "ann"})
    refused(Browser().sign_in("corp", "ann"), "this portal does not")


def test_an_answer_holds_once_and_in_the_browser_that_asked(corp: LetIn, browser: Browser) -> None:
    corp()
    back = browser.prove(browser.away("corp"), "ann")
    refused(Browser().ours.get(back), "not begun in this browser")
    assert browser.ours.get(back).status_code == 302
    refused(browser.ours.get(back), "finished already")
    victim = Browser()
    victim.away("corp")
    refused(victim.ours.get(back), "not begun in this browser")
    other_state = browser.prove(Browser().away("corp"), "bob").replace("iss=", "was=")
    refused(victim.ours.get(other_state), "not begun in this browser")


def test_signing_in_never_leads_to_another_site(corp: LetIn) -> None:
    corp()
    for onward in ("https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example"):
        assert Browser().sign_in("corp", "ann", next=onward)["Location"] == "/", onward


def nobody_signed(tokens: Tokens) -> Tokens:
    claims = {**claims_of(tokens["id_token"]), "sub": "bob"}
    return {**tokens, "id_token": f"{part({'alg': 'none'})}.{part(claims)}."}


def somebody_else_in_a_true_token(tokens: Tokens) -> Tokens:
    head, _, signature = tokens["id_token"].split(".")
    return {**tokens, "id_token": f"{head}.{part({**claims_of(tokens['id_token']), 'sub': 'bob'})}.{signature}"}


def signed_with_the_client_secret(tokens: Tokens) -> Tokens:
    claims = {**claims_of(tokens["id_token"]), "sub": "bob"}
    head = jwt.get_unverified_header(tokens["id_token"])
    return {**tokens, "id_token": jwt.encode(claims, SECRET * 2, "HS256", headers={"kid": head["kid"]})}


def no_identity_token(tokens: Tokens) -> Tokens:
    return {"access_token": tokens["access_token"]}


LIES = (nobody_signed, somebody_else_in_a_true_token, signed_with_the_client_secret, no_identity_token)


def test_an_identity_token_that_the_provider_did_not_sign_is_refused(corp: LetIn, openid: OpenId) -> None:
    for lie in LIES:
        with lying(f"{openid.url}/token", lie) as endpoint:
            corp(settings={"token_endpoint": endpoint})
            browser = Browser()
            refused(browser.sign_in("corp", "ann"), "identity token")
            assert browser.me() is None, lie.__name__
    assert not Identity.objects.exists()


def test_a_true_token_of_another_sign_in_another_application_or_another_time_is_refused(
    corp: LetIn, openid: OpenId, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[str] = []

    def the_first_again(tokens: Tokens) -> Tokens:
        kept.append(tokens["id_token"])
        return {**tokens, "id_token": kept[0]}

    with lying(f"{openid.url}/token", the_first_again) as endpoint:
        corp(settings={"token_endpoint": endpoint})
        assert Browser().sign_in("corp", "ann").status_code == 302
        refused(Browser().sign_in("corp", "bob"), "belongs to another sign-in")
    refused_for = {"issuer": f"{openid.url}/", "client_id": "another-application"}
    for name, wrong in refused_for.items():
        settings = {**openid.object()["settings"], name: wrong}
        with pytest.raises(oidc.SignInRefused, match="does not hold"):
            oidc.verified(settings, kept[0], nonce=str(claims_of(kept[0])["nonce"]))
    monkeypatch.setattr(oidc, "LEEWAY_S", 0)
    while time.time() <= claims_of(kept[0])["exp"]:
        time.sleep(0.05)
    with pytest.raises(oidc.SignInRefused, match="ExpiredSignature"):
        oidc.verified(openid.object()["settings"], kept[0], nonce=str(claims_of(kept[0])["nonce"]))


def test_what_the_user_info_says_counts_for_the_same_subject_alone(corp: LetIn, openid: OpenId) -> None:
    corp(settings={"userinfo_endpoint": f"{openid.url}/me"})
    ann = Browser()
    ann.sign_in("corp", "ann")
    assert ann.me()
    corp(settings={"userinfo_endpoint": f"{openid.url}/jwks"})
    refused(Browser().sign_in("corp", "bob"), "two different people")


def test_a_closed_account_and_an_ended_provider_let_nobody_in(world: World, corp: LetIn, openid: OpenId) -> None:
    corp()
    ann = Browser()
    ann.sign_in("corp", "ann")
    person = ann.me()
    assert person is not None
    leavers.close_person(actor=world.mira, person=person.subject, at=now())
    refused(Browser().sign_in("corp", "ann"), "closed")
    world.confirmed("identity_provider", openid.object(action="end"))
    assert Client(HTTP_HOST="localhost").get("/login/with/corp/").status_code == 404


def test_a_provider_that_does_not_answer_is_told_so_and_keeps_nobody_waiting(corp: LetIn, browser: Browser) -> None:
    corp(settings={"token_endpoint": "http://127.0.0.1:9/token"})
    answer = browser.sign_in("corp", "ann")
    assert answer.status_code == 400
    assert "gave no usable answer" in answer.content.decode()
    corp(settings={"token_endpoint": "https://169.254.169.254/token"})
    assert "never reached" in browser.sign_in("corp", "bob").content.decode()


def test_the_page_to_sign_in_shows_each_provider_without_javascript(corp: LetIn) -> None:
    corp(title="<b>Corp</b>")
    html = Client(HTTP_HOST="localhost").get("/login/?next=/runs/%3Fmine=1").content.decode()
    assert 'href="/login/with/corp/?next=%2Fruns%2F%3Fmine%3D1"' in html
    assert "Sign in with &lt;b&gt;Corp&lt;/b&gt;" in html
    assert "<script" not in html
