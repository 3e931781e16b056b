"""An auditor's list by the command that its own panel names."""

from __future__ import annotations

import hashlib
import re
import shlex

import pytest

from tests.cli.conftest import Office
from tests.cli.test_commands import DENIED, DONE, said

pytestmark = [pytest.mark.once, pytest.mark.timeout(300)]


def test_a_population_is_counted_again_by_the_command_that_its_panel_names(office: Office, accepted: str) -> None:
    done = office.type("ines", "evidence", "runs", "--environment", "development")
    assert done.returncode == DONE, said(done)
    panel = dict(line.split(": ", 1) for line in done.stdout.splitlines() if re.match("[a-z_0-9]+: ", line))
    *words, name = shlex.split(panel["again"])[1:]
    file = office.folder / name
    assert office.type("ines", *words, str(file)).returncode == DONE
    assert hashlib.sha256(file.read_bytes()).hexdigest() == panel["sha256"]
    assert office.type("quinn", "evidence", "runs").returncode == DENIED


def test_a_saved_request_is_asked_again_and_its_list_has_the_digest_that_was_told(
    office: Office, accepted: str
) -> None:
    done = office.type("ines", "evidence", "request", "save", "PBC-17 changes", "--environment", "development")
    assert done.returncode == DONE, said(done)
    request, file = done.stdout.split()[0], office.folder / "list.csv"
    done = office.type("ines", "evidence", "request", "ask", request, "-o", str(file))
    assert done.returncode == DONE, said(done)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert digest in done.stdout
    assert digest in office.type("ines", "evidence", "request", "show", request).stdout
    assert "PBC-17 changes" in office.type("ines", "evidence", "request", "list").stdout
    assert office.type("quinn", "evidence", "request", "list").returncode == DENIED
    assert office.type("ines", "evidence", "request", "drop", request).returncode == DONE
    done = office.type("ines", "evidence", "request", "ask", request)
    assert "Save it anew" in said(done)
