"""`publish:git` over SSH: a real sshd, a key that its binding lends, and a host key that must be the one pinned."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from opsportal.demo.hosts import Host
from procedures.actions.publish import PublishGit, host_and_path
from procedures.credentials.git_key import GitKey
from procedures.domain.clock import now
from procedures.domain.definition import CredentialNeed
from procedures.domain.ids import uuid7
from procedures.domain.ports import ActionResult, Binding, Lease, RunContext, Workspace
from procedures.domain.repositories import RepositoryRefused
from procedures.domain.secrets import Secret
from tests.actions.calls import Collected, call
from tests.fixtures.counterparts import need


@dataclass(slots=True)
class Place:
    """A git host over SSH with one bare repository, and a run's workspace with one file."""

    host: Host
    folder: Path
    space: Workspace

    @property
    def url(self) -> str:
        return f"ssh://{self.host.account}@127.0.0.1:{self.host.port}{self.host.home}/repo.git"

    def lease(self, **ceiling: Any) -> Lease:
        """What the provider gives for a binding that pins this host, unless told otherwise."""
        private = Secret((self.folder / "plain").read_bytes())
        given = {"secret": "deploy", "host": f"127.0.0.1:{self.host.port}", "host_key": self.host.host_key, **ceiling}
        binding = Binding("development", "git", "git-key", self.host.account, given, 300, {}, "sha256:x")
        context = RunContext(
            uuid7(), 1, "publish", 1, "p", "sha256:x", "development", "q", (), "r", now() + timedelta(minutes=1)
        )
        need_git = CredentialNeed("git", "git", {}, 300)
        provider = GitKey(lambda environment, name: private)
        return provider.issue(context, need_git, binding, uuid7(), at=now(), ttl_s=300)

    def publish(self, lease: Lease | None = None, **given: Any) -> tuple[ActionResult, Collected]:
        io = Collected()
        asked = call(
            input={"remoteUrl": self.url, **given},
            lease=lease or self.lease(),
            workspace=self.space,
            networks=("127.0.0.0/8",),
        )
        return PublishGit().run(asked, io), io


@pytest.fixture
def place(host_number: int, tmp_path: Path) -> Iterator[Place]:
    need("sshd")
    folder = Path(tempfile.mkdtemp(prefix="opsportal-git-", dir="/var/tmp"))
    folder.chmod(0o711)
    host = Host("git-01", folder / "git-01", 107 + host_number)
    host.start()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "plain")], check=True)
    host.trust(keys=(folder / "plain.pub").read_text())
    bare = host.home / "repo.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(bare)], check=True)
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", f"{host.uid}:{host.uid}", str(bare)], check=True)
    space = Workspace(tmp_path / "files", tmp_path / "published")
    space.files.mkdir()
    space.published.mkdir()
    (space.files / "README.md").write_text("here\n")
    yield Place(host, folder, space)
    host.stop()


def pushed(place: Place) -> str:
    words = ["git", "-c", "safe.directory=*", "-C", str(place.host.home / "repo.git"), "show", "main:README.md"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def test_a_workspace_is_pushed_with_the_key_that_was_lent(place: Place) -> None:
    result, io = place.publish()
    assert result.outcome == "succeeded", (result.message, io.out)
    assert pushed(place) == "here\n"
    assert result.output["remoteUrl"] == place.url
    assert not [p for p in place.space.published.iterdir() if p.suffix], "the key's file is gone"


def test_another_host_key_is_refused_and_nothing_is_sent(place: Place) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place.folder / "other")], check=True)
    other = " ".join((place.folder / "other.pub").read_text().split()[:2])
    result, _ = place.publish(place.lease(host_key=other))
    assert result.outcome == "failed"
    assert "Accepted publickey" not in place.host.log
    assert pushed(place) == ""


def test_a_key_goes_to_its_own_host_alone(place: Place) -> None:
    result, _ = place.publish(place.lease(host="127.0.0.1:1"))
    assert result.facts == {"refused": "publish.credential-elsewhere"}
    result, _ = place.publish(remoteUrl=f"https://127.0.0.1:{place.host.port}/repo.git")
    assert result.facts == {"refused": "publish.credential-elsewhere"}


def test_an_account_in_the_address_is_not_believed(place: Place) -> None:
    """Who logs in is the binding's word; the address that a step names says the host and the path."""
    result, _ = place.publish(remoteUrl=place.url.replace(f"{place.host.account}@", "root@"))
    assert result.outcome == "succeeded"
    assert f"Accepted publickey for {place.host.account}" in place.host.log


@pytest.mark.parametrize(
    "url",
    [
        "ssh://git@host/../x",
        "ssh://-oProxyCommand=x@host/x",
        "ssh://git@-oProxyCommand=x/x",
        "ssh://git@host/x y",
        "git@host:x",
        "/srv/git/x",
        "file:///srv/git/x",
        "http://host/x",
        "https://user@host/x",
        "https://host",
        "https://host/../x",
        "ext::sh -c id",
    ],
)
def test_an_address_is_a_host_and_a_path(url: str) -> None:
    with pytest.raises(RepositoryRefused):
        host_and_path(url)
