"""What cold storage makes of a long log: the tables of every day, the time of an export, what it holds in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from procedures.evidence import verify
from procedures.evidence.notes import LogKey
from tests.evidence.test_pack_memory import MOST_RATIO, ran
from tests.factories.histories import key
from tests.fixtures.databases import FreshDatabase

LOG = LogKey("big.example/evidence/log", key("big"))


def measured(folder: Path, runs: int, database: str) -> dict[str, Any]:
    folder.mkdir(mode=0o700)
    ran(folder, "-m", "tests.factories.big_log", "make", str(runs), database=database)
    warm = ran(folder, "-m", "tests.factories.big_log", "export", str(folder / "warm.zip"), database=database)
    moved = ran(folder, "-m", "tests.factories.big_log", "cool", "-", database=database)
    cold = ran(folder, "-m", "tests.factories.big_log", "export", str(folder / "cold.zip"), database=database)
    for name in ("warm.zip", "cold.zip"):
        assert verify.verify((folder / name).read_bytes(), LOG.verifier)["runs"] == runs
    return {"runs": runs, "moved": moved, "export_warm": warm, "export_cold": cold}


def test_a_cold_log_of_some_hundred_runs_gives_a_pack_of_all_of_them(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    found = measured(tmp_path / "few", 200, fresh_database.url)
    assert found["moved"]["events_mb"] < found["moved"]["events_mb_before"]
    assert found["export_cold"]["peak_mb"] < MOST_RATIO * found["export_warm"]["peak_mb"]


@pytest.mark.figures
@pytest.mark.timeout(3600)
def test_ten_thousand_runs_in_cold_storage(
    fresh_database: FreshDatabase, tmp_path: Path, figure: Callable[[str, Any], None]
) -> None:
    found = measured(tmp_path / "many", 10_000, fresh_database.url)
    figure(f"cold_{fresh_database.vendor}", found)
    assert found["export_cold"]["peak_mb"] < MOST_RATIO * found["export_warm"]["peak_mb"]
