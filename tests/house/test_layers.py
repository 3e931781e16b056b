"""Who may import whom: the layers, and the libraries that belong to one room."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house import tree

# Library → where alone it may be imported.
BELONGS_TO = {
    "celery": ("opsportal/celery.py", "opsportal/apps.py", "procedures/runner/"),
    "kombu": ("procedures/runner/",),
    "rest_framework": ("procedures/api/",),
    "drf_spectacular": ("procedures/api/", "opsportal/urls.py"),
    "mcp": ("procedures/mcp/",),
    "scim2_models": ("procedures/scim/",),
    "scim2_server": ("procedures/scim/",),
    "mcp_types": ("procedures/mcp/",),
    "fido2": ("procedures/services/passkeys.py",),
    "onelogin": ("procedures/signon/",),
    "ldap3": ("procedures/signon/",),
    "paramiko": ("procedures/ssh/", "opsportal/demo/"),
}
# Room → what it may not import at all.
STRANGERS = {
    "procedures/domain": ("django", "celery", "rest_framework", "procedures.models", "opsportal"),
    "procedures/definitions": ("django", "celery", "opsportal"),
    "procedures/signon": ("django", "celery", "opsportal"),
    "procedures/ssh": ("django", "celery", "opsportal"),
    "procedures/sandbox": ("django", "celery", "opsportal"),
    "procedures/actions": ("django", "celery", "opsportal"),
    "procedures/credentials": ("django", "celery", "opsportal"),
}


def test_layers_hold() -> None:
    argv = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    environ = {**os.environ, "PYTHONPATH": str(tree.ROOT)}
    ended = subprocess.run(argv, cwd=tree.ROOT, env=environ, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("library", BELONGS_TO)
def test_library_stays_in_its_room(library: str) -> None:
    strays = [
        f"{tree.short(path)}:{line}"
        for path in tree.python_files("opsportal", "procedures")
        for module, line in tree.imports(path)
        if is_part_of(module, library) and not tree.short(path).startswith(BELONGS_TO[library])
    ]
    assert not strays, f"{library} belongs to {', '.join(BELONGS_TO[library])}: {strays}"


@pytest.mark.parametrize("room", STRANGERS)
def test_room_imports_no_stranger(room: str) -> None:
    met = [
        f"{tree.short(path)}:{line} {module}"
        for path in tree.python_files(room)
        for module, line in tree.imports(path)
        if any(is_part_of(module, stranger) for stranger in STRANGERS[room])
    ]
    assert not met, f"{room} knows nothing of these: {met}"


def is_part_of(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")
