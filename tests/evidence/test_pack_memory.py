"""Packs of long histories: what export and verifier hold in memory hardly grows with the number of runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from procedures.evidence import verify
from tests.factories.histories import key
from tests.house.tree import ROOT

pytestmark = pytest.mark.once
MOST_MB, MOST_RATIO = 300, 1.2
# `verify.py` as a stranger runs it, and what it used at its peak. A child's `ru_maxrss` begins with that of its parent.
MEASURED = """\
import importlib.util, json, re, sys, time
begun = time.monotonic()
spec = importlib.util.spec_from_file_location("verify", sys.argv[1])
verify = importlib.util.module_from_spec(spec)
spec.loader.exec_module(verify)
status = verify.main(sys.argv[2:])
used = int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
print(json.dumps({"status": status, "peak_mb": round(used / 1024, 1), "took_s": round(time.monotonic() - begun, 1)}))
"""


def ran(folder: Path, *words: str, database: str = "") -> dict[str, Any]:
    """What a program of its own used; its last lines say it."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environ |= {"OPSPORTAL_DATA_DIR": str(folder), "DATABASE_URL": database or f"sqlite:///{folder}/log.sqlite3"}
    done = subprocess.run([sys.executable, *words], cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = {}
    for line in done.stdout.splitlines():
        found |= json.loads(line) if line.startswith("{") else {}
    return found


def measured(folder: Path, runs: int) -> dict[str, Any]:
    folder.mkdir(mode=0o700)
    pack = folder / "pack.zip"
    ran(folder, "-m", "tests.factories.big_log", "make", str(runs))
    made = ran(folder, "-m", "tests.factories.big_log", "export", str(pack))
    from procedures.evidence.notes import LogKey

    log = LogKey("big.example/evidence/log", key("big"))
    read = ran(folder, "-I", "-S", "-c", MEASURED, verify.__file__, str(pack), "--log-key", log.verifier)
    assert read["status"] == 0
    return {"runs": runs, "pack_mb": round(pack.stat().st_size / 1e6, 1), "export": made, "verify": read}


def test_a_pack_of_a_few_hundred_runs_is_made_and_read_by_programs_of_their_own(tmp_path: Path) -> None:
    assert measured(tmp_path / "few", 300)["verify"]["peak_mb"] < MOST_MB


@pytest.mark.figures
@pytest.mark.timeout(7200)
def test_peak_memory_hardly_grows_from_ten_to_a_hundred_thousand_runs(
    tmp_path: Path, figure: Callable[[str, Any], None]
) -> None:
    few, many = (measured(tmp_path / str(runs), runs) for runs in (10_000, 100_000))
    ratios = {name: round(many[name]["peak_mb"] / few[name]["peak_mb"], 2) for name in ("export", "verify")}
    figure("pack_memory", {"few": few, "many": many, "ratios": ratios})
    assert max(ratios.values()) <= MOST_RATIO, ratios
    assert max(many["export"]["peak_mb"], many["verify"]["peak_mb"]) <= MOST_MB
