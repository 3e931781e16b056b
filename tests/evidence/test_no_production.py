"""A portal without production: access to everywhere weighs what it reaches, and reaches none that comes later."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from procedures.domain import controls as rules
from procedures.domain.canonical import canon, moment
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.evidence import verify
from procedures.issuer.replay import replay
from procedures.models import Grant, Person
from procedures.services import controls
from procedures.services.install import ENVIRONMENTS
from tests.evidence.conftest import Log, ended
from tests.evidence.test_asserted import signed_by, written
from tests.fixtures.settled import Settled

pytestmark = pytest.mark.once


def place(name: str, **changed: Any) -> dict[str, Any]:
    return {**next(row for row in ENVIRONMENTS if row["name"] == name), **changed}


@pytest.fixture
def small(db: None, settled: Settled, tmp_path: Path) -> Log:
    return settled(shop, tmp_path)


def shop(tmp_path: Path) -> Log:
    """No environment is production, and none asks for more than a session."""
    log = ended(tmp_path)
    log.world.manager()
    log.world.person("tina", key=True)
    log.world.confirmed("environment", place("production", production=False, min_strength="session"))
    log.world.confirmed("environment", place("staging", min_strength="session"))
    return log


def wanted(person: Person, *verbs: str) -> dict[str, Any]:
    return {
        "principal": f"person:{person.subject}",
        "verbs": list(verbs),
        "environments": [],
        "not_before": moment(now()),
        "expires_at": moment(now() + timedelta(days=1)),
        "reason": "a small shop",
    }


def unsigned(log: Log, person: Person, *verbs: str) -> Grant:
    change = controls.propose(
        actor=log.world.mira, control="grant", object=wanted(person, *verbs), signature=None, at=now()
    )
    assert (change.state, change.production) == ("confirmed", False)
    return Grant.objects.get(pk=change.pk)


def test_access_to_everywhere_weighs_production_only_where_there_is_some() -> None:
    for named, production, weighs in (([], [], False), ([], ["p"], True), (["d"], ["p"], False), (["p"], ["p"], True)):
        assert rules.touches_production("grant", {"environments": named}, production) is weighs


def test_a_session_gives_access_to_everywhere_and_the_issuer_and_packs_take_it_as_it_is(small: Log) -> None:
    grant = unsigned(small, Person.objects.get(username="tina"), "run")
    assert replay().grants[str(grant.pk)]["stands"]
    assert verify.verify(small.pack(), small.key)["asserted"] == []


def test_the_first_production_waits_until_such_access_was_given_anew(small: Log) -> None:
    world, tina = small.world, Person.objects.get(username="tina")
    grant = unsigned(small, tina, "run")
    with pytest.raises(InvalidInput, match="1 grants for every environment were given unsigned"):
        world.propose("environment", place("production"))
    world.propose("grant_end", {"grant": str(grant.pk), "reason": "anew"})
    world.may(tina, "run")
    assert world.confirmed("environment", place("production")).state == "confirmed"


def test_production_that_came_by_sql_is_not_reached_by_what_nobody_signed(small: Log) -> None:
    """Tina manages everywhere by Mira's session. Two true signatures on production pass the door by; then hers."""
    world = small.world
    tina, nora = (Person.objects.get(username=name) for name in ("tina", "nora"))
    grant = unsigned(small, tina, "manage_access")
    object = place("production")
    statement = canon(controls.statement_for(actor=world.mira, control="environment", object=object))
    both = tuple(signed_by(world, who, statement) for who in (world.mira, nora))
    written("environment", object, statement, both)
    mine = wanted(world.person("max"), "run") | {"environments": ["production"]}
    statement = canon(controls.statement_for(actor=tina, control="grant", object=mine))
    change = written("grant", mine, statement, (signed_by(world, tina, statement),))
    authority = replay()
    assert authority.grants[str(grant.pk)]["stands"]
    assert authority.production == {"production"}
    assert not authority.grants[change]["stands"]
    assert [row["control"] for row in verify.verify(small.pack(), small.key)["asserted"]] == ["grant"]
