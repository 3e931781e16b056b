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
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from tests.fixtures import counterparts

ROOT = Path(__file__).resolve().parent.parent
NOTHING_COLLECTED = 5
SKIPS = ("skipped", "xfailed", "xpassed")


def main(arguments: list[str]) -> int:
    """Run the suite with pytest's `arguments`; 0 if all passed, and with CI=true none was skipped."""
    strict = os.environ.get("CI", "").lower() in {"1", "true"}
    arguments, issue = _issue_of(arguments)
    if missing := counterparts.prepare():
        print(f"Missing, and not to be installed here: {', '.join(missing)}.", flush=True)
    began = time.monotonic()
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
    if issue and ok:
        _keep_figures(issue, counts["passed"], skipped, time.monotonic() - began)
    return 0 if ok else 1


def _issue_of(arguments: list[str]) -> tuple[list[str], str]:
    """`--record 2` keeps what was measured in tests/figures/2.json; the rest is for pytest."""
    if "--record" not in arguments:
        return arguments, ""
    place = arguments.index("--record")
    folder = tempfile.mkdtemp(prefix="opsportal-figures-")
    os.environ["OPSPORTAL_FIGURES"] = folder
    return arguments[:place] + arguments[place + 2 :], arguments[place + 1]


def _keep_figures(issue: str, passed: int, skipped: int, seconds: float) -> None:
    """What each test told by the fixture `figure`, with seed, date, commit and duration."""
    folder = Path(os.environ["OPSPORTAL_FIGURES"])
    told = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    row = {
        "issue": issue,
        "seed": "fixed in each test; Hypothesis is derandomized",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": commit.stdout.strip(),
        "duration_s": round(seconds),
        "passed": passed,
        "skipped": skipped,
        "figures": told,
    }
    place = ROOT / "tests" / "figures" / f"{issue}.json"
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps(row, indent=2, sort_keys=True) + "\n")
    print(f"Kept in {place.relative_to(ROOT)}.", flush=True)


def _session(database: str | None, arguments: list[str]) -> tuple[int, Counter[str]]:
    """One pytest process; its exit code and its counts by outcome."""
    with tempfile.TemporaryDirectory(prefix="opsportal-gate-") as folder:
        summary = Path(folder) / "summary.json"
        alone = any(part.startswith(("-n", "--numprocesses", "-x", "--pdb")) for part in arguments)
        spread = [] if alone else ["-n", "2"]
        chosen = ["--database", database] if database else []
        always = ["-c", str(ROOT / "pyproject.toml"), "--summary", str(summary), "--durations=40"]
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
