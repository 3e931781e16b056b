"""The issuer as a process of its own, killed at the worst moments; the host's own notes are the witness."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from opsportal.demo.hosts import Host
from opsportal.supervisor.portal import ROOT, Portal
from procedures.issuer.greeting import answers
from tests.actions.calls import processes
from tests.faults.conftest import Site, _furnish
from tests.faults.test_faults import assert_log_verifies, ended, wait_until
from tests.fixtures.counterparts import need

pytestmark = [pytest.mark.once, pytest.mark.timeout(400)]
# A certificate of ours that is made as slowly as the test wants, as another package would offer it.
PROVIDER = """\
import os, time
from pathlib import Path

from procedures.credentials.ssh_certificate import SshCertificate

PLACE = Path(os.environ["SLOW_PLACE"])


class Slow(SshCertificate):
    def __init__(self):
        super().__init__(Path(os.environ["OPSPORTAL_DATA_DIR"]) / "keys", "127.0.0.1/32")

    def issue(self, *given, **more):
        while (PLACE / "hold").exists():
            (PLACE / "reached").touch()
            time.sleep(0.02)
        return super().issue(*given, **more)

    def revoke(self, handle, why):
        with (PLACE / "revoked").open("a") as file:
            file.write(f"{handle} {why}\\n")
        return super().revoke(handle, why)
"""


@dataclass(slots=True)
class Apart:
    """A portal whose runner asks issuers behind sockets, and the one of staging, which the test starts and kills."""

    site: Site
    place: Path
    socket: Path
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        argv = [sys.executable, "-m", "procedures.issuer.main", "--environment", "staging"]
        with (self.place / "issuer.log").open("ab") as log:
            environ = self.site.portal.environ
            self.process = subprocess.Popen(argv, env=environ, cwd=ROOT, stdout=log, stderr=log)
        wait_until(lambda: answers(str(self.socket)), within=40, pause=0.05)

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(20)
            self.process = None

    @property
    def log(self) -> str:
        return (self.place / "issuer.log").read_text()

    def leases(self, run: dict[str, Any]) -> list[str]:
        """States of the run's leases, in the order in which they were meant to be lent."""
        path = self.site.portal.data_dir / "database" / "opsportal.sqlite3"
        with closing(sqlite3.connect(path, timeout=10)) as database:
            question = "SELECT state FROM procedures_leaserecord WHERE run_id = ? ORDER BY id"
            return [row[0] for row in database.execute(question, (UUID(run["id"]).hex,))]

    def nothing_is_left(self, run: dict[str, Any], word: str) -> None:
        wait_until(lambda: set(self.leases(run)) <= {"revoked"}, within=30, pause=0.2)
        assert processes(word) == []
        assert_log_verifies(self.site)


