"""Every benchmark runs, on a tiny size, and writes what it measured. No figure is judged here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.suite import SUITE

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.once


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    program = "import sys; from tests.benchmarks.main import main; sys.exit(main(sys.argv[1:]))"
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("OPSPORTAL_", "DATABASE_"))}
    environ.pop("DJANGO_SETTINGS_MODULE", None)
    argv = [sys.executable, "-c", program, *words]
    return subprocess.run(argv, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120, check=False)


def test_every_benchmark_runs_and_writes_its_ratio(tmp_path: Path) -> None:
    done = bench("--small", "--json", str(tmp_path / "figures.json"))
    assert done.returncode == 0, done.stderr[-2000:]
    rows = json.loads((tmp_path / "figures.json").read_text())["figures"]
    assert len({row["name"] for row in rows}) == len(rows) >= len(SUITE)
    assert all(row["ratio"]["min"] <= row["ratio"]["median"] <= row["ratio"]["max"] for row in rows)
    assert all(row["ours_ms"] > 0 and row["floor_ms"] > 0 for row in rows)


def test_an_unknown_benchmark_is_refused_by_name() -> None:
    done = bench("no-such-thing")
    assert done.returncode == 2
    assert "no benchmark 'no-such-thing'" in done.stderr
