"""The sandbox that a run had stands in the log and in every pack, as the runner's own word (H42)."""

from __future__ import annotations

import io
import zipfile

import pytest

from procedures.evidence import verify
from procedures.models import Runner
from procedures.runner.drive import drive
from procedures.sandbox import probe
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
    assert b'"facts":{"sandbox":"C","sandbox_reported_by":"runner"}' in told, "the task"