@pytest.fixture(scope="module")
def apart(host_number: int) -> Iterator[Apart]:
    need("sshd")
    with tempfile.TemporaryDirectory(prefix="opsportal-apart-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        plugin = folder / "plugin"
        info = plugin / "slow_provider-1.dist-info"
        info.mkdir(parents=True)
        (plugin / "slow_provider.py").write_text(PROVIDER)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: slow-provider\nVersion: 1\n")
        (info / "entry_points.txt").write_text("[opsportal.providers]\nslow-certificate = slow_provider:Slow\n")
        host = Host("web-01", folder / "web-01", 109 + host_number)
        host.start()
        environ = {
            "OPSPORTAL_RUNNER_ADDRESS": "127.0.0.1/32",
            "OPSPORTAL_HEARTBEAT_LOST_S": "3",
            "OPSPORTAL_ISSUER_SOCKET": str(folder / "doors" / "{environment}" / "socket"),
            "PYTHONPATH": os.pathsep.join([str(plugin), *filter(None, [os.environ.get("PYTHONPATH")])]),
            "SLOW_PLACE": str(folder),
        }
        portal = Portal(folder / "portal", environ=environ)
        portal.start()
        found = None
        try:
            site = _furnish(portal, host, folder)
            found = Apart(site, folder, folder / "doors" / "staging" / "socket")
            binding = {"environment": "staging", "name": "deploy", "role": host.account, "ceiling": {}}
            more = {"provider": "slow-certificate", "max_ttl_s": 600, "reach": {"sudo": "none"}}
            site.company.both("binding", {**binding, **more})
            found.start()
            yield found
        finally:
            if found is not None:
                found.kill()
            portal.stop()
            host.stop()


def test_killed_between_intent_and_issue_the_step_gets_another_and_what_was_meant_is_ended(apart: Apart) -> None:
    site, word = apart.site, f"i{time.time_ns()}"
    hold, reached = apart.place / "hold", apart.place / "reached"
    hold.touch()
    run = site.ask(word)
    wait_until(reached.exists, within=30)
    assert site.has(run, "lease.intent")
    apart.kill()
    assert not site.has(run, "lease.issued")
    hold.unlink()
    apart.start()
    assert ended(site, run)["state"] == "succeeded"
    assert (site.notes().count(word), site.notes().count(f"done {word}")) == (1, 1)
    assert len(apart.leases(run)) == 2
    apart.nothing_is_left(run, word)


def test_killed_while_a_step_acts_the_step_goes_on_and_the_next_issuer_takes_the_credential_back(apart: Apart) -> None:
    site, word = apart.site, f"l{time.time_ns()}"
    run = site.ask(word)
    wait_until(lambda: word in site.notes(), within=30)
    apart.kill()
    assert apart.leases(run) == ["issued"]
    apart.start()
    assert ended(site, run)["state"] == "succeeded"
    assert (site.notes().count(word), site.notes().count(f"done {word}")) == (1, 1)
    apart.nothing_is_left(run, word)
    assert "its issuer was away meanwhile" in (apart.place / "revoked").read_text()


@pytest.mark.figures
def test_a_stop_for_an_upgrade_ends_at_once_and_no_step_under_way(apart: Apart) -> None:
    site, word = apart.site, f"u{time.time_ns()}"
    run = site.ask(word)
    wait_until(lambda: word in site.notes(), within=30)
    began = time.monotonic()
    apart.kill(signal.SIGTERM)
    assert time.monotonic() - began < 5
    apart.start()
    assert ended(site, run)["state"] == "succeeded"
    apart.nothing_is_left(run, word)


def test_what_a_killed_runner_had_in_hand_is_ended_at_once_not_only_by_the_sweep(apart: Apart) -> None:
    site, word = apart.site, f"r{time.time_ns()}"
    run = site.ask(word)
    wait_until(lambda: word in site.notes(), within=30)
    before = (apart.place / "revoked").read_text()
    site.portal.kill("runner", signal.SIGKILL)
    killed = time.monotonic()
    wait_until(lambda: apart.leases(run) == ["revoked"], within=10, pause=0.02)
    assert time.monotonic() - killed < 3, "before the silence after which a runner counts as lost"
    assert "its runner's connection was lost" in (apart.place / "revoked").read_text().removeprefix(before)
    assert ended(site, run)["state"] == "interrupted"
    site.portal.wait_for("runner")
    apart.nothing_is_left(run, word)


@pytest.mark.figures
def test_while_it_is_away_a_run_waits_in_words_and_begins_when_it_is_back(apart: Apart) -> None:
    site, word = apart.site, f"a{time.time_ns()}"
    apart.kill()
    try:
        wait_until(partial(_says_so, site), within=30, pause=0.5)
        run = site.ask(word)
        found = site.mira.good("GET", f"/api/v1/runs/{run['id']}/")
        assert found["state"] == "queued"
        assert "No runner of staging reaches its issuer" in str(found)
        time.sleep(4)
        assert site.kinds(run)[-1] == "run.queued", "nobody tries it meanwhile"
    finally:
        apart.start()
    assert ended(site, run)["state"] == "succeeded"
    apart.nothing_is_left(run, word)


def _says_so(site: Site) -> bool:
    answer = site.mira.http.get(site.portal.url + "/readyz").json()
    return any(one.endswith("does not reach the issuer of staging") for one in answer.get("issuers", []))


def test_it_holds_no_more_than_it_must(apart: Apart, figure: Callable[[str, Any], None]) -> None:
    """No port, no other socket than its own, and no memory that another process of its user could read."""
    assert apart.process is not None
    pid = apart.process.pid
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    resident = int(status["VmRSS"].split()[0])
    figure("issuer_resident_kib", resident)
    assert resident < 150 * 1024
    listening = [row.split() for row in Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]]
    mine = {str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()}
    bound = {row[-1] for row in listening if row[3] == "00010000" and f"socket:[{row[6]}]" in mine}
    assert bound == {str(apart.socket)}
    assert "secret" not in apart.log
