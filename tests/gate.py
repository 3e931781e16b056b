"""`manage.py test`: one session on SQLite, one on PostgreSQL for what uses the database, and one line at the end.

The two sessions run side by side, with more workers than cores: a third of what a worker does is to wait for processes
that it started. Where a person watches (`-x`, `--pdb`, `-n`) or figures are measured, they run one after the other.
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
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.fixtures import counterparts

ROOT = Path(__file__).resolve().parent.parent
NOTHING_COLLECTED = 5
SKIPS = ("skipped", "xfailed", "xpassed")
INTERRUPTED = 2
WORKERS = {"sqlite": 2, "postgresql": 1}  # side by side; the first session is three times as long as the second
ALONE = ("-n", "--numprocesses", "-x", "--exitfirst", "--pdb")  # the caller says how, or looks at each test
MEASURED = ("--all", "--soak")


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
    for code, found in _side_by_side(arguments) if _may_share(arguments, databases) else _in_turn(databases, arguments):
        codes.append(0 if code == NOTHING_COLLECTED else code)
        counts += found
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


def _may_share(arguments: Sequence[str], databases: Sequence[str | None]) -> bool:
    """Whether both sessions may run at once."""
    watched = any(part.startswith((*ALONE, *MEASURED)) for part in arguments)
    return len(databases) > 1 and not watched and "OPSPORTAL_FIGURES" not in os.environ


def _in_turn(databases: Sequence[str | None], arguments: list[str]) -> Iterator[tuple[int, Counter[str]]]:
    """Exit code and counts of one session after the other; none after one that was interrupted."""
    alone = any(part.startswith(ALONE) for part in arguments)
    for database in databases:
        if database:
            print(f"== {database}", flush=True)
        with _session(database, arguments, workers=0 if alone else 2) as session:
            code = session.wait()
        yield code, session.counts
        if code == INTERRUPTED:
            return


def _side_by_side(arguments: list[str]) -> Iterator[tuple[int, Counter[str]]]:
    """Exit code and counts of both sessions. What the second says is shown when the first has ended."""
    with ExitStack() as stack:
        before, running = 0, {}
        for database, workers in WORKERS.items():
            more = {"said": running != {}, "before": before}
            running[database] = stack.enter_context(_session(database, arguments, workers=workers, **more))
            before += workers
        for database, session in running.items():
            print(f"== {database}", flush=True)
            session.show()
        codes = {database: session.wait() for database, session in running.items()}
    yield from ((codes[database], session.counts) for database, session in running.items())


@dataclass(slots=True)
class Session:
    """One pytest process. `said` is the file that it writes to, unless it speaks for itself."""

    process: subprocess.Popen[bytes]
    said: Path | None
    counts: Counter[str]

    def wait(self) -> int:
        """Its exit code; an interruption goes on to it, and it may end in its own way."""
        try:
            return self.process.wait()
        except KeyboardInterrupt:
            self.process.send_signal(signal.SIGINT)
            return self.process.wait(60)

    def show(self) -> None:
        """What it said so far and says until it ends."""
        if self.said is None:
            self.wait()
            return
        with self.said.open("rb") as said:
            ended = False
            while not ended:
                ended = self.process.poll() is not None
                if text := said.read():
                    sys.stdout.buffer.write(text)
                    sys.stdout.buffer.flush()
                elif not ended:
                    time.sleep(0.2)


@contextmanager
def _session(
    database: str | None, arguments: list[str], *, workers: int, said: bool = False, before: int = 0
) -> Iterator[Session]:
    """A session for as long as the block lasts, which knows its counts by outcome afterwards.

    `workers` 0 leaves their number to the arguments; `before` is how many workers of other sessions run beside its own;
    with `said` it writes to a file.
    """
    with tempfile.TemporaryDirectory(prefix="opsportal-gate-") as folder:
        summary, place = Path(folder) / "summary.json", Path(folder) / "said" if said else None
        spread = ["-n", str(workers)] if workers else []
        chosen = ["--database", database] if database else []
        always = ["-c", str(ROOT / "pyproject.toml"), "--summary", str(summary), "--durations=40"]
        argv = [sys.executable, "-m", "pytest", *always, *spread, *chosen, *arguments]
        environ = {**os.environ, "OPSPORTAL_WORKERS_BEFORE": str(before)}
        with ExitStack() as stack:
            out = stack.enter_context(place.open("wb")) if place else None
            process = subprocess.Popen(argv, cwd=ROOT, env=environ, stdout=out, stderr=out)
            session = Session(process, place, Counter())
            try:
                yield session
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGINT)
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(60)
                if summary.exists():
                    session.counts.update(json.loads(summary.read_text()))
