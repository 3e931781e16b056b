"""`opsportal --help` is quick because it imports nothing that it does not need; every command explains itself."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from opsportal.cli.main import COMMANDS, HELP, LATER, main

ASK = "import sys; from opsportal.cli.main import main; main(['--help'], standalone_mode=False); print([*sys.modules])"


def test_help_imports_neither_django_nor_a_command() -> None:
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
    modules = done.stdout.splitlines()[-1]
    assert "opsportal.cli.main" in modules
    for heavy in ("'django'", "'rest_framework'", "'jsonschema_rs'", "'httpx'", "'cryptography'", "opsportal.cli.runs"):
        assert heavy not in modules, heavy
    shown = done.stdout.partition("Commands:")[2]
    assert all((f"  {name} " in shown) == (name not in LATER) for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    assert HELP[name].endswith(".")
    answer = CliRunner().invoke(main, [name, "--help"])
    assert (answer.exit_code, "Usage:" in answer.output) == (0, True)
