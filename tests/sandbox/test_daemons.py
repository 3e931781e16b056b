"""What a step left behind is dead within a second of its cancel, in every tier of the sandbox."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from procedures.sandbox import cgroup
from tests.fixtures.counterparts import need
from tests.sandbox import daemons
from tests.sandbox.tiers import PLAIN, inside

pytestmark = pytest.mark.once


def dead_within_a_second(tier: str, figure: Callable[[str, Any], None]) -> None:
    def start(mark: str, cancelled: threading.Event) -> None:
        inside(tier, PLAIN, "-c", daemons.WAITS, mark, seconds=90, cancelled=cancelled)

    took = daemons.quickest(lambda: daemons.ended_after(start, threading.Event.set), 1.0)
    figure(f"daemons_tier_{tier.lower()}", {"dead_after_s": min(took), "tries": len(took)})
    assert min(took) <= 1.0, took


@pytest.mark.parametrize("tier", ["B", "C"])
def test_three_daemons_are_dead_within_a_second_of_a_cancel(tier: str, figure: Callable[[str, Any], None]) -> None:
    if tier == "B":
        need("bwrap")
    dead_within_a_second(tier, figure)


def test_three_daemons_in_a_control_group_too(
    tree: Path, monkeypatch: pytest.MonkeyPatch, figure: Callable[[str, Any], None]
) -> None:
    """Tier A: as where the host lends a part of its tree."""
    need("bwrap")
    monkeypatch.setattr(cgroup, "lent", lambda: tree)
    dead_within_a_second("A", figure)


def test_without_the_sandbox_they_live_on_and_the_same_look_finds_them() -> None:
    """The positive control: what ends a process and its group ends none of them."""
    mark = daemons.fresh_mark()
    process = subprocess.Popen([PLAIN, "-c", daemons.WAITS, mark], start_new_session=True)
    try:
        daemons.until(lambda: len(daemons.sleeping(mark)) == daemons.COUNT, "they did not begin")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        assert len(daemons.sleeping(mark)) == daemons.COUNT
    finally:
        for pid in daemons.sleeping(mark):
            os.kill(pid, signal.SIGKILL)
