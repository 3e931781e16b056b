"""H1 from the place of a database administrator with a true signature: of somebody who may not decide this."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from procedures.domain.canonical import canon, moment
from procedures.domain.clock import now
from procedures.evidence import verify
from procedures.issuer.replay import replay
from procedures.models import Person
from procedures.services import controls
from tests.evidence.conftest import Log
from tests.evidence.test_asserted import signed_by, written

pytestmark = pytest.mark.once


def former(log: Log) -> Person:
    nora = log.world.person("nora", key=True)
    log.world.may(nora, "manage_access", expires_at=moment(now() + timedelta(milliseconds=2)))
    return nora


def of_one_procedure(log: Log) -> Person:
    nora = log.world.person("nora", key=True)
    log.world.may(nora, "manage_access", procedure="hello")
    return nora


def owner_of_what_gains(log: Log) -> Person:
    return log.world.mira


@pytest.mark.parametrize("who", [former, of_one_procedure, owner_of_what_gains], ids=lambda one: one.__name__)
def test_a_true_signature_of_somebody_who_may_not_decide_gives_nothing(
    log: Log, who: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    signer = who(log)
    mira = log.world.mira
    robot = log.world.account(mira, by=log.world.manager("vera"))
    object = {
        "principal": f"person:{robot.subject}",
        "verbs": ["run"],
        "environments": ["production"],
        "not_before": moment(now()),
        "expires_at": moment(now() + timedelta(days=30)),
        "reason": "mine",
    }
    statement = canon(controls.statement_for(actor=signer, control="grant", object=object))
    if who is former:  # dated back to when she was one
        monkeypatch.setattr("tests.evidence.test_asserted.now", lambda: now() - timedelta(minutes=1))
    change = written("grant", object, statement, (signed_by(log.world, signer, statement),))
    assert not replay().grants[change]["stands"]
    assert [row["control"] for row in verify.verify(log.pack(), log.key)["asserted"]] == ["grant"]


def test_a_grant_beyond_the_terms_stands_only_by_the_platforms_word(log: Log) -> None:
    """Mira's true signature, over a grant that no door would have let her propose."""
    tina = log.world.person("tina")
    log.world.confirmed("terms", {"days": 30, "production_run_days": 7, "break_glass_days": 1})
    begins = now()
    for days, stands in ((7, True), (8, False)):
        object = {
            "principal": f"person:{tina.subject}",
            "verbs": ["run"],
            "environments": ["production"],
            "not_before": moment(begins),
            "expires_at": moment(begins + timedelta(days=days)),
            "reason": "needed",
        }
        statement = canon(controls.statement_for(actor=log.world.mira, control="grant", object=object))
        change = written("grant", object, statement, (signed_by(log.world, log.world.mira, statement),))
        assert replay().grants[change]["stands"] is stands
    assert [row["control"] for row in verify.verify(log.pack(), log.key)["asserted"]] == ["grant"]
