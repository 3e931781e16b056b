"""`manage.py test`: one session on SQLite, one on PostgreSQL for what uses the database, and one line at the end.

With CI=true a skipped test fails the gate: a missing counterpart is a hole, not an excuse.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTHING_COLLECTED = 5
SKIPS = ("skipped", "xfailed", "xpassed")


def main(arguments: list[str]) -> int:
    """Run the suite with pytest's `arguments`; 0 if all passed, and with CI=true none was skipped."""
    strict = os.environ.get("CI", "").lower() in {"1", "true"}
    counts: Counter[str] = Counter()
    codes: list[int] = []
    databases = [None] if any(part.startswith("--database") for part in arguments) else ["sqlite", "postgresql"]
    for database in databases:
        code, found = _session(database, arguments)
        codes.append(0 if code == NOTHING_COLLECTED else code)
        counts += found
        if code == 2:
            break
    skipped = sum(counts[name] for name in SKIPS)
    failed = counts["failed"] + counts["error"]
    if strict and skipped:
        print(f"{skipped} tests did not run, which CI=true does not allow.", flush=True)
    if not counts["passed"] and not any(codes):
        print("No test was chosen.", flush=True)
    ok = not any(codes) and not failed and counts["passed"] > 0 and not (strict and skipped)
    print(f"{counts['passed']} passed, {skipped} skipped" + (f", {failed} failed" if failed else ""), flush=True)
    return 0 if ok else 1


def _session(database: str | None, arguments: list[str]) -> tuple[int, Counter[str]]:
    """One pytest process; its exit code and its counts by outcome."""
    with tempfile.TemporaryDirectory(prefix="opsportal-gate-") as folder:
        summary = Path(folder) / "summary.json"
        alone = any(part.startswith(("-n", "--numprocesses", "-x", "--pdb")) for part in arguments)
        spread = [] if alone else ["-n", "2"]
        chosen = ["--database", database] if database else []
        always = ["-c", str(ROOT / "pyproject.toml"), "--summary", str(summary)]
        argv = [sys.executable, "-m", "pytest", *always, *spread, *chosen, *arguments]
        if database:
            print(f"== {database}", flush=True)
        process = subprocess.Popen(argv, cwd=ROOT)
        try:
            code = process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            code = process.wait(60)
        return code, Counter(json.loads(summary.read_text())) if summary.exists() else Counter()
