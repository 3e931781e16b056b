"""H1 from the place of a database administrator: each kind of control object, written with its event, gives nothing.

Three forgeries of each: without a signature; signed by the one who gains; with a true signature moved from elsewhere.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from procedures.domain.campaigns import set_digest
from procedures.domain.canonical import canon, moment, sha256_hex
from procedures.domain.clock import now
from procedures.domain.controls import CONTROLS, Authority
from procedures.domain.ids import uuid7
from procedures.evidence import verify
from procedures.evidence.models import Event, Outbox
from procedures.issuer.confirmed import judge_secret
from procedures.issuer.judgement import judge_binding, judge_target
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.models import Person
from procedures.services import controls
from tests.evidence.conftest import Log
from tests.factories import erasing, standing, workloads
from tests.factories.portal import World

EVER = "2099-01-01T00:00:00.000000Z"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0o4Z0a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6q7r8s"


def objects(intruder: Person, world: World) -> dict[str, dict[str, Any]]:
    """What an intruder would want of each control, for themselves."""
    subject = str(intruder.subject)
    grant = next(iter(replay().grants))
    mira_key = next(k for k, row in replay().keys.items() if row["subject"] == str(world.mira.subject))
    return {
        "grant": {
            "principal": f"person:{subject}",
            "verbs": ["run", "approve"],
            "environments": ["production"],
            "not_before": moment(now()),
            "expires_at": EVER,
            "reason": "needed",
        },
        "grant_end": {"grant": grant, "reason": "away with it"},
        "stop_lift": {"stop": str(uuid7()), "reason": "nothing is wrong"},
        "membership": {"person": subject, "group": "security", "action": "add"},
        "duty": {"principal": f"person:{subject}", "duty": "security", "action": "add"},
        "environment": {
            "name": "production",
            "title": "P",
            "position": 3,
            "production": False,
            "drafts": True,
            "approvals": {},
            "min_strength": "session",
            "approval_expiry_s": 3600,
            "reason_required": False,
        },
        "binding": {
            "environment": "production",
            "name": "deploy",
            "provider": "ssh-certificate",
            "role": "root",
            "ceiling": {},
            "max_ttl_s": 86_400,
            "reach": {},
        },
        "target": {
            "environment": "production",
            "name": "evil-01",
            "address": "192.0.2.66",
            "port": 22,
            "host_key": KEY,
            "trust": "key",
            "tags": {},
            "attributes": {},
            "action": "set",
        },
        "inventory": {"name": "evil", "environment": "production", "kind": "yaml", "settings": {"file": "evil"}}
        | {"trust": "key", "every_s": 60, "takes": False, "action": "set"},
        "secret": {
            "environment": "production",
            "name": "deploy-key",
            "pool_key_id": "x",
            "ciphertext": base64.b64encode(b"sealed by the intruder").decode(),
            "fingerprint": "0" * 64,
        },
        "profile": {"profile": "pair"},
        "campaign": {
            "campaign": str(uuid7()),
            "name": "all",
            "select": {},
            "grants": set_digest([grant]),
            "count": 1,
            "due_at": moment(now()),
            "reviewers": [subject],
            "undecided": "lapses",
        },
        "campaign_keep": {"campaign": str(uuid7()), "grants": [grant], "reason": "mine"},
        "key": {"subject": str(world.mira.subject), "public": KEY, "fingerprint": "SHA256:intruder"},
        "key_end": {"fingerprint": mira_key, "reason": "lost"},
        "runner": {"runner": str(uuid7()), "name": "evil", "public": "A" * 43 + "=", "environments": ["production"]},
        "runner_end": {"runner": next(iter(replay().runners)), "reason": "lost"},
        **erasing.objects(subject),
        "identity_provider": {
            "name": "evil",
            "title": "Evil",
            "protocol": "oidc",
            "settings": {
                "issuer": "https://evil.example.com",
                "client_id": "x",
                "authorization_endpoint": "https://evil.example.com/a",
                "token_endpoint": "https://evil.example.com/t",
                "jwks_uri": "https://evil.example.com/k",
            },
            "groups": {"all": "security"},
            "authority": True,
            "provision": True,
            "action": "set",
        },
        "local_sign_in": {"local": "on"},
        "action": {"id": "evil:act", "mark": "evil:1.0:" + "0" * 64, "action": "set"},
        "policy": {
            "name": "blast-radius",
            "source": "package p\n\ndeny contains 1 if false\n",
            "settings": {},
            "mode": "on",
            "stages": ["plan"],
        },
        "agent": {
            "agent": str(uuid7()),
            "username": "evil-bot",
            "name": "Evil bot",
            "owner": subject,
            "runs_an_hour": 1000,
        },
        "service_account": {"account": str(uuid7()), "username": "evil", "name": "Evil", "owner": subject},
        "labels": {"procedure": "hello", "labels": ["everywhere"]},
        "space": {
            "name": "mine",
            "title": "Mine",
            "leads": [f"person:{subject}"],
            "procedures": ["hello"],
            "environments": ["production"],
            "verbs": ["run", "approve"],
            "days": 365,
            "risk": "high",
            "action": "set",
        },
        **workloads.wanted(subject),
        **standing.wanted(subject),
        "terms": {"days": 3650, "production_run_days": 3650, "break_glass_days": 3650},
        "source": {
            "name": "evil",
            "url": "https://git.example.com/evil.git",
            "branch": "main",
            "path": "",
            "owner": subject,
            "group": "",
            "action": "set",
        },
    }


def written(control: str, object: dict[str, Any], statement: bytes = b"", signatures: tuple[Any, ...] = ()) -> str:
    """Exactly what SQL could write: the event with its header and its outbox row; its change's id."""
    change = str(uuid7())
    body: dict[str, Any] = {
        "salt": "x",
        "control": control,
        "change": change,
        "object": object,
        "production": True,
        "profile": "team",
        "gains": [],
    }
    if statement:
        body |= {"statement": base64.b64encode(statement).decode(), "sigs": list(signatures)}
    event_written("control.confirmed", body)
    return change


