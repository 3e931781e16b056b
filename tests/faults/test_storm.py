"""Runner, broker, database, sequencer and keeper die at seeded moments: every run ends once, in the truth."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.chaos import storm
from tests.fixtures.counterparts import need

RUNS = int(os.environ.get("OPSPORTAL_FAULT_RUNS", "250"))  # for each seed: a thousand in all
SEEDS = tuple(map(int, os.environ.get("OPSPORTAL_FAULT_SEEDS", "5,6,7,8").split(",")))


@pytest.mark.figures
@pytest.mark.once
@pytest.mark.timeout(5400)
@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_dies_each_run_ends_once_and_no_step_runs_twice(
    seed: int, host_number: int, figure: Callable[[str, Any], None]
) -> None:
    need("sshd")
    began = time.monotonic()
    with storm(seed, host_number) as weather:
        weather.blow(RUNS)
        ends = weather.judge()
    assert ends.get("succeeded", 0) > RUNS // 2
    took = int(time.monotonic() - began)
    figure(f"storm_{seed}", {"runs": RUNS, "seed": seed, "ends": ends, "struck": dict(weather.struck), "took_s": took})
