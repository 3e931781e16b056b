"""From an empty portal and hosts with one plain key to certificates, by the commands of the handbook's page alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from opsportal.supervisor.portal import Portal
from tests.factories.plain_hosts import PlainHost
from tests.fixtures.counterparts import need

PAGE = Path(__file__).resolve().parents[2] / "opsportal" / "handbook" / "targets.md"
TYPED = re.compile(r"^(?P<who>mira|jonas)\$ (?:(?P<name>[A-Z]+)=\$\((?P<inner>.*)\)|(?P<words>.*))$")
WAITS = 4


def page() -> list[str]:
    """The lines that people type, in the page's order."""
    whole = PAGE.read_text().partition("## From thirty hosts and one key to certificates")[2]
    return [line for line in whole.splitlines() if TYPED.match(line)]


def procedure() -> str:
    return PAGE.read_text().partition("look-around/procedure.yaml`:\n\n```yaml\n")[2].partition("```")[0]


@dataclass(slots=True)
class Company:
    """Two people at their terminals, their hosts and a portal. `told` is what each line said, `typed` how many."""

    portal: Portal
    folder: Path
    hosts: list[PlainHost]
    variables: dict[str, str] = field(default_factory=dict)
    told: list[tuple[str, str]] = field(default_factory=list)
    typed: int = 0

    def home(self, who: str) -> Path:
        return self.folder / "people" / who

    def environ(self, who: str) -> dict[str, str]:
        inherited = {
            k: v for k, v in os.environ.items() if not k.startswith(("OPSPORTAL_", "DJANGO_", "PYTEST_", "SSH_"))
        }
        commands = self.folder / "bin"
        return {
            **inherited,
            **self.variables,
            "HOME": str(self.home(who)),
            "KEY": str(self.home(who) / ".ssh" / "id_ed25519"),
            "PATH": f"{commands}:{inherited['PATH']}",
            "OPSPORTAL_URL": self.portal.url,
        }

    def types(self, line: str) -> str:
        """One line of the page; it must end 0, or 4 where it says that somebody else must approve."""
        match = TYPED.match(line)
        assert match is not None, line
        who, words = match["who"], match["inner"] or match["words"]
        began = time.monotonic()
        done = self.runs(who, words)
        line = f"{line}   # {time.monotonic() - began:.1f} s"
        self.typed += 1
        self.told.append((line, done.stdout + done.stderr))
        fine = {0, WAITS} if " run " in f" {words} " and "--detach" in words else {0}
        assert done.returncode in fine, f"{line}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        if match["name"]:
            self.variables[match["name"]] = done.stdout.strip()
        return done.stdout + done.stderr

    def runs(self, who: str, words: str) -> subprocess.CompletedProcess[str]:
        """Whatever it ends with."""
        where: dict[str, Any] = {"env": self.environ(who), "cwd": self.home(who), "check": False}
        return subprocess.run(["sh", "-c", words], capture_output=True, text=True, **where)

    def opens(self, host: PlainHost, key: Path, account: str) -> bool:
        """Whether a key logs in there, with nothing between."""
        words = ["ssh", "-F", "/dev/null", "-i", str(key), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
        words += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-p", str(host.port)]
        return subprocess.run([*words, f"{account}@{host.address}", "true"], capture_output=True).returncode == 0

    def accepted(self) -> list[set[str]]:
        """Of each host, the kinds of key with which `deploy` was let in."""
        found = re.compile(r"Accepted publickey for deploy from \S+ port \d+ ssh2: (\S+)")
        return [set(found.findall(host.log)) for host in self.hosts]


def key_at(place: Path) -> str:
    place.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place)], check=True)
    return place.with_name(place.name + ".pub").read_text()


