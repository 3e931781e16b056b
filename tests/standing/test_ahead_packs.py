"""Statements of something else, uses of other bytes, and what was taken back: no credential, and no pack (H24)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from procedures.domain.clock import now
from procedures.evidence import verify
from procedures.evidence.notes import load_key
from procedures.evidence.sequence import Sequencer
from procedures.issuer.refusals import LeaseRefused
from procedures.models import Environment, PreApproval, Standing
from procedures.runner.drive import drive
from procedures.services import giving_ahead, standing_states
from tests.evidence.conftest import Log
from tests.factories import ahead
from tests.factories.ahead_forged import let_go, no_triggers, packed, written
from tests.standing.conftest import Ready, fired, lent, said

pytestmark = pytest.mark.ordinary


OTHER = "0190a0a0-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("forged", "why", "pack"),
    [
        ({"schedule": "other"}, "another schedule", "for another schedule"),
        ({"change": OTHER}, "another setting", "for another schedule"),
        ({"account": OTHER}, "another version, place or account", "another version, place or account"),
        ({"parameters": {"name": "Eve"}}, "other parameters", "is not the one that was signed"),
        ({"plan": "sha256:" + "1" * 64}, "another plan", "is not the one that was signed"),
        ({"targets": ["web-9"]}, "", "is not the one that was signed"),
        ({"not_after": "2026-01-01T00:00:00.000000Z"}, "it ended at", "its time had ended"),
        ({"not_after": "2099-01-01T00:00:00.000000Z"}, "for too long", ""),
        ({"runs": 0}, "for no number of runs", "used more often"),
        ({"runs": "9"}, "for no number of runs", "used more often"),
        ({"type": "opsportal/approval/v1"}, "about something else", "about another approval"),
    ],
)
def test_a_statement_of_something_else_gives_none(
    ready: Ready, forged: dict[str, Any], why: str, pack: str, tmp_path: Path
) -> None:
    """A bearer of Sam's key signs what no door offers; whoever writes to the log makes the rest fit."""
    row = ready.settled()
    one = written(ready, ready.sam, row, **forged)
    run = fired(row)
    run = run if run.state == "queued" else let_go(run, one)
    if why:
        with pytest.raises(LeaseRefused, match=why):
            lent(run)
    if pack:
        with pytest.raises(verify.Failed, match=pack):
            packed(ready, run, tmp_path)
    else:
        assert "approval ahead" in [row["control"] for row in packed(ready, run, tmp_path)["asserted"]]


def test_it_lets_no_run_of_another_schedule_go(ready: Ready, tmp_path: Path) -> None:
    row = ready.settled(when={"cron": "0 0 1 1 *", "zone": "UTC"})
    one = ahead.given(ready.world, ready.sam)
    other = ready.settled(name="other")
    run = fired(other)
    assert run.state == "awaiting_approval"
    with pytest.raises(LeaseRefused, match="another schedule"):
        lent(let_go(run, one))
    with pytest.raises(verify.Failed, match="for another schedule"):
        packed(ready, run, tmp_path)
    assert row.pre_approvals.count() == 1


def test_a_run_that_no_schedule_asked_for_leans_on_none(ready: Ready) -> None:
    ready.settled()
    one = ahead.given(ready.world, ready.sam)
    ready.world.may(ready.plant.robot, "run", procedure="hello", environments=["staging"])
    run = ready.world.ask(ready.plant.robot, environment="staging", parameters={"name": "world"})
    with pytest.raises(LeaseRefused, match="another schedule"):
        lent(let_go(run, one))


@pytest.mark.parametrize("what", ["taken back", "paused", "set anew"])
def test_what_had_been_taken_back_before_it_began_gives_none(ready: Ready, what: str, tmp_path: Path) -> None:
    """Whatever the tables say: the log tells of it."""
    row = ready.settled()
    one = ahead.given(ready.world, ready.sam)
    run = fired(row)
    if what == "taken back":
        giving_ahead.take_back(actor=ready.sam, name="nightly", pre_approval=one.pk, reason="no", at=now())
    elif what == "paused":
        standing_states.pause(actor=ready.plant.olga, kind="schedule", name="nightly", reason="x", at=now())
    else:
        ready.settled(late="run_once")
    with pytest.raises(LeaseRefused, match=r"had been taken back|was paused|had been set anew"):
        lent(run)
    with no_triggers():
        PreApproval.objects.update(taken_back_at=None, taken_back_by=None, change=Standing.objects.get().change)
        Standing.objects.update(paused_at=None)
    drive(run.id)
    assert said("run.claimed"), "the tables alone let it begin"
    with pytest.raises(LeaseRefused, match=r"had been taken back|was paused|had been set anew"):
        lent(run)
    with pytest.raises(verify.Failed, match="claimed without the approvals"):
        packed(ready, run, tmp_path)


def test_what_has_begun_goes_on_though_it_is_taken_back(ready: Ready, tmp_path: Path) -> None:
    row = ready.settled()
    one = ahead.given(ready.world, ready.sam)
    run = fired(row)
    drive(run.id)
    giving_ahead.take_back(actor=ready.sam, name="nightly", pre_approval=one.pk, reason="no", at=now())
    assert lent(run) == (str(ready.sam.subject),)
    assert packed(ready, run, tmp_path)["asserted"] == []


def test_rules_that_nobody_signed_let_none_be_given(ready: Ready) -> None:
    row = ready.settled()
    ready.world.confirmed("environment", {k: v for k, v in ahead.rules().items() if k != "ahead_up_to"})
    Environment.objects.filter(pk="staging").update(ahead_up_to="moderate")
    ahead.given(ready.world, ready.sam)
    run = fired(row)
    assert run.state == "queued"
    with pytest.raises(LeaseRefused, match="let none be given ahead"):
        lent(run)


# What an honest pack says.


def test_a_pack_proves_it_by_the_very_plan_and_says_how_often_it_was_used(ready: Ready, tmp_path: Path) -> None:
    row = ready.settled()
    ahead.given(ready.world, ready.sam, count=5)
    for _ in range(2):
        run = fired(row)
        drive(run.id)
    log = Log(ready.world, Sequencer(load_key(tmp_path / "log.key", "test/log"), tmp_path / "log.published"), run)
    for wanted in ({}, {"run": str(run.pk)}):
        pack = log.pack(**wanted)
        found = verify.verify(pack, log.key)
        assert (found["verdict"], found["asserted"]) == ("SIGNED", [])
        [_, told] = verify.unzip(pack)["reports/approved_ahead.csv"].decode().splitlines()
        assert told.split(",")[2:8] == [str(ready.sam.subject), "nightly", "staging", run.digest, "5", "2"]
        assert b"APPROVED AHEAD" in verify.told(found).encode()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"own": {"run": OTHER, "no": 1, "requester": OTHER}}, "names another run than its own"),
        ({"own": {"digest": "sha256:0"}}, "lacks what its kind must say"),
        ({"plan_digest": "sha256:" + "2" * 64}, "is another plan"),
    ],
)
def test_a_use_that_covers_other_bytes_fails_the_pack(
    ready: Ready, change: dict[str, Any], why: str, tmp_path: Path
) -> None:
    row = ready.settled()
    run = fired(row)
    good = ahead.given(ready.world, ready.sam)
    with pytest.raises(verify.Failed, match=why):
        packed(ready, let_go(run, good, **change), tmp_path)
