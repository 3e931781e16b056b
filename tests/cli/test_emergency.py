"""An outage as people live through it: the pack from a database whose portal runs elsewhere, shares, and the record."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.conftest import Office
from tests.cli.test_ahead import confirmed
from tests.cli.test_commands import DENIED, DONE, said

pytestmark = [pytest.mark.once, pytest.mark.timeout(420)]


def beside(office: Office, *words: str) -> subprocess.CompletedProcess[str]:
    """A command on the portal's own machine, which needs its database and no process of it."""
    environ = {"PATH": office.portal.environ["PATH"], "HOME": str(office.folder)}
    environ |= {
        name: value for name, value in office.portal.environ.items() if name.startswith(("OPSPORTAL", "DATABASE"))
    }
    argv = [sys.executable, "-m", "opsportal.cli.main", *words]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=120, check=False)


def test_the_pack_comes_from_the_database_and_from_a_backup_and_two_people_open_its_key(
    office: Office, accepted: str
) -> None:
    for who in ("olga", "sven"):
        given = ["access", "grant", f"person:{who}", "break_glass", "--environment", "production", "--reason", "s5"]
        done = office.type("mira", *given, "--key", office.key("mira"))
        assert done.returncode == DONE, said(done)
        confirmed(office, done.stdout)
    pack = office.folder / "emergency.zip"
    done = beside(office, "emergency", "pack", "-o", str(pack), "--new-key", "production")
    assert done.returncode == DONE, said(done)
    assert oct(pack.stat().st_mode & 0o777) == "0o600"
    again = beside(office, "emergency", "pack", "-o", str(pack))
    assert "exists" in said(again)
    folder = office.folder / "opened"
    zipfile.ZipFile(pack).extractall(folder)
    assert (folder / "procedures" / "greet" / "say.sh").exists()
    for who in ("olga", "sven"):
        share = str(folder / "production" / "credential" / f"{who}.age")
        done = office.type(who, "emergency", "share", share, "--identity", office.key(who), "-o", str(folder / who))
        assert done.returncode == DONE, said(done)
    opened = subprocess.run(
        [sys.executable, "open_together.py", "olga", "sven"], cwd=folder, capture_output=True, check=True
    )
    assert opened.stdout.startswith(b"-----BEGIN OPENSSH PRIVATE KEY-----")
    assert "olga, sven" in office.type("ines", "evidence", "register", "outages").stdout
    backup = office.folder / "day.backup"
    assert beside(office, "backup", str(backup)).returncode == DONE
    done = beside(office, "emergency", "pack", "-o", str(office.folder / "emergency-2.zip"), "--backup", str(backup))
    assert done.returncode == DONE, said(done)
    assert "production/steps.pdf" in zipfile.ZipFile(office.folder / "emergency-2.zip").namelist()
    words = ["-o", str(office.folder / "emergency-3.zip"), "--backup", str(backup), "--new-key", "production"]
    assert "seals nothing" in said(beside(office, "emergency", "pack", *words))


def test_what_was_done_by_hand_is_recorded_by_two_and_read_by_the_auditor(office: Office) -> None:
    first, last = (datetime.now(UTC) - timedelta(minutes=minutes) for minutes in (30, 10))
    words = ["evidence", "record-outage", "--environment", "production", "--cause", "the disk was full"]
    words += ["--from", first.isoformat(), "--to", last.isoformat(), "--could-not", "greet in production"]
    words += ["--act", (first + timedelta(minutes=5)).isoformat(), "jonas", "web-1", "restarted nginx"]
    done = office.type("jonas", *words, "--key", office.key("jonas"))
    assert done.returncode == DONE, said(done)
    assert "another person confirms it" in done.stdout
    confirmed(office, done.stdout, "mira")
    told = office.type("ines", "evidence", "register", "outages").stdout
    assert "restarted nginx" in told
    assert "signed by jonas, mira" in told
    for form in ("csv", "pdf"):
        file = office.folder / f"outages.{form}"
        assert office.type("ines", "evidence", "register", "outages", "-o", str(file)).returncode == DONE
    assert (office.folder / "outages.pdf").read_bytes().startswith(b"%PDF-")
    assert "restarted nginx" in (office.folder / "outages.csv").read_text()
    assert office.type("quinn", "evidence", "register", "outages").returncode == DENIED
    assert office.type("quinn", *words, "--key", office.key("quinn")).returncode == DENIED
