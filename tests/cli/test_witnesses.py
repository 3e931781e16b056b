"""A portal with a witness, from nothing to WITNESSED by commands alone; and what they say when it goes away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from opsportal.cli.main import main
from opsportal.demo.client import PASSWORD
from opsportal.demo.company import Company
from opsportal.supervisor.portal import Portal
from tests.cli.conftest import Office
from tests.factories.witnesses import until
from tests.fixtures.serving import free_port

NAME = "security.example/witness"


def started(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """Before the portal itself: the witness waits for the log's key."""
    words = ["witness", "--data", str(folder / "w"), "--listen", f"127.0.0.1:{port}", "--wait"]
    log = str(folder / "portal" / "public" / "evidence.pub")
    argv = [sys.executable, "-m", "opsportal.cli.main", *words, "--log", log]
    return subprocess.Popen(argv, env={"PATH": os.environ["PATH"]}, stderr=subprocess.DEVNULL)


def init(folder: Path, port: int) -> str:
    words = ["witness", "init", "--data", str(folder / "w"), "--name", NAME, "--url", f"http://127.0.0.1:{port}"]
    done = CliRunner().invoke(main, [*words, "--policy", str(folder / "policy")])
    assert done.exit_code == 0, done.output
    return done.output.strip()


@pytest.fixture
def watched() -> Iterator[tuple[Office, str, subprocess.Popen[bytes]]]:
    with tempfile.TemporaryDirectory(prefix="opsportal-watched-", dir="/var/tmp") as name:
        folder, port = Path(name), free_port()
        key, witness = init(folder, port), started(folder, port)
        try:
            with Portal(folder / "portal", environ={"OPSPORTAL_WITNESS_POLICY_FILE": str(folder / "policy")}) as portal:
                (folder / "people").mkdir(mode=0o700)
                company = Company(portal.url, folder / "people")
                assert portal.first_link is not None
                company.found(portal.first_link)
                company.invite_everybody()
                company.grant("ines", ["audit", "view"], [])
                office = Office(portal, company, folder)
                words = ("login", "--username", "ines", "--password-stdin")
                done = office.type("ines", *words, stdin=PASSWORD + "\n")
                assert done.returncode == 0, done.stderr
                yield office, key, witness
        finally:
            witness.terminate()
            witness.wait(10)


def test_from_nothing_to_a_witnessed_pack_and_back_by_commands_alone(
    watched: tuple[Office, str, subprocess.Popen[bytes]],
) -> None:
    office, witness_key, witness = watched
    pack, here = office.folder / "pack.zip", {"OPSPORTAL_DATA_DIR": str(office.portal.data_dir)}
    done = office.type("ines", "evidence", "export", "-o", str(pack))
    assert (done.returncode, f"Cosigned by {NAME}." in done.stdout) == (0, True), done.stdout + done.stderr
    key = office.type("ines", "evidence", "key").stdout.strip()
    words = ("evidence", "verify", str(pack), "--log-key", key)
    must = ("--witness-key", witness_key, "--require", "WITNESSED")
    good = office.type("ines", *words, *must, url="http://localhost:9")
    assert (good.returncode, good.stdout.splitlines()[-1]) == (0, "verdict: WITNESSED"), good.stdout
    assert office.type("ines", *words, "--require", "WITNESSED").returncode == 3
    checked = office.type("ines", "evidence", "check", **here)
    assert (checked.returncode, checked.stdout.splitlines()[-1]) == (0, "level: WITNESSED"), checked.stdout
    healthy = {"name": "every witness cosigns", "state": "ok", "mend": ""}
    assert healthy in json.loads(office.type("ines", "doctor", "--json").stdout)["results"]
    shown = CliRunner().invoke(main, ["witness", "show", "--data", str(office.folder / "w")])
    assert (shown.exit_code, shown.output.splitlines()[0]) == (0, witness_key)
    assert f"localhost.{office.portal.port}/evidence/log: " in shown.output

    witness.kill()
    witness.wait(10)
    done = office.type("ines", "evidence", "export", "-o", str(pack))
    assert done.returncode == 0, "it is made all the same"
    short = office.type("ines", *words, *must)
    assert (short.returncode, short.stdout.splitlines()[-1]) == (3, "verdict: UNDETERMINED"), short.stdout
    again = started(office.folder, int((office.folder / "policy").read_text().split(":")[-1].split()[0]))
    try:
        until(lambda: cosigned(office, pack, words, must), 90)
    finally:
        again.terminate()
        again.wait(10)


def cosigned(office: Office, pack: Path, words: tuple[str, ...], must: tuple[str, ...]) -> bool:
    office.type("ines", "evidence", "export", "-o", str(pack))
    return office.type("ines", *words, *must).returncode == 0
