"""Whose word an ending is: the portal ends what it ends badly by itself; that a run succeeded, its runner signs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from procedures.domain.clock import now
from procedures.domain.states import RunState
from procedures.evidence import verify
from procedures.runner.drive import drive
from procedures.services import sweeping
from procedures.services.run_states import end, move
from tests.engine.test_ends_alone import GATE, standing
from tests.evidence.conftest import Log
from tests.factories.transitions import unevidenced

pytestmark = pytest.mark.ordinary


def test_a_gate_that_nobody_answered_is_told_whole_and_asserts_nothing(log: Log) -> None:
    _, run = standing(log.world, GATE)
    sweeping.sweep(at=now() + timedelta(hours=2))
    found = verify.verify(log.pack(), log.key)
    assert (found["verdict"], found["asserted"]) == ("SIGNED", [])
    run.refresh_from_db()
    assert run.state == "timed_out"


def test_a_success_that_no_runner_signed_is_the_platform_s_word_alone(log: Log) -> None:
    """Whoever has the database ends a run well, with an event in the same transaction."""
    run = log.world.ask(log.run.requester)
    with unevidenced(), transaction.atomic():
        move(run, RunState.RUNNING, at=now(), who="an attacker")
        end(run, RunState.SUCCEEDED, at=now(), actor=None, who="an attacker")
    drive(run.pk)
    found = verify.verify(log.pack(), log.key)
    assert [(row["control"], row["why"]) for row in found["asserted"]] == [
        ("runner", "said to have succeeded, and no runner signed that")
    ]