def event_written(kind: str, facts: dict[str, Any]) -> None:
    event, data = uuid7(), canon({"salt": "x", **facts})
    header = canon({"at": moment(now()), "b": sha256_hex(data), "id": str(event), "k": kind, "v": 1})
    Outbox.objects.create(event=Event.objects.create(id=event, kind=kind, at=now(), header=header, body=data))


def signed_by(world: World, person: Person, statement: bytes) -> dict[str, Any]:
    given = world.signed(person.username, statement)
    return {
        "by": str(person.subject),
        "strength": "signed",
        "method": "ssh",
        "role": "proposer",
        "sig": given["signature"],
    }


def unsigned(world: World, intruder: Person, control: str, object: dict[str, Any]) -> tuple[bytes, tuple[Any, ...]]:
    return b"", ()


def by_the_one_who_gains(
    world: World, intruder: Person, control: str, object: dict[str, Any]
) -> tuple[bytes, tuple[Any, ...]]:
    value = {"type": "opsportal/control/v1", "control": control, "object": object, "proposer": str(intruder.subject)}
    statement = canon({**value, "nonce": "n" * 22, "portal": "http://localhost:8000"})
    return statement, (signed_by(world, intruder, statement),)


def moved_from_elsewhere(
    world: World, intruder: Person, control: str, object: dict[str, Any]
) -> tuple[bytes, tuple[Any, ...]]:
    """Mira's true signature over a harmless statement, with her name on two rows."""
    statement = canon(
        controls.statement_for(actor=world.mira, control="grant_end", object={"grant": str(uuid7()), "reason": "old"})
    )
    row = signed_by(world, world.mira, statement)
    return statement, (row, {**row, "role": "confirmer"})


FORGERIES: tuple[Callable[..., tuple[bytes, tuple[Any, ...]]], ...] = (
    unsigned,
    by_the_one_who_gains,
    moved_from_elsewhere,
)


def shape(authority: Authority) -> Any:
    """What stands in an authority: everything that could let somebody do something."""
    live = {name: g for name, g in authority.grants.items() if g["stands"]}
    tables = (authority.bindings, authority.targets, authority.secrets, authority.runners, authority.standing)
    tables += (authority.actions, authority.policies, authority.agents, authority.accounts, authority.workloads)
    return (
        authority.profile,
        sorted((name, sorted(row["kept"])) for name, row in authority.campaigns.items()),
        sorted(authority.production),
        json.dumps(authority.environments, sort_keys=True),
        sorted(authority.keys),
        sorted(live),
        {name: sorted(row) for name, row in (*authority.members.items(), *authority.labels.items())},
        authority.terms,
        authority.spaces,
        {name: sorted(row) for name, row in authority.duties.items()},
        [sorted(str(key) for key, row in table.items() if row["stands"]) for table in tables],
        sorted(authority.providers),
    )


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_object_written_by_sql_gives_nothing_and_every_pack_says_so(
    log: Log, control: str, forge: Callable[..., tuple[bytes, tuple[Any, ...]]]
) -> None:
    intruder = log.world.person("max", key=True)
    before, object = shape(replay()), objects(intruder, log.world)[control]
    statement, signatures = forge(log.world, intruder, control, object)
    written(control, object, statement, signatures)
    after = replay()
    assert shape(after) == before, f"a forged {control} had an effect"
    assert len(after.asserted) == 1
    found = verify.verify(log.pack(), log.key)
    assert [row["control"] for row in found["asserted"]] == [control]


def test_what_is_only_asserted_is_lent_nothing(log: Log) -> None:
    intruder = log.world.person("max", key=True)
    wanted = objects(intruder, log.world)
    for control in ("binding", "target", "secret"):
        written(control, wanted[control])
    authority = replay()
    binding: Any = type("Row", (), {**wanted["binding"], "digest": "d"})()
    with pytest.raises(LeaseRefused, match="asserted by the platform"):
        judge_binding(authority, binding, {"binding": "d"})
    target: Any = type("Row", (), {**wanted["target"], "host_key_sha256": "h"})()
    with pytest.raises(LeaseRefused, match="asserted by the platform"):
        judge_target(authority, target, {"host_key": "h"})
    with pytest.raises(LeaseRefused, match="asserted by the platform"):
        judge_secret(authority, "production", "deploy-key", b"sealed by the intruder", value=bytes)


def test_a_membership_by_the_word_of_a_forged_provider_counts_for_nothing_in_production(log: Log) -> None:
    """The provider, its authority and what it says, all three by SQL."""
    intruder = log.world.person("max", key=True)
    before = shape(replay())
    written("identity_provider", objects(intruder, log.world)["identity_provider"])
    facts = {"provider": "evil", "subject": str(intruder.subject), "group": "security", "action": "add"}
    event_written("membership.synced", {**facts, "authority": True})
    assert shape(replay()) == before
    assert replay().claimants("group:security", production=True) == set()
    found = verify.verify(log.pack(), log.key)
    assert [row["control"] for row in found["asserted"]] == ["identity_provider"]
    assert found["providers"] == {"evil": {"authority": [], "outside": 1}}
