"""An event of no form, added by whoever writes rows, changes nothing and stops nobody."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from procedures.domain.canonical import canon, moment, sha256_hex
from procedures.domain.clock import now
from procedures.domain.controls import Authority
from procedures.domain.ids import uuid7
from procedures.evidence.events import KINDS
from procedures.evidence.models import Event, Outbox
from procedures.evidence.queries import AUTHORITY, Fact, authority_facts
from procedures.issuer.erasing import Word
from procedures.issuer.replay import folded, replay
from procedures.runner.drive import drive
from procedures.runner.erasing import Erasing
from tests.evidence.conftest import Log, log
from tests.factories.portal import World

__all__ = ["log"]


def as_committed() -> None:
    """What the test wrote so far is asked for its events now, as a commit would: not beside a row of no form."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")


def added(kind: str, body: bytes, *, header: bytes | None = None) -> str:
    """A row as SQL writes it, in a transaction of its own."""
    as_committed()
    id = uuid7()
    said = header or canon({"at": moment(now()), "b": sha256_hex(body), "id": str(id), "k": kind, "v": 1})
    Outbox.objects.create(event=Event.objects.create(id=id, kind=kind, at=now(), header=said, body=body))
    return str(id)


def formless_bodies() -> list[tuple[str, bytes]]:
    change = {"change": str(uuid7()), "gains": [], "production": True, "profile": "team"}
    return [
        *((kind, b"{}") for kind in sorted(AUTHORITY)),
        ("control.confirmed", b"not JSON at all"),
        ("control.confirmed", b"5"),
        ("control.confirmed", canon({**change, "control": "grant", "object": []})),
        ("control.confirmed", canon({**change, "control": "grant", "object": {"verbs": 5}})),
        ("control.confirmed", canon({**change, "control": "no such thing", "object": {}})),
        ("control.confirmed", canon({**change, "control": {}, "object": {}})),
        ("control.confirmed", canon({**change, "control": "redaction", "object": {"runs": 5}})),
        ("control.confirmed", canon({**change, "control": "redaction", "object": None})),
        ("control.confirmed", canon({**change, "control": "key", "object": {}, "statement": "!", "sigs": [{}]})),
        ("person.closed", canon({"subject": [], "ended": [], "accounts": [], "sources": []})),
        ("version.accepted", canon({"procedure": {}})),
    ]


def test_none_of_them_changes_authority_or_stops_a_run(log: Log) -> None:
    before = replay()
    ids = [added(kind, body) for kind, body in formless_bodies()]
    after = replay()
    assert after.grants == before.grants
    assert after.keys == before.keys
    assert after.asserted.keys() >= before.asserted.keys()
    for name in ("environments", "production", "profile", "runners", "duties", "keyed", "stops", "owners"):
        assert getattr(after, name) == getattr(before, name), name
    assert sum(id in after.asserted for id in ids) > 10
    assert replay(authority_facts()).grants == before.grants
    log.sequence()
    assert not Outbox.objects.exists(), "the sequencer goes on"
    assert Word(now()).why_not(log.run.pk, uuid7()) == "no change of that number purges runs"
    assert Erasing().round(at=now() + timedelta(days=1))["purged"] == 0
    run = log.world.ask(log.run.requester)
    drive(run.id)
    run.refresh_from_db()
    assert run.state == "succeeded"


def test_a_true_signature_beside_nonsense_brings_nothing_back_and_stops_nothing(world: World) -> None:
    world.accepted()
    quinn = world.person("quinn", key=True)
    grant = world.may(quinn, "run", procedure="hello")
    world.propose("grant_end", {"grant": str(grant.pk), "reason": "over"})
    assert str(grant.pk) not in replay().grants or not replay().grants[str(grant.pk)].get("stands")
    body = json.loads(bytes(Event.objects.get(pk=grant.event).body))
    before = replay()
    nonsense = ({"sigs": [*body.get("sigs", []), {}]}, {"object": 5}, {"sigs": 7}, {"control": None}, {"change": []})
    for more, at in [*((one, moment(now())) for one in nonsense), ({}, 5), ({}, "then"), ({}, None), ({}, [])]:
        header = canon({"at": at, "b": "", "id": str(uuid7()), "k": "control.confirmed", "v": 1})
        id = added("control.confirmed", canon({**body, **more}), header=header)
        assert replay().asserted[id]
        assert replay().grants == before.grants


def test_what_somebody_signed_is_never_passed_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An honest change that cannot be judged stops everything: it might take something away."""
    world.accepted()
    quinn = world.person("quinn", key=True)
    grant = world.may(quinn, "run", procedure="hello")
    monkeypatch.setattr("procedures.issuer.replay.apply", _broken)
    with pytest.raises(KeyError):
        replay(authority_facts())
    assert Event.objects.filter(pk=grant.event).exists()


def _broken(*_: Any, **__: Any) -> None:
    raise KeyError("a defect of ours")


ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_whatever_the_values_are_replay_ends_and_nothing_is_granted(world: World) -> None:
    world.accepted()
    before = replay()
    as_committed()

    @settings(max_examples=150)
    @given(st.sampled_from(sorted(AUTHORITY)), st.data())
    def tried(kind: str, data: st.DataObject) -> None:
        names = (*KINDS.get(kind, ()), "sigs", "statement", "owner")
        whole = data.draw(st.booleans())  # with everything that such an event must say, or with some of it
        needed = dict.fromkeys(KINDS.get(kind, ()), ANY) if whole else {}
        said = data.draw(st.fixed_dictionaries(needed, optional=dict.fromkeys(set(names) - set(needed), ANY)))
        if isinstance(said.get("statement"), str):
            said["statement"] = base64.b64encode(said["statement"].encode()).decode()
        Event.objects.create(id=uuid7(), kind=kind, at=now(), header=_header(kind), body=json.dumps(said).encode())
        found = replay()
        assert found.grants == before.grants
        assert found.keys == before.keys

    tried()


@pytest.mark.parametrize("grants", [5, None, {}, [5], [[]], [{}]])
def test_what_opens_a_campaign_that_there_is_may_list_anything(grants: object) -> None:
    said = dict.fromkeys(KINDS["campaign.opened"], "x") | {"campaign": "c", "grants": grants}
    row = {"digest": "d", "set": {"one"}, "kept": set(), "due_at": "2999", "lapsed": False}
    fact = Fact("e", "campaign.opened", "", said, None, [], None, moment(now()), 1)
    found = folded(Authority(campaigns={"c": dict(row)}), [fact])
    assert found.asserted.get("e") or found.campaigns["c"]["set"] == {"one"}


def _header(kind: str) -> bytes:
    return canon({"at": moment(now()), "b": "", "id": str(uuid7()), "k": kind, "v": 1})
