"""What keeps processes up learns from a file, or from the page, whether they work."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from opsportal import alive
from tests.fixtures.serving import free_port

ROOT = Path(__file__).resolve().parent.parent.parent


def ask(**variables: str) -> subprocess.CompletedProcess[str]:
    """As a container's health check does: without site packages, from the place of the software."""
    command = [sys.executable, "-S", "-m", "opsportal.alive"]
    return subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_process_counts_as_alive_while_its_file_is_young(tmp_path: Path) -> None:
    file = tmp_path / "alive"
    told = ask(OPSPORTAL_ALIVE_FILE=str(file))
    assert (told.returncode, told.stderr) == (1, f"{file} was never touched.\n")
    alive.touch(str(file))
    assert ask(OPSPORTAL_ALIVE_FILE=str(file)).returncode == 0
    long_ago = time.time() - alive.OLDEST_S - 5
    os.utime(file, (long_ago, long_ago))
    told = ask(OPSPORTAL_ALIVE_FILE=str(file))
    assert told.returncode == 1
    assert "was touched 3" in told.stderr
    alive.touch("")


def test_the_web_process_is_asked_for_its_page() -> None:
    told = ask(OPSPORTAL_PORT=str(free_port()))
    assert (told.returncode, told.stderr) == (1, "The web process does not answer /healthz.\n")
