"""`manage.py lint`: every checker that CI calls, each told by name, all of them even if one complains."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from opsportal.bootstrap import ROOT

BIN = Path(sys.executable).parent
RUNBOOKS = ROOT / "runbooks"


def checkers(paths: list[str]) -> dict[str, list[str]]:
    """Command lines by name. `paths` narrows what looks at files; empty means everything."""
    everywhere = paths or ["."]
    python = [path for path in paths if path.endswith(".py") or Path(path).is_dir()]
    return {
        "ruff": [str(BIN / "ruff"), "check", *everywhere],
        "format": [str(BIN / "ruff"), "format", "--check", "--quiet", *everywhere],
        "mypy": [sys.executable, "-m", "mypy", *(python or ["opsportal", "procedures"])],
        "layers": [str(BIN / "lint-imports"), "--no-cache"],
        "templates": [str(BIN / "djlint"), "--check", "--lint", "--quiet", "procedures"],
        "runbooks": [sys.executable, "-m", "opsportal.cli.main", "lint", *map(str, sorted(RUNBOOKS.iterdir()))],
        "migrations": [sys.executable, "-m", "django", "makemigrations", "--check", "--dry-run"],
    }


def main(arguments: list[str]) -> int:
    """Run the checkers, or those named with `--only NAME`; 0 if none complains."""
    only = arguments[arguments.index("--only") + 1] if "--only" in arguments else None
    paths = [part for part in arguments if part not in {"--only", only}]
    complaints: list[str] = []
    with tempfile.TemporaryDirectory(prefix="opsportal-lint-") as folder:
        environ = {
            **os.environ,
            "OPSPORTAL_DATA_DIR": folder,
            "OPSPORTAL_PROFILE": "embedded",
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "opsportal.settings",
        }
        for name, argv in checkers(paths).items():
            if only in {None, name}:
                sys.stderr.write(f"== {name}\n")
                if subprocess.run(argv, cwd=ROOT, env=environ, check=False).returncode:
                    complaints.append(name)
    sys.stderr.write(f"Complaints: {', '.join(complaints)}.\n" if complaints else "No complaints.\n")
    return 1 if complaints else 0
