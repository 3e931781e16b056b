"""The script for root on a host: all of it or nothing, twice as once, the lower level until it is closed; and back."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from opsportal.cli import host_checks, onboarding
from opsportal.cli.hosts import Login, NotReached, run_on
from procedures.ssh.authority import load_ca
from tests.factories.plain_hosts import CONFIG, PlainHost
from tests.fixtures.counterparts import need
from tests.inventories.conftest import host_key


@dataclass(slots=True)
class Known:
    """A host, the keys of its account and of root, and what its portal wants there."""

    host: PlainHost
    keys: Path
    wanted: onboarding.Need

    @property
    def row(self) -> dict[str, object]:
        return {"address": self.host.address, "port": self.host.port, "public_host_key": self.host.host_key}

    def run(self, text: str) -> subprocess.CompletedProcess[str]:
        return run_on(self.row, Login("root", self.keys / "root"), text)

    def brings(self, **changes: object) -> subprocess.CompletedProcess[str]:
        return self.run(onboarding.script(replace(self.wanted, **changes)))  # type: ignore[arg-type]

    def opens(self, key: str = "deploy") -> bool:
        try:
            return run_on(self.row, Login("deploy", self.keys / key), "exit 0").returncode == 0
        except NotReached:
            return False

    def files(self) -> dict[str, bytes]:
        place = self.host.etc / "ssh"
        return {str(p.relative_to(place)): p.read_bytes() for p in sorted(place.rglob("*")) if p.is_file()}

    def shut(self) -> bool:
        """The account's plain key opens nothing any more, once sshd has read its configuration again."""
        end = time.monotonic() + 10
        while self.opens() and time.monotonic() < end:
            time.sleep(0.1)
        return not self.opens()

    def missing(self, **changes: object) -> list[str]:
        wanted = replace(self.wanted, **changes)  # type: ignore[arg-type]
        said = self.run(host_checks.probe(wanted)).stdout
        return [line.what for line in host_checks.read(said, wanted) if line.state != "ok"]


@pytest.fixture
def folder() -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="opsportal-script-", dir="/var/tmp"))
    place.chmod(0o711)
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def known(folder: Path, host_number: int, config: str) -> Iterator[Known]:
    need("sshd"), need("ssh")
    for name in ("deploy", "root", "signed"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    load_ca(folder / "ca")
    host = PlainHost("web-01", folder / "host", 39 + 2 * host_number, f"127.{20 + host_number % 200}.9.1")
    host.lay(deploy=(folder / "deploy.pub").read_text(), root=(folder / "root.pub").read_text(), config=config)
    host.start()
    host.wait()
    public = (folder / "signed.pub").read_text().strip()
    authority = (folder / "ca.pub").read_text().strip()
    wanted = onboarding.Need("web-01", "deploy", authority, public=public, source="127.0.0.1", closed=False)
    yield Known(host, folder, wanted)
    host.stop()


@pytest.fixture
def config() -> str:
    return CONFIG


def test_a_level_comes_beside_the_lower_one_is_closed_and_can_be_taken_back(known: Known) -> None:
    done = known.brings()
    assert (done.returncode, known.opens(), known.missing()) == (0, True, []), done.stderr
    before = known.files()
    again = known.brings()
    assert (again.returncode, known.files()) == (0, before)
    assert "it is so already" in again.stderr
    assert known.host.log.count("Server listening") <= 2, "reloaded once"
    done = known.brings(closed=True)
    assert (done.returncode, known.shut(), known.missing(closed=True)) == (0, True, []), done.stderr
    back = known.run("sh /etc/ssh/opsportal/back")
    assert (back.returncode, known.missing()) == (0, []), back.stderr
    end = time.monotonic() + 10  # sshd reads its configuration again when it comes to it
    while not known.opens() and time.monotonic() < end:
        time.sleep(0.1)
    assert known.opens()


def test_from_key_to_restricted_to_certificate_the_lower_level_works_until_it_is_closed(known: Known) -> None:
    assert known.brings(level="restricted").returncode == 0
    assert (known.opens(), known.missing(level="restricted")) == (True, [])
    assert known.brings(level="restricted", closed=True).returncode == 0
    assert (known.shut(), known.missing(level="restricted", closed=True)) == (True, [])
    assert known.brings().returncode == 0
    assert (known.missing(level="restricted"), known.missing()) == ([], []), "both are let in now"
    assert known.brings(closed=True).returncode == 0
    assert known.missing(closed=True) == []
    assert known.missing(level="restricted") == [
        "/etc/ssh/opsportal/keys/deploy holds the restricted key, and sshd reads it"
    ]


def test_what_fails_on_the_way_leaves_everything_as_it_was(known: Known) -> None:
    before = known.files()
    done = known.brings(sudo=("not a rule ((",))
    assert (done.returncode, known.files(), known.opens()) == (1, before, True), done.stderr
    assert "nothing was changed" in done.stderr
    text = onboarding.script(known.wanted).replace("reload || fail", "kill -TERM $$; sleep 5; reload || fail")
    done = known.run(text)
    assert (done.returncode != 0, known.files(), known.opens()) == (True, before, True), "cut off before the reload"


class TestAnotherConfiguration:
    @pytest.fixture
    def config(self) -> str:
        return CONFIG.partition("\n")[2]

    def test_an_sshd_that_does_not_read_the_folder_is_told_how_and_nothing_stays(self, known: Known) -> None:
        before = known.files()
        done = known.brings()
        assert (done.returncode, known.files(), known.opens()) == (1, before, True)
        assert (
            "put `Include /etc/ssh/sshd_config.d/*.conf` at the top of sshd_config: nothing was changed" in done.stderr
        )


def test_who_is_not_root_changes_nothing_and_a_host_with_another_key_is_not_entered(known: Known) -> None:
    text = onboarding.script(known.wanted)
    done = run_on(known.row, Login("deploy", known.keys / "deploy"), text)
    assert (done.returncode, done.stderr.strip()) == (1, "opsportal: run this as root: nothing was changed")
    with pytest.raises(NotReached, match="was not reached"):
        run_on({**known.row, "public_host_key": host_key()}, Login("root", known.keys / "root"), text)


def test_a_key_that_still_opens_another_account_is_named(known: Known) -> None:
    old = (known.keys / "deploy.pub").read_text()
    assert known.brings(closed=True).returncode == 0
    wanted = replace(known.wanted, closed=True)

    def last() -> host_checks.Line:
        said = known.run(host_checks.probe(wanted, old=old)).stdout
        return list(host_checks.read(said, wanted, old=old))[-1]

    assert last().state == "ok"
    place = known.host.folder / "root" / ".ssh" / "authorized_keys"
    place.write_text(place.read_text() + old)
    assert (last().state, "still opens root" in last().next_step) == ("missing", True)
