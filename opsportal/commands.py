"""Which part of the product answers a sub-command of `manage.py`; everything else goes to Django."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence

COMMANDS = {
    "test": "tests.gate:main",
    "lint": "opsportal.lint:main",
    "up": "opsportal.supervisor.up:main",
    "demo": "opsportal.demo.main:main",
    "bench": "tests.benchmarks.main:main",
    "pictures": "tests.browser.pictures:main",
    "verifier-page": "opsportal.verifier_page:main",
}
OF_THE_CONSOLE = ("backup", "restore", "recover", "install", "issuer", "egress", "roles")


def main(argv: Sequence[str]) -> int:
    """Run one sub-command; `argv` is the whole command line. Gives the exit code."""
    name = argv[1] if len(argv) > 1 else "help"
    if name in COMMANDS:
        return _load(name)(list(argv[2:])) or 0
    if name in OF_THE_CONSOLE:
        from opsportal.cli.main import main as console

        console.main(list(argv[1:]), prog_name="manage.py")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsportal.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(list(argv))
    return 0


def _load(name: str) -> Callable[[list[str]], int | None]:
    module, function = COMMANDS[name].split(":")
    if not _is_there(module):
        sys.exit(f"This installation has no `{name}`: {module} is missing. Use a complete checkout.")
    found: Callable[[list[str]], int | None] = getattr(importlib.import_module(module), function)
    return found


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
