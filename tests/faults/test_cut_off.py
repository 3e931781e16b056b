"""Two hosts in network namespaces of their own, one of them cut off in the middle of a step."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from opsportal.demo.company import Company
from opsportal.supervisor.portal import Portal
from tests.actions.calls import processes
from tests.faults.chaos import NotedHost, accept, bundle
from tests.faults.test_faults import ENDED, wait_until
from tests.fixtures.counterparts import need

YAML = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: slow}
spec:
  owner: group:default/x
  type: operation
  risk: moderate
  environments: [staging]
  timeout: 2m
  parameters: {properties: {word: {type: string, title: Word, maxLength: 100, default: x}}}
  targets: {filter: "role=web", strategy: {mode: parallel, maxFailures: 2}}
  credentials: {deploy: {kind: ssh, ttl: 2m}}
  steps:
    - {id: slow, action: "ssh:script", credentials: [deploy], timeout: 12s, input: {script: note.sh}}
"""
SCRIPT = 'echo "begun $PARAM_WORD" >>"$HOME/notes"\nsleep 6\necho "done $PARAM_WORD" >>"$HOME/notes"\n'
pytestmark = [pytest.mark.once, pytest.mark.figures, pytest.mark.timeout(600)]


def ip(*words: str) -> None:
    """Root alone may do this; where it cannot be done the test fails, and says why."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr.strip()} (uid {os.geteuid()})"


@dataclass(slots=True)
class Net:
    """A network namespace with one cable to this machine."""

    name: str
    number: int

    @property
    def cable(self) -> str:
        return f"ops{os.getpid() % 10_000}v{self.number}"

    @property
    def address(self) -> str:
        return f"10.213.{self.number}.2"

    def make(self) -> None:
        ip("netns", "add", self.name)
        ip("link", "add", self.cable, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        ip("address", "add", f"10.213.{self.number}.1/24", "dev", self.cable)
        ip("link", "set", self.cable, "up")
        for words in (("address", "add", f"{self.address}/24", "dev", "eth0"), ("link", "set", "eth0", "up")):
            ip("-n", self.name, *words)

    def cut(self) -> None:
        ip("link", "set", self.cable, "down")

    def mend(self) -> None:
        ip("link", "set", self.cable, "up")

    def drop(self) -> None:
        subprocess.run(["ip", "netns", "delete", self.name], capture_output=True, check=False)


@contextmanager
def nets(*numbers: int) -> Iterator[list[Net]]:
    made = [Net(f"opsportal-{os.getpid()}-{number}", number) for number in numbers]
    try:
        for net in made:
            net.make()
        yield made
    finally:
        for net in made:
            net.drop()


@pytest.fixture
def town(host_number: int) -> Iterator[tuple[Portal, Company, list[Net], list[NotedHost]]]:
    need("sshd")
    folder = Path(tempfile.mkdtemp(prefix="opsportal-cut-", dir="/var/tmp"))
    folder.chmod(0o711)
    with nets(1, 2) as made:
        hosts = [
            NotedHost(
                f"web-0{net.number}",
                folder / f"web-0{net.number}",
                104 + net.number + host_number,
                port=2222,
                address=net.address,
                within=("ip", "netns", "exec", net.name),
            )
            for net in made
        ]
        portal = Portal(folder / "portal", environ={"OPSPORTAL_RUNNER_ADDRESS": "10.213.0.0/16"})
        try:
            for host in hosts:
                host.start()
            portal.start()
            yield portal, furnished(portal, hosts, folder), made, hosts
        finally:
            portal.stop()
            for host in hosts:
                host.stop()


def furnished(portal: Portal, hosts: list[NotedHost], folder: Path) -> Company:
    from tests.faults.chaos import furnish

    company = furnish(portal, hosts, folder)
    version = company["adam"].good("POST", "/api/v1/versions/", files={"bundle": ("b.tar.gz", bundle(YAML, SCRIPT))})
    accept(company["mira"], version)
    return company


def test_the_cut_off_host_ends_in_the_truth_and_the_other_is_not_touched(
    town: tuple[Portal, Company, list[Net], list[NotedHost]], figure: Callable[[str, Any], None]
) -> None:
    _, company, (_, second), hosts = town
    mira, word = company["mira"], f"cut{time.time_ns()}"
    wish = {"procedure": "slow", "environment": "staging", "reason": "a cut", "parameters": {"word": word}}
    run = mira.good("POST", "/api/v1/runs/", wish)
    wait_until(lambda: all(f"begun {word}" in host.notes for host in hosts), within=60)
    began = time.monotonic()
    second.cut()
    wait_until(lambda: mira.good("GET", f"/api/v1/runs/{run['id']}/")["state"] in ENDED, within=90, pause=0.5)
    took = time.monotonic() - began
    tasks = {row["target"]: row for row in mira.good("GET", f"/api/v1/runs/{run['id']}/tasks/")["results"]}
    assert tasks["web-01"]["state"] == "succeeded"
    assert (tasks["web-02"]["state"], tasks["web-02"]["remote"]) == ("timed_out", "unknown")
    second.mend()

    def known() -> bool:
        rows = mira.good("GET", f"/api/v1/runs/{run['id']}/tasks/")["results"]
        return {row["target"]: row["remote"] for row in rows}["web-02"] == "dead"

    wait_until(known, within=120, pause=0.5)
    assert processes(word) == []
    assert hosts[1].notes.count(f"begun {word}") == 1
    figure("cut_off", {"told_after_s": round(took, 1), "known_dead_after_s": round(time.monotonic() - began, 1)})
