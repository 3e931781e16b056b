"""Repositories elsewhere, by TLS and SSH, and what becomes of one: gone, empty, renamed, shared, large."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opsportal.demo.hosts import Host
from procedures.domain.clock import now
from procedures.git import call
from procedures.models import Source, SourceFinding
from procedures.services import sources
from tests.factories.repositories import PROCEDURE, Remote, git
from tests.fixtures.counterparts import need
from tests.fixtures.forge import forge as code_host
from tests.services.forge import Forge

pytestmark = pytest.mark.ordinary


def told() -> list[str]:
    return [Source.objects.get(name="repo").problem, *SourceFinding.objects.values_list("message", flat=True)]


def test_a_procedure_at_the_root_of_its_repository_is_a_version(forge: Forge) -> None:
    Source.objects.update(path="")
    (forge.remote.work / "procedure.yaml").write_text(PROCEDURE.format(name="whole", word="hi"))
    (forge.remote.work / "README.md").write_text("x\n")
    commit = forge.remote.commit("the whole repository")
    forge.remote.push()
    made = forge.look()
    assert told() == [""]
    [version] = made
    assert (version.procedure.name, version.origin["commit"], version.note) == ("whole", commit, "the whole repository")
    assert forge.authors(version) >= {"olga"}


def test_a_branch_that_is_gone_is_told_and_takes_nothing_away(forge: Forge) -> None:
    version = forge.pushed()
    git(forge.remote.bare, "branch", "-m", "main", "trunk")
    assert forge.look() == []
    assert "main" in told()[0]
    version.refresh_from_db()
    assert version.state == "in_review"
    git(forge.remote.bare, "branch", "-m", "trunk", "main")
    assert (forge.look(), told()) == ([], [""])


def test_an_empty_repository_is_told_in_words(forge: Forge) -> None:
    assert forge.look() == []
    assert "main" in told()[0]


def test_a_renamed_folder_is_no_new_version_and_keeps_its_authors(forge: Forge) -> None:
    forge.someone("mallory")
    forge.someone("bob")
    forge.pushed("greet", who="mallory", pusher="mallory")
    git(forge.remote.work, "mv", "procedures/greet", "procedures/moved")
    commit = forge.remote.commit("move", who="bob")
    forge.remote.push()
    forge.named("bob", commit)
    assert forge.look() == []
    place = forge.remote.work / "procedures/moved/README.md"
    place.write_text("other\n")
    commit = forge.remote.commit("other words", who="bob")
    forge.remote.push()
    forge.named("bob", commit)
    [version] = forge.look()
    assert forge.authors(version) >= {"mallory", "bob"}


def test_two_sources_of_one_procedure_do_not_chase_each_other(forge: Forge, tmp_path: Path) -> None:
    forge.pushed("greet", "one")
    other = Remote.make(tmp_path / "second")
    forge.world.confirmed(
        "source",
        {
            "name": "second",
            "url": str(other.bare),
            "branch": "main",
            "path": "procedures",
            "group": "",
            "owner": str(forge.owner.subject),
            "action": "set",
        },
    )
    other.write("greet", "two")
    other.commit()
    other.push()
    for _ in range(3):  # a procedure has one home, and the second source takes nothing of it
        assert forge.look() == []
        assert sources.look(name="second", at=now()) == []


def test_ten_thousand_files_take_seconds(forge: Forge) -> None:
    script = ["commit refs/heads/main", "committer A <a@example.com> 1700000000 +0000", "data 1", "x"]
    for number in range(10_000):
        script += [f"M 100644 inline src/{number % 100}/{number}.txt", "data 2", "x", ""]
    for number in range(40):
        text = PROCEDURE.format(name=f"p{number}", word="x")
        script += [f"M 100644 inline procedures/p{number}/procedure.yaml", f"data {len(text)}", text]
        script += [f"M 100644 inline procedures/p{number}/README.md", "data 1", "x"]
    words = ["git", "-C", str(forge.remote.bare), "fast-import", "--quiet"]
    subprocess.run(words, input="\n".join(script).encode() + b"\n", check=True)
    began = time.monotonic()
    assert (len(forge.look()), forge.look(), told()) == (40, [], [""])
    assert time.monotonic() - began < 30, "about 3 s on two cores"


@pytest.fixture
def tls(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1, and its key."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days"]
    more = ["2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*words, *more, *files], check=True, capture_output=True)
    return certificate, key


def test_a_repository_over_https_is_read_from_a_real_git_server(
    forge: Forge, tls: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with code_host(tmp_path / "served", tls=tls, public=True) as host:
        place = host.bare("acme", "ops")
        Source.objects.update(url=f"{host.git}/acme/ops.git")
        forge.remote.write("greet")
        commit = forge.remote.commit()
        git(forge.remote.work, "push", "-q", str(place), "HEAD:main")
        assert forge.look() == [], "a certificate that nobody vouches for"
        assert "certificate" in told()[0]
        monkeypatch.setattr(call, "SAFE", (*call.SAFE, ("http.sslCAInfo", str(tls[0]))))
        [version] = forge.look()
        assert version.origin["link"] == f"{host.git}/acme/ops/commit/{commit}"


@pytest.fixture
def ssh_host(host_number: int) -> Iterator[Host]:
    need("sshd")
    folder = Path(tempfile.mkdtemp(prefix="opsportal-source-", dir="/var/tmp"))
    folder.chmod(0o711)
    host = Host("git-01", folder / "git-01", 107 + host_number)
    host.start()
    yield host
    host.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_repository_over_ssh_is_read_with_the_sources_own_key_from_a_known_host_alone(
    forge: Forge, ssh_host: Host, tmp_path: Path, settings: Any
) -> None:
    settings.OPSPORTAL_DATA_DIR = tmp_path / "its data"
    forge.remote.write("greet")
    forge.remote.commit()
    forge.remote.push()
    bare = ssh_host.home / "ops.git"
    shutil.copytree(forge.remote.bare, bare)
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", f"{ssh_host.uid}:{ssh_host.uid}", str(bare)], check=True)
    Source.objects.update(url=f"ssh://{ssh_host.account}@127.0.0.1:{ssh_host.port}{bare}")
    key = sources.repository_of(Source.objects.get()).ssh_key
    assert key is not None
    key.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    ssh_host.trust(keys=key.with_suffix(".key.pub").read_text())
    assert forge.look() == [], "a host that nobody named is not learned"
    assert "git fetch" in told()[0]
    assert "Accepted publickey" not in ssh_host.log
    known = key.with_suffix(".known_hosts")
    known.write_text(f"[127.0.0.1]:{ssh_host.port} {ssh_host.host_key}\n")
    assert ([v.procedure.name for v in forge.look()], told()) == (["greet"], [""])
    assert "Accepted publickey" in ssh_host.log