@pytest.fixture
def company(host_number: int, sized: int) -> Iterator[Company]:
    need("sshd"), need("ssh"), need("ssh-keygen")
    with tempfile.TemporaryDirectory(prefix="opsportal-hosts-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        homes = folder / "people"
        deploy, root = key_at(homes / "mira" / ".ssh" / "deploy"), key_at(homes / "mira" / ".ssh" / "root")
        hosts = []
        for number in range(sized):
            address = f"127.{20 + host_number % 200}.0.{number + 1}"
            hosts.append(PlainHost(f"web-{number + 1:02}", folder / f"h{number}", 2 * host_number + number, address))
            hosts[-1].lay(deploy=deploy, root=root)
        for who in ("mira", "jonas"):
            key_at(homes / who / ".ssh" / "id_ed25519")
            (homes / who / "password").write_text("practice makes perfect\n")
        (homes / "mira" / "hosts.txt").write_text("".join(f"{h.name} ansible_host={h.address}\n" for h in hosts))
        (homes / "mira" / "procedures" / "look-around").mkdir(parents=True)
        (homes / "mira" / "procedures" / "look-around" / "procedure.yaml").write_text(procedure())
        (homes / "mira" / "procedures" / "look-around" / "README.md").write_text("Looks around.\n")
        (folder / "bin").mkdir()
        (folder / "bin" / "opsportal").write_text(f'#!/bin/sh\nexec {sys.executable} -m opsportal.cli.main "$@"\n')
        (folder / "bin" / "opsportal").chmod(0o755)
        portal = Portal(folder / "portal", environ={"OPSPORTAL_RUNNER_ADDRESS": "127.0.0.0/8"})
        made = Company(portal, folder, hosts)
        try:
            for host in hosts:
                host.start()
            for host in hosts:
                host.wait()
            portal.start()
            made.variables = {"LINK": str(portal.first_link), "RUNNER": "127.0.0.1", "PYTHONPATH": str(PAGE.parents[2])}
            yield made
        finally:
            portal.stop()
            for host in hosts:
                host.stop()
            if os.environ.get("OPSPORTAL_TOLD"):
                Path(os.environ["OPSPORTAL_TOLD"]).write_text("\n".join(f"$ {a}\n{b}" for a, b in made.told))


@pytest.fixture
def sized(request: pytest.FixtureRequest) -> int:
    return 30 if request.config.getoption("--all") else 6


@pytest.mark.once
@pytest.mark.timeout(900)
def test_the_page_brings_every_host_from_one_plain_key_to_certificates(
    company: Company, figure: Callable[[str, Any], None]
) -> None:
    began = time.monotonic()
    for line in page():
        if "by certificate" in line:
            nothing_is_closed_unproved(company)
        said = company.types(line)
        assert "logs" not in line or "succeeded" in said, said[-2000:]
        if line.endswith("logs 1 --follow"):
            assert company.accepted() == [{"ED25519"}] * len(company.hosts)
            figure("from nothing to a green run", {"commands": company.typed, "s": round(time.monotonic() - began)})
        if line.endswith("logs 2 --follow"):
            assert "proved     20" in company.types("mira$ opsportal target show web-01")
    figure("and to certificates", {"commands": company.typed, "s": round(time.monotonic() - began)})
    assert company.accepted() == [{"ED25519", "ED25519-CERT"}] * len(company.hosts)
    old, root = company.home("mira") / ".ssh" / "deploy", company.home("mira") / ".ssh" / "root"
    assert not any(company.opens(host, old, account) for host in company.hosts for account in ("deploy", "root"))
    assert company.opens(company.hosts[0], root, "root"), "the people's own way in stays"
    twice(company)
    one_that_is_down(company)


def nothing_is_closed_unproved(company: Company) -> None:
    """The level is confirmed and no run has got through yet: the key stays."""
    upgrade = next(line for line in page() if "target upgrade --environment" in line).partition("$ ")[2]
    rows = json.loads(company.runs("mira", f"{upgrade} --json").stdout)["results"]
    assert {row["state"] for row in rows} == {"waits"}
    assert company.opens(company.hosts[1], company.home("mira") / ".ssh" / "deploy", "deploy")


def twice(company: Company) -> None:
    """What was done is found to be done."""
    imported = next(line for line in page() if "target import" in line).partition("$ ")[2]
    rows = json.loads(company.runs("mira", f"{imported} --json").stdout)
    assert {row["outcome"] for row in rows} == {"the same already"}
    upgrade = next(line for line in page() if "target upgrade --environment" in line).partition("$ ")[2]
    rows = json.loads(company.runs("mira", f"{upgrade} --json").stdout)["results"]
    assert {row["state"] for row in rows} == {"done"}


def one_that_is_down(company: Company) -> None:
    """It is named with the next step, the others are looked at all the same, and the exit status says it."""
    company.hosts[1].stop()
    line = "opsportal target check --environment production --identity ~/.ssh/root"
    done = company.runs("mira", f"{line} --json")
    rows = {row["target"]: row for row in json.loads(done.stdout)["results"]}
    assert (done.returncode, [name for name, row in rows.items() if not row["well"]]) == (1, ["web-02"])
    assert (rows["web-02"]["lines"][0]["state"], len(rows)) == ("unreached", len(company.hosts))
    told = company.runs("mira", line).stdout
    assert "NOT WELL  web-02" in told, told
    assert f"{len(company.hosts) - 1} well" in told, told
