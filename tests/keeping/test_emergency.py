"""The emergency pack: from the database alone, with a credential that two named people open and nobody alone."""

from __future__ import annotations

import html
import io
import subprocess
import sys
import zipfile
from datetime import timedelta
from itertools import combinations
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key
from django.db import DatabaseError
from hypothesis import given
from hypothesis import strategies as st

from opsportal.keeping import emergency, open_together
from procedures.answers import registers
from procedures.answers.standing import standing
from procedures.domain import age, shares
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.evidence.models import Event
from procedures.models import Grant, GrantRight, Person, Target
from tests.factories.portal import World, new_world
from tests.factories.transitions import unevidenced

SECRET = b"root's password of that day: canary-4711"


@pytest.fixture
def crew(db: None) -> World:
    """Three who may break the glass in production, each with a key; one may elsewhere; one may, and has no key."""
    world = new_world()
    world.accepted()
    for name in ("otto", "olga", "petra"):
        world.may(world.person(name, key=True), "break_glass", environments=["production"])
    world.may(world.person("else", key=True), "break_glass", environments=["staging"])
    world.may(world.person("keyless"), "break_glass", environments=["production"])
    with unevidenced():
        Target.objects.create(
            environment_id="production", name="web-1", address="10.0.0.1", port=2222, host_key="ssh-ed25519 AAAA",
            host_key_sha256="SHA256:web-1", since_at=now(),
        )  # fmt: skip
    return world


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def private(world: World, name: str) -> Ed25519PrivateKey:
    key = world.keys[name]
    assert isinstance(key, Ed25519PrivateKey)
    return key


@given(st.binary(min_size=1, max_size=200), st.integers(2, 12))
def test_any_two_shares_give_the_secret(secret: bytes, count: int) -> None:
    made = shares.split(secret, count)
    assert len(set(made)) == count
    for one, two in combinations(made, 2):
        assert open_together.together(one, two) == secret == open_together.together(two, one)


def test_one_share_alone_says_nothing_of_the_secret() -> None:
    """Every value of a byte is as likely in a share, whatever the secret is."""
    seen = {shares.split(b"\x00", 2)[0][1] for _ in range(4000)}
    assert len(seen) > 250


@pytest.mark.parametrize("pair", [(b"\x01a", b"\x01b"), (b"\x00a", b"\x01b"), (b"\x01a", b"\x02ab")])
def test_what_are_no_two_shares_is_told(pair: tuple[bytes, bytes]) -> None:
    with pytest.raises(SystemExit, match="not two different shares"):
        open_together.together(*pair)


def test_two_of_those_who_may_break_the_glass_open_the_credential_with_what_the_pack_holds(
    crew: World, tmp_path: Path
) -> None:
    found = members(emergency.make(at=now(), seals={"production": SECRET}))
    sealed = {Path(name).stem for name in found if name.startswith("production/credential/")}
    assert sealed == {"otto", "olga", "petra"}
    (tmp_path / "open_together.py").write_bytes(found["open_together.py"])
    for name in ("otto", "petra"):
        share = age.decrypt(found[f"production/credential/{name}.age"], private(crew, name))
        (tmp_path / name).write_bytes(share)
        assert SECRET not in share
        with pytest.raises(age.NotForYou):
            age.decrypt(found[f"production/credential/{name}.age"], private(crew, "else"))
    command = [sys.executable, "-I", "-S", "open_together.py", "otto", "petra"]
    opened = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert opened.stdout == SECRET
    assert not [name for name, data in found.items() if b"canary-4711" in data]
    assert b"petra" in found["README.txt"]


def test_a_new_key_is_made_and_its_public_half_lies_beside_it(crew: World) -> None:
    found = members(emergency.make(at=now(), seals={"production": emergency.NEW_KEY}))
    opened = [age.decrypt(found[f"production/credential/{n}.age"], private(crew, n)) for n in ("olga", "otto")]
    key = load_ssh_private_key(open_together.together(*opened), None)
    assert isinstance(key, Ed25519PrivateKey)
    line = found["production/credential/key.pub"].decode().split()
    assert (line[0], line[2]) == ("ssh-ed25519", "opsportal-emergency-production")
    again = members(emergency.make(at=now(), seals={"production": emergency.NEW_KEY}))
    assert again["production/credential/key.pub"] != found["production/credential/key.pub"]


