"""The check of evidence: each kind of damage, done by raw SQL behind every guard, is found and named."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connections, transaction

from opsportal import fsck
from procedures.answers.fsck import findings
from procedures.domain.clock import now
from procedures.evidence import check_runs
from procedures.evidence.findings import Finding
from procedures.evidence.models import LogCheck
from procedures.evidence.pulse import Silence, pulse
from procedures.evidence.record import record
from procedures.models import Notice
from procedures.runner.checking import PROGRAM, Checking
from procedures.services import log_checks
from tests.evidence.conftest import Log, ended
from tests.factories.damage import DAMAGE

ROOT = Path(__file__).resolve().parents[2]


def kinds() -> set[str]:
    return {one.kind for one in findings(now()) if one.kind != "key.unknown"}


@pytest.fixture
def whole(log: Log, tmp_path: Path, settings: Any) -> Log:
    settings.OPSPORTAL_PUBLIC_DIR = tmp_path / "public"
    settings.OPSPORTAL_PUBLIC_DIR.mkdir()
    (settings.OPSPORTAL_PUBLIC_DIR / "evidence.pub").write_text(log.key + "\n")
    log.sequence()
    return log


def test_an_honest_portal_has_nothing_to_find(whole: Log) -> None:
    assert list(findings(now())) == []
    assert fsck.checked(as_json=False, keep=False, say=lambda _: None) == 0


@pytest.mark.parametrize(("damage", "wanted"), DAMAGE, ids=[row[0].__name__ for row in DAMAGE])
def test_each_kind_of_damage_is_found_and_named(whole: Log, damage: Callable[[Log], None], wanted: set[str]) -> None:
    damage(whole)
    assert kinds() == wanted
    said: list[str] = []
    assert fsck.checked(as_json=True, keep=True, say=said.append) == 1
    told = json.loads(said[0])
    assert {one["kind"] for one in told["findings"]} == wanted
    assert LogCheck.objects.get().found == told["misfits"] > 0
    assert Notice.objects.filter(kind="log.damaged").exists()


def test_what_is_going_on_meanwhile_is_no_damage(
    fresh_database: None, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check reads one moment: the sequencer appends and publishes while leaves are read."""
    settings.OPSPORTAL_PUBLIC_DIR = tmp_path / "public"
    settings.OPSPORTAL_PUBLIC_DIR.mkdir()
    log = ended(tmp_path)
    (settings.OPSPORTAL_PUBLIC_DIR / "evidence.pub").write_text(log.key + "\n")
    log.sequencer.newest = settings.OPSPORTAL_PUBLIC_DIR / "checkpoint"
    log.sequence()
    found, began = [], threading.Event()

    def checked() -> None:
        rows = findings(now())
        found.extend(list(rows))
        connections.close_all()

    real = check_runs.Told.take

    def slow(self: check_runs.Told, leaf: check_runs.Stored) -> Iterator[Finding]:
        began.set()
        wait.wait(10)
        return real(self, leaf)

    wait = threading.Event()
    monkeypatch.setattr(check_runs.Told, "take", slow)
    thread = threading.Thread(target=checked)
    thread.start()
    assert began.wait(10)
    with transaction.atomic(durable=True):
        for _ in range(600):
            record("heartbeat", actor=None, at=now(), facts={})
    log.sequence()
    wait.set()
    thread.join(30)
    assert found == []


@pytest.mark.once
def test_the_check_holds_no_more_of_a_long_log_than_of_a_short_one(whole: Log) -> None:
    def peak() -> int:
        gc.collect()
        tracemalloc.start()
        assert list(findings(now())) == []
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    def grown(count: int) -> None:
        with transaction.atomic():
            for _ in range(count):
                record("heartbeat", actor=None, at=now(), facts={})
        whole.sequence()

    grown(1_000)
    peak()
    short = peak()
    grown(2_500)
    assert peak() < 1.3 * short


def test_silences_and_lag_are_told(whole: Log) -> None:
    start = now() - timedelta(hours=5)
    with transaction.atomic():
        for minutes in (0, 10, 20, 90, 100):
            record("heartbeat", actor=None, at=start + timedelta(minutes=minutes), facts={})
    found = pulse(start + timedelta(minutes=105))
    assert (found.beats, found.waiting) == (True, 5)
    assert found.lag_s == pytest.approx(105 * 60)
    assert found.silences == [Silence(start + timedelta(minutes=20), start + timedelta(minutes=90))]
    later = pulse(start + timedelta(minutes=112))
    assert (later.beats, later.silences[0]) == (False, Silence(start + timedelta(minutes=100), None))


def test_a_check_is_due_once_a_day_and_runs_as_a_process_that_gives_way(
    whole: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []

    class Child:
        pid, returncode = os.getpid(), None

        def poll(self) -> None:
            return None

        def terminate(self) -> None:
            started.append("ended")

        def wait(self, timeout: float) -> None: ...

    monkeypatch.setattr(subprocess, "Popen", lambda program, **_: started.append(program) or Child())  # type: ignore[func-returns-value]
    monkeypatch.setattr(os, "setpriority", lambda *words: started.append(words))
    early, checking = Checking(), Checking(first_after_s=0)
    early.nudge()
    assert started == [], "a portal that just started has other things to do"
    checking.nudge()
    checking.nudge()
    assert started == [PROGRAM, (os.PRIO_PROCESS, os.getpid(), 15)]
    checking.end()
    assert started[-1] == "ended"
    log_checks.keep(log_checks.Found(0, 0, []), began_at=now(), at=now())
    assert not log_checks.due(at=now())
    assert log_checks.due(at=now() + timedelta(hours=24))


def test_where_there_is_no_database_the_check_says_so_and_does_not_break_down(tmp_path: Path) -> None:
    """An auditor types what the handbook says, on a machine of their own."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "OPSPORTAL_DATA_DIR": str(tmp_path / "data")}
    argv = [sys.executable, "-m", "opsportal.cli.main", "evidence", "check"]
    done = subprocess.run(argv, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (fsck.UNSURE, "")
    assert "There is no portal's database here" in done.stdout
