"""Lets an environment know this checkout: its path, its metadata, its entry points and its console script.

An editable installation without a build step (PEP 376, PEP 610 and the entry points specification), so that
nothing has to be fetched to build a project that needs no building.
"""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any

SCRIPT = """#!{python}
import sys

from {module} import {function}

if __name__ == "__main__":
    sys.exit({function}())
"""


def link_project(root: Path, python: Path) -> None:
    """Write what `pip install --no-deps --editable` would, from the `[project]` table at `root`."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    site = _site_packages(python)
    for old in site.glob(f"{project['name']}-*.dist-info"):
        for part in old.iterdir():
            part.unlink()
        old.rmdir()
    info = site / f"{project['name']}-{project['version']}.dist-info"
    info.mkdir()
    members = {
        "METADATA": f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n",
        "INSTALLER": "opsportal\n",
        "entry_points.txt": _entry_points(project),
        "direct_url.json": json.dumps({"url": root.as_uri(), "dir_info": {"editable": True}}),
    }
    for name, text in members.items():
        (info / name).write_text(text)
    pth = site / f"__editable__.{project['name']}.pth"
    pth.write_text(f"{root}\n")
    scripts = [_script(python, name, target) for name, target in project.get("scripts", {}).items()]
    record = [pth, *scripts, *(info / name for name in (*members, "RECORD"))]
    (info / "RECORD").write_text("".join(f"{path},,\n" for path in record))


def _site_packages(python: Path) -> Path:
    asked = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    return Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())


def _entry_points(project: dict[str, Any]) -> str:
    groups = {"console_scripts": project.get("scripts", {}), **project.get("entry-points", {})}
    lines: list[str] = []
    for group, entries in groups.items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in entries.items()), ""]
    return "\n".join(lines)


def _script(python: Path, name: str, target: str) -> Path:
    module, function = target.split(":")
    path = python.parent / name
    path.write_text(SCRIPT.format(python=python, module=module, function=function))
    path.chmod(0o755)
    return path
