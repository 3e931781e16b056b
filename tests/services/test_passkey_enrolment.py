"""A passkey is enrolled like any key: by its owner, confirmed by others or by an older key, at the portal's address."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from procedures.domain.canonical import canon
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed
from procedures.models import ControlChange, EnrolledKey
from procedures.services import controls, passkeys
from tests.factories.passkeys import ALGORITHMS, SoftPasskey
from tests.factories.portal import World

pytestmark = pytest.mark.ordinary


def test_a_passkey_waits_for_somebody_else(world: World) -> None:
    olga = world.person("olga")
    change = controls.propose(actor=olga, control="key", object=SoftPasskey().object(olga), signature=None, at=now())
    assert change.state == "proposed"
    assert not EnrolledKey.objects.filter(person=olga).exists()


def test_an_older_key_of_the_same_person_enrols_the_passkey_at_once(world: World) -> None:
    soft = SoftPasskey()
    made = soft.object(world.mira)
    statement = canon(controls.statement_for(actor=world.mira, control="key", object=made))
    change = controls.propose(
        actor=world.mira, control="key", object=made, signature=world.signed("mira", statement), at=now()
    )
    assert change.state == "confirmed"
    key = EnrolledKey.objects.get(credential=soft.credential)
    assert (key.method, key.algorithm, key.rp, key.origin) == ("passkey", "ES256", "localhost", soft.origin)


def test_nobody_enrols_a_passkey_for_somebody_else(world: World) -> None:
    olga = world.person("olga", key=True)
    made = SoftPasskey().object(world.mira)
    statement = canon(controls.statement_for(actor=olga, control="key", object=made))
    with pytest.raises(NotAllowed, match="whose key it is"):
        controls.propose(actor=olga, control="key", object=made, signature=world.signed("olga", statement), at=now())


def test_a_key_that_somebody_has_is_not_enrolled_again(world: World) -> None:
    olga, soft = world.person("olga", key=True), SoftPasskey().enrol(world, world.mira)
    made = {**soft.object(olga), "credential": "AAAA"}
    statement = canon(controls.statement_for(actor=olga, control="key", object=made))
    with pytest.raises(NotAllowed, match="enrolled already"):
        controls.propose(actor=olga, control="key", object=made, signature=world.signed("olga", statement), at=now())


LIES: dict[str, tuple[dict[str, Any], str]] = {
    "origin": ({"origin": "http://evil.example"}, "/object/origin"),
    "relying party": ({"rp": "example"}, "/object/rp"),
    "fingerprint": ({"fingerprint": "SHA256:x"}, "/object/fingerprint"),
    "algorithm": ({"algorithm": "RS256"}, "/object/algorithm"),
    "public": ({"public": "AAAA"}, "/object/public"),
    "credential": ({"credential": "a+b"}, "/object/credential"),
    "method": ({"method": "ssh"}, "/object/method"),
}


@pytest.mark.parametrize(("lie", "pointer"), LIES.values(), ids=LIES)
def test_an_enrolment_that_lies_is_refused_and_names_the_field(world: World, lie: dict[str, Any], pointer: str) -> None:
    olga = world.person("olga")
    with pytest.raises(InvalidInput) as caught:
        controls.propose(
            actor=olga, control="key", object={**SoftPasskey().object(olga), **lie}, signature=None, at=now()
        )
    assert pointer in [row["pointer"] for row in caught.value.field_errors()]
    assert not ControlChange.objects.exclude(proposer=world.mira).exists()


def test_half_a_passkey_is_no_key(world: World) -> None:
    olga, made = world.person("olga"), SoftPasskey().object(world.mira)
    del made["origin"]
    with pytest.raises(InvalidInput, match="origin"):
        controls.propose(actor=olga, control="key", object=made, signature=None, at=now())
    with pytest.raises(IntegrityError), transaction.atomic():
        EnrolledKey.objects.create(person=olga, method="passkey", public="x", fingerprint="y", enrolled_at=now())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_the_browser_answers_becomes_the_object_that_is_enrolled(world: World, algorithm: str) -> None:
    olga, soft = world.person("olga"), SoftPasskey(algorithm)
    options, state = passkeys.begin(olga)
    assert {row["alg"] for row in options["pubKeyCredParams"]} == {-7, -8, -257}
    assert options["authenticatorSelection"]["userVerification"] == "required"
    made = passkeys.finish(olga, state, soft.registration(options["challenge"]))
    assert made == soft.object(olga)
    controls.propose(actor=olga, control="key", object=made, signature=None, at=now())


WRONG: dict[str, dict[str, Any]] = {
    "another origin": {"origin": "http://localhost:1"},
    "another party": {"rp": "evil.example"},
    "nobody verified": {"flags": 0x41},
    "an assertion": {"type": "webauthn.get"},
    "an older challenge": {"challenge": "AAAAAAAAAAAAAAAAAAAAAA"},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_registration_with_one_thing_wrong_is_none(world: World, wrong: dict[str, Any]) -> None:
    olga = world.person("olga")
    options, state = passkeys.begin(olga)
    with pytest.raises(passkeys.NotAPasskey):
        passkeys.finish(olga, state, SoftPasskey().registration(**{"challenge": options["challenge"], **wrong}))


@pytest.mark.parametrize("answer", [{}, {"id": "AAAA"}, {"id": "%", "clientDataJSON": "%", "attestationObject": "%"}])
def test_no_registration_at_all_is_said_so(world: World, answer: dict[str, str]) -> None:
    olga = world.person("olga")
    _, state = passkeys.begin(olga)
    for kept in (state, None, {}):
        with pytest.raises(passkeys.NotAPasskey):
            passkeys.finish(olga, kept, answer)


@pytest.mark.parametrize("url", ["http://ops.example.com", "http://127.0.0.1:8000", "https://192.0.2.1"])
def test_where_browsers_offer_no_passkeys_the_portal_says_so(world: World, settings: Any, url: str) -> None:
    settings.OPSPORTAL_PUBLIC_URL = url
    olga = world.person("olga")
    with pytest.raises(passkeys.NoPasskeysHere, match="no passkeys"):
        passkeys.begin(olga)
    assert passkeys.party() is None
