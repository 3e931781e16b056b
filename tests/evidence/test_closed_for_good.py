"""A closing that SQL wrote: the platform's word, which takes away and can give nothing back; and packs say so."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from procedures.domain.canonical import canon, moment
from procedures.domain.clock import now
from procedures.evidence import verify
from procedures.issuer.replay import replay
from procedures.models import Person
from procedures.services import controls, leavers
from tests.evidence.conftest import Log
from tests.evidence.test_asserted import event_written, shape, signed_by, written

pytestmark = pytest.mark.once


def wanted(person: Person) -> dict[str, Any]:
    return {
        "principal": f"person:{person.subject}",
        "verbs": ["run"],
        "environments": ["production"],
        "not_before": moment(now()),
        "expires_at": moment(now() + timedelta(days=1)),
        "reason": "they are back",
    }


def close_by_sql(person: Person) -> None:
    facts = {"subject": str(person.subject), "ended": {}, "accounts": [], "sources": []}
    event_written("person.closed", facts)


def test_a_forged_closing_takes_away_alone_and_is_named_in_every_pack(log: Log) -> None:
    quinn = Person.objects.get(username="quinn")
    before = shape(replay())
    close_by_sql(quinn)
    after = shape(replay())
    assert after[5] != before[5], "quinn's grant is gone"
    assert [one for one in after[5] if one not in before[5]] == []
    assert [a for i, a in enumerate(after) if i != 5] == [b for i, b in enumerate(before) if i != 5]
    found = verify.verify(log.pack(), log.key)
    assert [row["subject"] for row in found["closed"]] == [str(quinn.subject)]
    assert not found["asserted"]
    line = f"ASSERTED BY PLATFORM: leaf {found['closed'][0]['index']}, person.closed: nobody signs it"
    assert line in verify.told(found)


def test_nothing_that_sql_or_a_manager_writes_opens_a_closed_account_again(log: Log) -> None:
    world = log.world
    quinn, nora = Person.objects.get(username="quinn"), world.manager()
    leavers.close_person(actor=world.mira, person=quinn.subject, at=now())
    Person.objects.filter(pk=quinn.pk).update(is_active=True)
    for kind in ("person.made", "person.opened", "account.given"):
        event_written(kind, {"subject": str(quinn.subject), "kind": "person", "owner": ""})
    object = wanted(quinn)
    statement = canon(controls.statement_for(actor=world.mira, control="grant", object=object))
    change = written("grant", object, statement, tuple(signed_by(world, who, statement) for who in (world.mira, nora)))
    authority = replay()
    assert authority.grants[change]["stands"], "both managers signed it; and yet"
    assert authority.claimants(object["principal"], production=True) == set()
    assert verify.verify(log.pack(), log.key)["closed"]


def test_the_word_of_a_provider_that_is_an_authority_brings_nobody_back(log: Log) -> None:
    world = log.world
    quinn = Person.objects.get(username="quinn")
    settings = {
        "issuer": "https://id.example.com",
        "client_id": "x",
        "authorization_endpoint": "https://id.example.com/a",
        "token_endpoint": "https://id.example.com/t",
        "jwks_uri": "https://id.example.com/k",
    }
    declared = {"name": "corp", "title": "Corp", "protocol": "oidc", "settings": settings, "provision": True}
    world.confirmed("identity_provider", {**declared, "groups": {"ops": "ops"}, "authority": True, "action": "set"})
    close_by_sql(quinn)
    facts = {"provider": "corp", "subject": str(quinn.subject), "group": "ops", "action": "add", "authority": True}
    event_written("membership.synced", facts)
    authority = replay()
    assert authority.claimants("group:ops", production=True) == set()
    assert authority.claimants("group:ops", production=False) == set()


def test_what_a_leaver_signs_after_the_closing_stands_for_nothing(log: Log) -> None:
    """Nora managed access; her key was kept, and the database is in her hands."""
    world = log.world
    nora, tina = world.manager(), world.person("tina")
    leavers.close_person(actor=world.mira, person=nora.subject, at=now())
    object = wanted(tina)
    statement = canon(controls.statement_for(actor=nora, control="grant", object=object))
    change = written("grant", object, statement, (signed_by(world, nora, statement),))
    assert not replay().grants[change]["stands"]
    assert [row["control"] for row in verify.verify(log.pack(), log.key)["asserted"]] == ["grant"]
