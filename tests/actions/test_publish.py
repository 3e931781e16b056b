"""Publishing for real: a repository made over REST, pushed by git, read back by cloning, and registered."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from procedures.actions.catalog import CatalogRegister, CatalogWrite
from procedures.actions.publish import PublishGit, PublishGithub, PublishGithubPullRequest
from procedures.domain.clock import now
from procedures.domain.ids import uuid7
from procedures.domain.ports import ActionCall, ActionResult, Lease, Workspace
from procedures.domain.repositories import RepositoryRefused, base_problem, repository
from procedures.domain.secrets import Secret
from tests.actions.calls import Collected, call
from tests.fixtures.forge import TOKEN, Forge, forge

HERE = ("127.0.0.0/8",)
ENTITY = b"apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: payments}\nspec: {type: service}\n"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Forge]:
    with forge(tmp_path / "forge") as here:
        yield here


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    found = Workspace(tmp_path / "ws" / "files", tmp_path / "ws" / "published")
    found.files.mkdir(parents=True)
    found.published.mkdir()
    (found.files / "catalog-info.yaml").write_bytes(ENTITY)
    (found.files / "bin").mkdir()
    (found.files / "bin" / "run.sh").write_bytes(b"#!/bin/sh\necho hi\n")
    return found


def lease(host: Forge, *, name: str = "github.com", token: str = TOKEN, **changes: Any) -> Lease:
    told = {"host": name, "user": "x-access-token", "git": host.git, "api": host.api, **changes}
    return Lease(
        id=uuid7(),
        provider="git-token",
        target=None,
        handle="token:github",
        issued_at=now(),
        expires_at=now(),
        renewable=False,
        self_expiring=False,
        kills_sessions=False,
        evidence=told,
        material={"token": Secret(token)},
    )


def asked(space: Workspace, host: Forge, **changes: Any) -> ActionCall:
    given = {"repoUrl": "github.com?owner=acme&repo=payments", "description": "Pays"}
    base = {"input": given, "workspace": space, "lease": lease(host), "networks": HERE}
    return call(**{**base, **changes})


def github(one: ActionCall) -> tuple[ActionResult, Collected]:
    io = Collected()
    return PublishGithub().run(one, io), io


def test_a_repository_is_made_pushed_and_cloned_again(host: Forge, space: Workspace, tmp_path: Path) -> None:
    result, io = github(asked(space, host))
    assert result.outcome == "succeeded", (result.message, io.out)
    assert result.output["remoteUrl"] == "https://github.com/acme/payments.git"
    assert result.output["repoContentsUrl"] == "https://github.com/acme/payments/blob/main"
    clone = host.clone("acme", "payments", tmp_path / "clone")
    assert (clone / "catalog-info.yaml").read_bytes() == ENTITY
    assert (clone / "bin" / "run.sh").stat().st_mode & 0o111, "a program stays a program"
    method, path, _, value = host.requests[-1]
    assert (method, path) == ("POST", "/api/v3/orgs/acme/repos")
    assert value == {"name": "payments", "private": True, "visibility": "private", "description": "Pays"}
    head = subprocess.run(["git", "-C", str(clone), "rev-parse", "HEAD"], capture_output=True, check=True, text=True)
    assert result.output["commitHash"] == head.stdout.strip() == result.facts["commit"]


def test_the_token_is_in_no_output_and_in_no_argument(host: Forge, space: Workspace, monkeypatch: Any) -> None:
    words: list[str] = []
    real = subprocess.Popen.__init__

    def seen(self: Any, args: Any, *more: Any, **kw: Any) -> None:
        words.extend(map(str, args))
        real(self, args, *more, **kw)

    monkeypatch.setattr(subprocess.Popen, "__init__", seen)
    result, io = github(asked(space, host))
    assert result.outcome == "succeeded"
    assert "push" in words
    assert not any(TOKEN in word or "Authorization" in word for word in words)
    assert TOKEN not in str(io.out) + str(result.output) + str(result.facts)
    assert io.secrets, "what stands in the header is masked too"


def test_a_credential_goes_to_its_own_host_alone(host: Forge, space: Workspace) -> None:
    other = asked(space, host, input={"repoUrl": "evil.example?owner=acme&repo=payments"})
    result, _ = github(other)
    assert result.facts == {"refused": "publish.credential-elsewhere"}
    assert host.requests == []


def test_an_address_that_the_environment_does_not_list_is_not_reached(host: Forge, space: Workspace) -> None:
    result, _ = github(asked(space, host, networks=()))
    assert result.facts == {"refused": "http.address-refused"}
    assert host.requests == []


def test_plain_http_is_for_this_machine_alone(host: Forge, space: Workspace) -> None:
    for url in ("http://github.com", "https://user@github.com", "ftp://x", "https://github.com/x?a=b"):
        assert base_problem(url)
    for place in ("git", "api"):
        result, _ = github(asked(space, host, lease=lease(host, **{place: "http://github.example"})))
        assert result.outcome == "failed"
        assert result.facts == {"refused": "publish.credential-elsewhere"}


def test_a_name_that_is_taken_is_the_hosts_own_word(host: Forge, space: Workspace) -> None:
    host.bare("acme", "payments")
    result, _ = github(asked(space, host))
    assert "name already exists" in result.message


def test_a_wrong_token_makes_nothing(host: Forge, space: Workspace) -> None:
    result, _ = github(asked(space, host, lease=lease(host, token="wrong-token-000")))
    assert "401" in result.message
    assert not (host.folder / "acme").exists()


@pytest.mark.parametrize(
    "text",
    [
        "github.com?owner=acme&repo=x&owner=evil",
        "github.com?owner=acme&repo=../x",
        "github.com?owner=acme&repo=-x",
        "github.com?owner=acme&repo=x.git",
        "github.com?repo=x",
        "user@github.com?owner=acme&repo=x",
        "github.com/evil?owner=acme&repo=x",
        "github.com?owner=a/b&repo=x",
        "",
        None,
    ],
)
def test_a_value_widens_no_repository(text: Any) -> None:
    with pytest.raises(RepositoryRefused):
        repository(text)


def test_a_branch_that_exists_is_not_overwritten(host: Forge, space: Workspace, tmp_path: Path) -> None:
    given = {"remoteUrl": f"{host.git}/acme/x.git"}
    host.bare("acme", "x")
    place = lease(host, name=f"127.0.0.1:{host.port}")
    io = Collected()
    first = PublishGit().run(asked(space, host, input=given, lease=place), io)
    assert first.outcome == "succeeded", (first.message, io.out)
    (space.files / "other").write_text("x")
    other = Workspace(space.files, tmp_path / "second")
    again = PublishGit().run(asked(other, host, input=given, lease=place), Collected())
    assert again.outcome == "failed"
    assert not (host.clone("acme", "x", tmp_path / "clone") / "other").exists()


def test_a_pull_request_stands_on_what_is_there(host: Forge, space: Workspace, tmp_path: Path) -> None:
    assert github(asked(space, host))[0].outcome == "succeeded"
    (space.files / "more.txt").write_text("more")
    given = {
        "repoUrl": "github.com?owner=acme&repo=payments",
        "branchName": "add-more",
        "title": "More",
        "description": "of it",
        "targetPath": "docs",
    }
    result = PublishGithubPullRequest().run(asked(space, host, input=given), Collected())
    assert result.outcome == "succeeded", result.message
    assert result.output == {
        "remoteUrl": "https://github.com/acme/payments/pull/41",
        "pullRequestNumber": 41,
        "targetBranchName": "main",
    }
    assert host.pulls == [{"title": "More", "head": "add-more", "base": "main", "body": "of it", "draft": False}]
    clone = host.clone("acme", "payments", tmp_path / "clone", "add-more")
    assert (clone / "docs" / "more.txt").read_text() == "more"
    assert (clone / "catalog-info.yaml").exists(), "what stood on the branch is still there"
    log = subprocess.run(["git", "-C", str(clone), "log", "--oneline"], capture_output=True, check=True, text=True)
    assert len(log.stdout.splitlines()) == 2


def test_what_was_published_is_registered_and_nothing_else(host: Forge, space: Workspace) -> None:
    published, _ = github(asked(space, host))
    (space.files / "catalog-info.yaml").write_text("kind: changed after the push")
    given = {"repoContentsUrl": published.output["repoContentsUrl"], "catalogInfoPath": "/catalog-info.yaml"}
    result = CatalogRegister().run(asked(space, host, input=given), Collected())
    assert result.outcome == "succeeded", result.message
    assert result.output["entityRef"] == "component:default/payments"
    assert result.output["catalogInfoUrl"] == "https://github.com/acme/payments/blob/main/catalog-info.yaml"
    assert result.facts["entities"] == ["component:default/payments"]
    assert [one.document["spec"] for one in result.described] == [{"type": "service"}]
    assert result.facts["commit"] == published.output["commitHash"]
    elsewhere = {"repoContentsUrl": "https://github.com/acme/other/blob/main"}
    refused = CatalogRegister().run(asked(space, host, input=elsewhere), Collected())
    assert "No step of this run published" in refused.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"kind: Component\nmetadata: {name: x}\n", "apiVersion is missing"),
        (
            b"apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: '${{ values.name }}'}\n",
            "placeholder",
        ),
        (b"a: [1\n", "line 2"),
        (b"", "describes nothing"),
        (b"- 1\n", "is an object"),
        (ENTITY + b"---\n" + ENTITY, "twice"),
    ],
)
def test_a_descriptor_that_describes_nothing_is_refused(host: Forge, space: Workspace, text: bytes, said: str) -> None:
    (space.files / "catalog-info.yaml").write_bytes(text)
    published, _ = github(asked(space, host))
    given = {"repoContentsUrl": published.output["repoContentsUrl"]}
    result = CatalogRegister().run(asked(space, host, input=given), Collected())
    assert result.outcome == "failed"
    assert said in result.message


def test_a_descriptor_that_need_not_be_there(host: Forge, space: Workspace) -> None:
    published, _ = github(asked(space, host))
    given = {"repoContentsUrl": published.output["repoContentsUrl"], "catalogInfoPath": "all.yaml"}
    assert CatalogRegister().run(asked(space, host, input=given), Collected()).outcome == "failed"
    good = CatalogRegister().run(asked(space, host, input={**given, "optional": True}), Collected())
    assert good.outcome == "succeeded"


def test_a_descriptor_is_written(host: Forge, space: Workspace) -> None:
    entity = {"apiVersion": "backstage.io/v1alpha1", "kind": "API", "metadata": {"name": "pay", "namespace": "team"}}
    result = CatalogWrite().run(asked(space, host, input={"entity": entity, "filePath": "a/b.yaml"}), Collected())
    assert result.output == {"entityRef": "api:team/pay"}
    assert b"kind: API" in (space.files / "a" / "b.yaml").read_bytes()


def test_a_push_is_stopped_within_a_second(host: Forge, space: Workspace) -> None:
    io = Collected()
    listener = socket.create_server(("127.0.0.1", 0))
    silent = f"http://127.0.0.1:{listener.getsockname()[1]}"
    one = asked(space, host, lease=lease(host, git=silent))
    found: list[ActionResult] = []
    worker = threading.Thread(target=lambda: found.append(PublishGithub().run(one, io)))
    worker.start()
    time.sleep(0.5)
    io.cancelled.set()
    worker.join(1.5)
    assert [result.outcome for result in found] == ["canceled"]
    listener.close()


def test_where_it_goes_is_known_when_the_plan_is_made(space: Workspace, host: Forge) -> None:
    late = {"repoUrl": "github.com?owner=acme&repo=${{ steps.a.output.name }}"}
    assert PublishGithub().check(late, {})[0][0] == "/repoUrl"
    plan = PublishGithub().plan(asked(space, host))
    assert plan["makes"] == "https://github.com/acme/payments"
    assert plan["branch"] == "main"
    assert CatalogRegister().check({"repoContentsUrl": "https://github.com/acme/x"}, {})
    assert not CatalogRegister().check({"repoContentsUrl": "${{ steps.publish.output.repoContentsUrl }}"}, {})