def test_that_it_was_sealed_and_to_whom_is_an_event_that_auditors_read(crew: World) -> None:
    emergency.make(at=now(), seals={"production": SECRET})
    emergency.make(at=now(), environments=["staging"])
    event = Event.objects.filter(kind="emergency.packed").order_by("id").first()
    assert event is not None
    assert b"canary" not in bytes(event.body)
    newest, first = registers.outages(now())
    assert "sealed: production to olga, otto, petra" in first.what
    assert newest.what.endswith("sealed: nothing")


def test_whoever_writes_the_tables_is_handed_no_share(crew: World) -> None:
    """A row in the tables without a signed event: the log decides who opens."""
    stranger = crew.person("stranger", key=True)
    with unevidenced():
        grant = Grant.objects.filter(verbs=["break_glass"]).first()
        assert grant is not None
        rights = GrantRight.objects.filter(grant=grant)
        grant.pk, grant.person = Event().pk, stranger
        grant.save(force_insert=True)
        for right in rights:
            right.pk, right.person, right.grant = None, stranger, grant
            right.save(force_insert=True)
    found = members(emergency.make(at=now(), seals={"production": SECRET}))
    assert "production/credential/stranger.age" not in found
    assert "production/credential/otto.age" in found


def test_a_grant_that_ended_opens_nothing_and_fewer_than_two_seal_nothing(crew: World) -> None:
    later = now() + timedelta(days=2)
    assert emergency.openers(standing(later), "production", later) == {}
    with pytest.raises(emergency.NobodyToSealTo, match="1 people may break the glass in staging"):
        emergency.make(at=now(), seals={"staging": SECRET})
    assert not Event.objects.filter(kind="emergency.packed").exists()


def test_without_evidence_nothing_is_sealed_and_the_steps_come_all_the_same(
    crew: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def readonly(*words: object, **more: object) -> None:
        raise DatabaseError("attempt to write a readonly database")

    monkeypatch.setattr(emergency, "record", readonly)
    with pytest.raises(emergency.NotOnRecord):
        emergency.make(at=now(), seals={"production": SECRET})
    assert "production/steps.html" in members(emergency.make(at=now()))
    with pytest.raises(emergency.NotOnRecord):
        emergency.make(at=now(), seals={"production": SECRET}, recorded=False)


def test_it_says_whom_to_call_what_stands_still_which_hosts_and_every_script(crew: World) -> None:
    crew.may(Person.objects.get(username="otto"), "operate", environments=["production"])
    found = members(emergency.make(at=now(), environments=["production"]))
    page = found["production/steps.html"].decode()
    assert not [name for name in found if name.startswith("staging/")]
    for words in (
        "Otto",
        "operates it",
        "10.0.0.1:2222",
        "SHA256:web-1",
        "Nothing is frozen or stopped",
        "record-outage",
    ):
        assert words in page, words
    assert found["production/known_hosts"] == b"[10.0.0.1]:2222 ssh-ed25519 AAAA\n"
    assert found["production/steps.pdf"].startswith(b"%PDF-")
    assert not [name for name in found if name.startswith("procedures/")], "hello may not run in production"
    found = members(emergency.make(at=now(), environments=["development"]))
    assert b"name: hello" in found["procedures/hello/procedure.yaml"]
    page = found["development/steps.html"].decode()
    assert "procedures/hello/" in page
    script = next(data for name, data in found.items() if name.endswith(".sh")).decode()
    for words in ("local:script", '"script":', script.splitlines()[-1]):
        assert html.escape(words) in page, "what a step does, with what, and the script itself"
    with pytest.raises(InvalidInput, match="no environment 'moon'"):
        emergency.make(at=now(), environments=["moon"])
