"""H32 from the place of an attacker: a token that is not this workload's, now, for this portal, becomes nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from rest_framework.test import APIClient

from procedures.api import exchange as door
from procedures.models import ApiToken, Exchange, TrustedIssuer
from procedures.services import exchanges
from procedures.signon import keys
from tests.fixtures.token_issuer import GITHUB, PORTAL, Issuer, public_pem, rsa_jwk, rsa_key
from tests.signon.liar import claims_of, part
from tests.workloads.conftest import FORM, Plant, said

pytestmark = pytest.mark.once


def none(issuer: Issuer) -> str:
    return f"{part({'alg': 'none', 'kid': 'one'})}.{part(claims_of(issuer.token(GITHUB)))}."


def public_key_as_a_secret(issuer: Issuer) -> str:
    """The library refuses to make such a token, so it is made by hand."""
    signed = f"{part({'alg': 'HS256', 'kid': 'one', 'typ': 'JWT'})}.{part(claims_of(issuer.token(GITHUB)))}"
    mark = hmac.new(public_pem(1), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mark).decode().rstrip('=')}"


def true_head_and_signature_around_other_claims(issuer: Issuer) -> str:
    head, _, mark = issuer.token(GITHUB, repository_id="99").split(".")
    return f"{head}.{part({**claims_of(issuer.token(GITHUB))})}.{mark}"


def key_in_its_own_header(issuer: Issuer) -> str:
    headers = {"kid": "three", "jwk": rsa_jwk(3, "three"), "jku": "https://evil.example.com/jwks"}
    return jwt.encode(claims_of(issuer.token(GITHUB)), rsa_key(3), "RS256", headers=headers)


def another_library_s_type(issuer: Issuer) -> str:
    return jwt.encode(claims_of(issuer.token(GITHUB)), rsa_key(1), "RS256", headers={"kid": "one", "typ": "at+jwt"})


LATER, BEFORE = 3600, -3600
# What is presented, and what the portal says of it: the attack by its name.
ATTACKS: dict[str, tuple[Callable[[Issuer], str], str]] = {
    "algorithm none": (none, "algorithm that was not agreed"),
    "public key as a shared secret": (public_key_as_a_secret, "algorithm that was not agreed"),
    "claims put into a true token": (true_head_and_signature_around_other_claims, "not what its issuer signed"),
    "key brought along": (key_in_its_own_header, "a key that its issuer does not show"),
    "another key under a true id": (lambda i: i.token(GITHUB, key=rsa_key(3)), "not what its issuer signed"),
    "algorithm of another key": (lambda i: i.token(GITHUB, kid="two"), "another algorithm than its key is for"),
    "algorithm that nobody agreed to": (lambda i: i.token(GITHUB, alg="RS512"), "algorithm that was not agreed"),
    "a token of another type": (another_library_s_type, "another type than an identity token"),
    "expired": (lambda i: i.token(GITHUB, exp=int(time.time()) - 60), "it has expired"),
    "issued in the future": (lambda i: i.token(GITHUB, iat=int(time.time()) + LATER), "its time has not come"),
    "not valid yet": (lambda i: i.token(GITHUB, nbf=int(time.time()) + LATER), "its time has not come"),
    "without an end": (lambda i: i.token(GITHUB, exp=None), "it lacks one of"),
    "good for a year": (lambda i: i.token(GITHUB, exp=int(time.time()) + 31_536_000), "longer than a day"),
    "for another audience": (lambda i: i.token(GITHUB, aud="https://github.com/octo-org"), "another audience"),
    "for two audiences": (lambda i: i.token(GITHUB, aud=[PORTAL, "sts.amazonaws.com"]), "made for others too"),
    "for the portal with a slash": (lambda i: i.token(GITHUB, aud=PORTAL + "/"), "another audience"),
    "issuer with a slash": (lambda i: i.token(GITHUB, iss=i.url + "/"), "No issuer of this name"),
    "issuer in capitals": (lambda i: i.token(GITHUB, iss=i.url.upper()), "No issuer of this name"),
    "issuer that nobody trusts": (lambda i: i.token(GITHUB, iss="https://evil.example.com"), "No issuer of this name"),
    "pull request of a fork": (
        lambda i: i.token(GITHUB, event_name="pull_request", ref="refs/pull/7/merge", head_ref="x", base_ref="main"),
        "No rule",
    ),
    "pull request that runs on the base": (lambda i: i.token(GITHUB, event_name="pull_request_target"), "No rule"),
    "a remark under an issue": (lambda i: i.token(GITHUB, event_name="issue_comment"), "No rule"),
    "another branch": (lambda i: i.token(GITHUB, ref="refs/heads/main2"), "No rule"),
    "branch in capitals": (lambda i: i.token(GITHUB, ref="refs/heads/MAIN"), "No rule"),
    "a tag of the branch's name": (lambda i: i.token(GITHUB, ref="refs/tags/main"), "No rule"),
    "repository of the same name": (lambda i: i.token(GITHUB, repository_id="7004"), "No rule"),
    "organisation registered anew": (lambda i: i.token(GITHUB, repository_owner_id="6005"), "No rule"),
    "an id as a number": (lambda i: i.token(GITHUB, repository_id=74), "No rule"),
    "an id in a list": (lambda i: i.token(GITHUB, repository_id=["74"]), "No rule"),
    "a claim left out": (lambda i: i.token(GITHUB, event_name=None), "No rule"),
    "subject that is no text": (lambda i: i.token(GITHUB, sub="a\x00b"), "not a printable text"),
    "an id without end": (lambda i: i.token(GITHUB, jti="x" * 300), "at most 255 characters"),
    "huge": (lambda i: i.token(GITHUB, padding="x" * 20_000), "at most 16384 characters"),
    "no token": (lambda i: "opsportal", "not a JSON Web Token"),
    "brackets without end": (
        lambda i: f"{part({'alg': 'RS256'})}.{base64.urlsafe_b64encode(b'[' * 9000).decode()}.x",
        "not a JSON",
    ),
    "half a character": (lambda i: i.token(GITHUB, iss="\ud800"), "No issuer of this name"),
}


def test_no_attack_becomes_a_token_and_each_is_on_the_record(trusted: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door.ByAddress, "rate", "10000/min")
    monkeypatch.setattr(exchanges, "COALESCE_ABOVE", 10_000)
    for name, (attack, words) in ATTACKS.items():
        before = len(said("workload.refused"))
        answer = trusted.exchange(attack(trusted.issuer))
        told = answer.json()
        assert answer.status_code == 400, (name, told)
        assert words in told["error_description"], (name, told)
        assert "deploy" not in str(told), "no rule is named to a stranger"
        assert len(said("workload.refused")) == before + 1, name
        assert words in said("workload.refused")[-1]["reason"], name
    assert not Exchange.objects.exists()
    assert not ApiToken.objects.exists()
    refusals = {row["reason"]: row for row in said("workload.refused")}
    branch = refusals["No rule of this portal fits this workload."]
    assert (branch["issuer"], branch["proved"]) == (trusted.issuer.url, True)
    assert not refusals["No issuer of this name, letter by letter, is trusted here."]["proved"]
    assert trusted.exchange(trusted.issuer.token(GITHUB)).status_code == 200, "the true one still is let in"


def test_a_token_is_exchanged_once_whatever_is_asked_for_with_it(trusted: Plant) -> None:
    token = trusted.issuer.token(GITHUB)
    assert trusted.exchange(token).status_code == 200
    for more in ({}, {"scope": "verb:run"}, {"rule": "deploy"}):
        assert "exchanged already" in trusted.exchange(token, **more).json()["error_description"]
    same = trusted.issuer.token(GITHUB, jti=claims_of(token)["jti"], run_id="2")
    assert "exchanged already" in trusted.exchange(same).json()["error_description"]
    assert Exchange.objects.count() == 1


def test_two_rules_that_fit_are_none_until_one_is_named(trusted: Plant) -> None:
    trusted.rule("other", verbs=["view"])
    answer = trusted.exchange(trusted.issuer.token(GITHUB))
    assert "More than one rule" in answer.json()["error_description"]
    named = trusted.exchange(trusted.issuer.token(GITHUB), rule="other").json()
    assert "verb:run" not in named["scope"]
    unfit = trusted.exchange(trusted.issuer.token(GITHUB, ref="refs/heads/x"), rule="other")
    assert unfit.json()["error"] == "invalid_grant"


def test_a_key_that_the_issuer_took_back_holds_for_minutes_at_most(
    trusted: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    stolen = trusted.issuer.token(GITHUB)
    assert trusted.exchange(trusted.issuer.token(GITHUB)).status_code == 200
    trusted.issuer.keys = [rsa_jwk(2, "new")]
    row = keys._kept[f"{trusted.issuer.url}/jwks"]
    row.at -= keys.LIVE_S + 1
    row.asked_at -= keys.LIVE_S + 1
    assert "a key that its issuer does not show" in trusted.exchange(stolen).json()["error_description"]
    assert trusted.exchange(trusted.issuer.token(GITHUB, key=rsa_key(2), kid="new")).status_code == 200
    assert keys.LIVE_S <= 300


def test_a_pinned_key_that_people_took_out_holds_no_longer_at_once(plant: Plant) -> None:
    plant.issuer.keys.append(rsa_jwk(2, "new"))
    plant.world.confirmed("trusted_issuer", plant.issuer.pinned())
    plant.rule()
    plant.issuer.keys = plant.issuer.keys[2:]
    plant.world.confirmed("trusted_issuer", plant.issuer.pinned())
    assert "does not show" in plant.exchange(plant.issuer.token(GITHUB)).json()["error_description"]
    assert plant.exchange(plant.issuer.token(GITHUB, key=rsa_key(2), kid="new")).status_code == 200


def test_keys_that_cannot_be_had_let_nobody_in_and_are_not_asked_for_again_and_again(trusted: Plant) -> None:
    issuer = trusted.issuer
    for mood in ("down", "huge", "away:http://169.254.169.254/latest/", "away:/other-keys", "gone"):
        issuer.mood = mood
        issuer.asked.clear()
        keys._kept.clear()
        if mood == "gone":
            TrustedIssuer.objects.filter(pk="ci").update(object=issuer.object(jwks_uri="http://127.0.0.1:9/jwks"))
        for _ in range(3):
            answer = trusted.exchange(issuer.token(GITHUB))
            assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable"), mood
        assert issuer.asked == ([] if mood == "gone" else ["/jwks"]), mood
    assert said("workload.refused")[-1]["issuer"] == issuer.url


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_set_of_keys_holds_no_shared_secret_and_no_weak_key(trusted: Plant) -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - it must be refused
    made = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(weak.public_key()))
    secret = base64.urlsafe_b64encode(b"s" * 32).decode().rstrip("=")
    trusted.issuer.keys = [
        {"kty": "oct", "k": secret, "kid": "secret", "alg": "RS256"},
        {"kty": "RSA", "n": made["n"], "e": made["e"], "kid": "weak", "alg": "RS256"},
        {"kty": "RSA", "n": made["n"], "e": made["e"], "kid": "nothing", "alg": "none"},
        rsa_jwk(2, "for-ciphers", use="enc"),
        rsa_jwk(1, "good"),
    ]
    tries = {"weak": weak, "for-ciphers": rsa_key(2), "nothing": weak, "secret": rsa_key(1)}
    for kid, key in tries.items():
        answer = trusted.exchange(trusted.issuer.token(GITHUB, key=key, kid=kid))
        assert "does not show" in answer.json()["error_description"], kid
    assert trusted.exchange(trusted.issuer.token(GITHUB, kid="good")).status_code == 200


def test_an_issuer_that_ends_while_its_keys_are_looked_at_gives_nothing(
    trusted: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = exchanges.workload.verified

    def meanwhile(*args: Any, **more: Any) -> Any:
        found = true(*args, **more)
        TrustedIssuer.objects.filter(pk="ci").update(object={**TrustedIssuer.objects.get(pk="ci").object, "keys": []})
        return found

    monkeypatch.setattr(exchanges.workload, "verified", meanwhile)
    assert "changed at this moment" in trusted.exchange(trusted.issuer.token(GITHUB)).json()["error_description"]
    assert not ApiToken.objects.exists()


def test_guessing_and_storms_are_slowed_and_counted(trusted: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(9):
        trusted.exchange("guess")
        trusted.exchange(trusted.issuer.token(GITHUB, ref="refs/heads/x"))
    rows = said("workload.refused")
    assert [sum(row["proved"] is proved for row in rows) for proved in (True, False)] == [5, 5], "the rest is counted"
    monkeypatch.setattr(exchanges, "A_MINUTE", 2)
    answers = [trusted.exchange(trusted.issuer.token(GITHUB)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    monkeypatch.setattr(door.ByAddress, "rate", "3/min")
    last = [trusted.exchange("guess") for _ in range(4)][-1]
    assert (last.status_code, last.json()["error"]) == (429, "slow_down")
    assert int(last["Retry-After"]) <= 60
    large = APIClient().post("/api/v1/token/exchange/", "x=" + "y" * 70_000, content_type=FORM, REMOTE_ADDR="192.0.2.1")
    assert large.status_code == 413
