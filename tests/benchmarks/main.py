"""`manage.py bench`: each figure beside its bare floor, as a ratio. Nothing here passes or fails by the clock."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import measured
from tests.benchmarks.suite import SUITE


def main(arguments: list[str]) -> int:
    """Print a line per figure; 0 when every benchmark ran."""
    parser = argparse.ArgumentParser(prog="manage.py bench", description=(__doc__ or "").partition(".")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one or more of {', '.join(SUITE)}; none means all")
    parser.add_argument("--small", action="store_true", help="tiny sizes, to see that everything runs")
    parser.add_argument("--repetitions", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.names if name not in SUITE]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(SUITE)}")
    repetitions = given.repetitions or (2 if given.small else 9)
    with tempfile.TemporaryDirectory(prefix="opsportal-bench-") as folder:
        _prepare(Path(folder))
        rows = _run(given.names or list(SUITE), repetitions, small=given.small)
    if given.json:
        facts = {
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        }
        given.json.write_text(json.dumps({**facts, "figures": rows}, indent=2) + "\n")
    return 0


def _prepare(folder: Path) -> None:
    """A database of this process's own, migrated and empty."""
    os.environ["OPSPORTAL_PROFILE"] = "embedded"
    os.environ["OPSPORTAL_DATA_DIR"] = str(folder / "var")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsportal.settings")
    os.environ.pop("DATABASE_URL", None)
    import logging

    import django
    from django.core.management import call_command

    django.setup()
    logging.disable(logging.WARNING)
    call_command("migrate", verbosity=0)


def _run(names: list[str], repetitions: int, *, small: bool) -> list[dict[str, Any]]:
    sys.stdout.write(f"{'':<34} {'ours':>13} {'floor':>13}   {'ratio':>7}  (least-most)\n")
    rows = []
    for name in names:
        with SUITE[name](small) as made:
            for pair in made if isinstance(made, list) else [made]:
                figure = measured(pair, repetitions)
                sys.stdout.write(figure.line() + "\n")
                sys.stdout.flush()
                rows.append(figure.as_dict())
    return rows
