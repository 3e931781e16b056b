"""Hostile values at files, commits and forges: what is found there afterwards."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml

from procedures.domain.ports import ActionResult, Workspace
from tests.actions.calls import Collected
from tests.actions.hostile_town import HERE, Town, act
from tests.actions.hostile_values import E, rendered
from tests.actions.test_publish import lease


def in_space(
    town: Town, action: str, given: Mapping[str, Any], value: str, **more: Any
) -> tuple[Workspace, ActionResult, Collected]:
    space = town.space()
    call = rendered(action, given, value, files=more.pop("files", {}))
    try:
        result, io = act(replace(call, workspace=space, networks=HERE, **more), action)
    finally:
        assert (town.folder / "ws" / "passwd").read_bytes() == b"outside"
        assert not (space.files / ".git").exists()
    return space, result, io


def only(space: Workspace, *known: str) -> str:
    """The one file of a workspace that was not there before."""
    names = [str(path.relative_to(space.files)) for path in space.files.rglob("*") if path.is_file()]
    found = sorted(set(names) - set(known))
    return found[0] if len(found) == 1 else repr(found)


def fetch_template(town: Town, value: str) -> dict[str, str]:
    files = {"skeleton/a.txt": b"<${{ values.name }}>", "procedure.yaml": b""}
    given = {"url": "./skeleton", "values": {"name": E}}
    space, _, _ = in_space(town, "fetch:template", given, value, files=files)
    return {"value": (space.files / "a.txt").read_bytes().decode()[1:-1]}


def fetch_name(town: Town, value: str) -> dict[str, str]:
    files = {"skeleton/n${{ values.name }}.txt": b"x", "procedure.yaml": b""}
    given = {"url": "./skeleton", "values": {"name": E}}
    space, _, _ = in_space(town, "fetch:template", given, value, files=files)
    return {"name": only(space, "here.txt").removeprefix("n").removesuffix(".txt")}


def fetch_target(town: Town, value: str) -> dict[str, str]:
    found = {}
    for action in ("fetch:plain", "fetch:template"):
        given = {"url": "./skeleton", "targetPath": E}
        space, _, _ = in_space(town, action, given, value, files={"skeleton/a.txt": b"x", "procedure.yaml": b""})
        found[action] = only(space, "here.txt").removesuffix("a.txt").removesuffix("/")
    return found


def fs_rename(town: Town, value: str) -> dict[str, str]:
    space, _, _ = in_space(town, "fs:rename", {"files": [{"from": "here.txt", "to": E}]}, value)
    return {"to": only(space)}


def fs_delete(town: Town, value: str) -> dict[str, str]:
    """A name that is there is what goes; nothing outside, and nothing of git's."""
    space, _, _ = in_space(town, "fs:delete", {"files": [E]}, value)
    return {"kept": value if (space.files / "here.txt").exists() or "*" in value else "it was deleted"}


def debug_log(town: Town, value: str) -> dict[str, str]:
    _, _, io = in_space(town, "debug:log", {"message": E}, value)
    return {"message": io.text.removesuffix("\n")}


def catalog_write(town: Town, value: str) -> dict[str, str]:
    entity = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": "x", "description": E},
        "spec": {"type": "service"},
    }
    space, _, _ = in_space(town, "catalog:write", {"entity": entity}, value)
    return {"entity": yaml.safe_load((space.files / "catalog-info.yaml").read_bytes())["metadata"]["description"]}


def catalog_path(town: Town, value: str) -> dict[str, str]:
    entity = {"apiVersion": "v1", "kind": "Component", "metadata": {"name": "x"}, "spec": {"type": "service"}}
    space, _, _ = in_space(town, "catalog:write", {"entity": entity, "filePath": E}, value)
    return {"filePath": only(space, "here.txt")}


def catalog_register(town: Town, value: str) -> dict[str, str]:
    in_space(town, "catalog:register", {"repoContentsUrl": E}, value)
    return {"repoContentsUrl": "it was taken"}


def pushed(town: Town, value: str, **given: Any) -> Path:
    """A bare repository after a push into it."""
    name = f"r{uuid4().hex[:12]}"
    bare = town.forge.bare("acme", name)
    lent = lease(town.forge, name=f"127.0.0.1:{town.forge.port}")
    base = {"remoteUrl": f"{town.forge.git}/acme/{name}", "gitCommitMessage": "m", **given}
    in_space(town, "publish:git", base, value, lease=lent)
    return bare


def git(repository: Path, *words: str) -> str:
    argv = ["git", "--git-dir", str(repository), *words]
    return subprocess.run(argv, capture_output=True, check=True).stdout.decode()


def git_message(town: Town, value: str) -> dict[str, str]:
    commit = git(pushed(town, value, gitCommitMessage=E), "cat-file", "commit", "main")
    return {"message": commit.partition("\n\n")[2].removesuffix("\n")}


def git_author(town: Town, value: str) -> dict[str, str]:
    found = pushed(town, value, gitAuthorName=E)
    return {"author": git(found, "log", "-1", "--format=%an", "main").removesuffix("\n")}


def git_mail(town: Town, value: str) -> dict[str, str]:
    found = pushed(town, value, gitAuthorEmail=E)
    return {"mail": git(found, "log", "-1", "--format=%ae", "main").removesuffix("\n")}


def git_branch(town: Town, value: str) -> dict[str, str]:
    names = git(pushed(town, value, defaultBranch=E), "for-each-ref", "--format=%(refname:short)", "refs/heads")
    return {"branch": names.removesuffix("\n")}


def git_address(town: Town, value: str) -> dict[str, str]:
    pushed(town, value, remoteUrl=E)
    return {"remoteUrl": "it was taken"}


def git_source(town: Town, value: str) -> dict[str, str]:
    pushed(town, value, sourcePath=f"here/{E}")
    return {"sourcePath": "it was taken"}


def github(town: Town, value: str, action: str, **given: Any) -> Any:
    """The body of the last request to the forge that made something."""
    base = {"repoUrl": f"github.com?owner=acme&repo=r{uuid4().hex[:12]}", **given}
    in_space(town, action, base, value, lease=lease(town.forge))
    return town.forge.requests[-1][3]


def github_texts(town: Town, value: str) -> dict[str, str]:
    return {"description": github(town, value, "publish:github", description=E).get("description", "")}


def github_address(town: Town, value: str) -> dict[str, str]:
    github(town, value, "publish:github", repoUrl=f"github.com?owner=acme&repo={E}")
    return {"repoUrl": "it was taken"}


def pull_request(town: Town, value: str) -> dict[str, str]:
    repository = f"github.com?owner=acme&repo=r{uuid4().hex[:12]}"
    github(town, "x", "publish:github", repoUrl=repository)
    more = {"branchName": "b", "title": E, "description": E, "targetPath": "docs"}
    said = github(town, value, "publish:github:pull-request", repoUrl=repository, **more)
    return {"title": said["title"], "description": said["body"]}


def pull_branch(town: Town, value: str) -> dict[str, str]:
    repository = f"github.com?owner=acme&repo=r{uuid4().hex[:12]}"
    github(town, "x", "publish:github", repoUrl=repository)
    more = {"branchName": E, "title": "t", "description": "d", "targetPath": "docs"}
    return {"branch": github(town, value, "publish:github:pull-request", repoUrl=repository, **more)["head"]}
