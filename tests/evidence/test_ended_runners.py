"""A runner that was ended: what it signed before stays proven, and what appears after its end is told by every pack."""

from __future__ import annotations

import pytest

from procedures.evidence import verify
from procedures.models import Runner
from procedures.runner.drive import drive
from tests.evidence.conftest import Log

pytestmark = pytest.mark.ordinary


def ended(log: Log) -> None:
    row = Runner.objects.get(disposable=False)
    log.world.propose("runner_end", {"runner": str(row.pk), "reason": "stolen"})


def test_what_a_runner_signed_before_its_end_stays_proven(log: Log) -> None:
    ended(log)
    found = verify.verify(log.pack(), log.key)
    assert (found["verdict"], found["asserted"]) == ("SIGNED", [])


def test_what_an_ended_runner_signs_by_way_of_the_database_is_asserted_by_the_platform(log: Log) -> None:
    """Whoever has the runner and the database lets it live on in the table: the run needs no credential, so it ends."""
    ended(log)
    Runner.objects.update(ended_at=None)
    run = log.world.ask(log.run.requester)
    drive(run.pk)
    run.refresh_from_db()
    assert run.state == "succeeded"
    found = verify.verify(log.pack(), log.key)
    assert {(row["control"], row["why"]) for row in found["asserted"]} == {
        ("runner", "a statement by a runner that had been ended")
    }
