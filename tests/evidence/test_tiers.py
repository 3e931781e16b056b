"""The sandbox that a run had stands in the log and in every pack, as the runner's own word (H42)."""

from __future__ import annotations

import io
import zipfile

import pytest

from procedures.evidence import verify
from procedures.models import Environment, Runner
from procedures.runner.drive import drive
from procedures.sandbox import probe
from procedures.services import fitness
from tests.evidence.conftest import Log

pytestmark = pytest.mark.ordinary


def test_a_pack_says_which_tier_a_run_was_claimed_by_and_which_each_local_task_had(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole run in tier C: what it does is the same, and what it ran in is told by the runner that claimed it."""
    Runner.objects.update(tier="C")
    monkeypatch.setattr(probe, "in_use", lambda: "C")
    quinn = log.run.requester
    run = log.world.ask(quinn, parameters={"name": "Ada"})
    drive(run.id)
    run.refresh_from_db()
    assert (run.state, run.output["values"]) == ("succeeded", {"greeting": "Hello, Ada!"})
    pack = log.pack()
    verify.verify(pack, log.key)
    with zipfile.ZipFile(io.BytesIO(pack)) as members:
        told = b"".join(members.read(name) for name in members.namelist())
    assert b'"tier":"C"' in told, "the runner of the claim"
    assert b'"sandbox":"C","sandbox_reported_by":"runner"' in told, "the task"


@pytest.mark.parametrize(
    ("tier", "asked", "fine"), [("C", "C", True), ("B", "C", True), ("C", "B", False), ("D", "C", False)]
)
def test_a_pack_fails_where_a_run_was_claimed_with_a_weaker_sandbox_than_was_asked_for(
    log: Log, monkeypatch: pytest.MonkeyPatch, tier: str, asked: str, fine: bool
) -> None:
    """The claim's own look at the tier is left out, as whoever rewrites the software, or the events, would."""
    monkeypatch.setattr(fitness, "unfit", lambda *_: "")
    monkeypatch.setattr(probe, "in_use", lambda: "C")
    Environment.objects.update(tier=asked)
    Runner.objects.update(tier=tier)
    run = log.world.ask(log.run.requester)
    drive(run.id)
    pack = log.pack(careless=not fine)
    if fine:
        verify.verify(pack, log.key)
        return
    with pytest.raises(verify.Failed, match="weaker sandbox than was asked for"):
        verify.verify(pack, log.key)
