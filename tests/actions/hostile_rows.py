"""What each action makes of a hostile value: against real shells, hosts, servers, databases and repositories."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

import yaml

from procedures.definitions import registry
from procedures.domain.ports import ActionCall, ActionResult, Lease, Workspace
from tests.actions.calls import Collected
from tests.actions.hostile_values import VALUES, E, Refused, Row, good, rendered
from tests.actions.test_http import Seen
from tests.actions.test_publish import lease
from tests.fixtures.forge import Forge
from tests.postgres.conftest import Shop
from tests.ssh.conftest import Place

HERE = ("127.0.0.0/8",)
ECHO = 'printf "%s\\0%s\\0" "$V" "$PARAM_S"; cat'
WITH_FILE = ECHO + '; printf "\\0"; cat "$OPSPORTAL_PARAMETERS"'
ALL = frozenset(VALUES)
LEAVES = frozenset({"dots", "absolute"})
CONTROLS = frozenset(name for name, value in VALUES.items() if any(ord(c) < 32 or ord(c) == 127 for c in value))


@dataclass(slots=True)
class Town:
    """Everything that a step may meet."""

    host: Place
    server: Seen
    shop: Shop
    reader: Lease
    forge: Forge
    folder: Path

    def space(self) -> Workspace:
        """An empty workspace with one file, and a file beside it that nobody may touch."""
        shutil.rmtree(self.folder / "ws", ignore_errors=True)
        found = Workspace(self.folder / "ws" / "files", self.folder / "ws" / "published")
        found.files.mkdir(parents=True)
        found.published.mkdir()
        (found.files / "here.txt").write_bytes(b"here")
        (self.folder / "ws" / "passwd").write_bytes(b"outside")
        return found


def act(call: ActionCall, action: str) -> tuple[ActionResult, Collected]:
    io = Collected()
    return good(registry.actions()[action].run(call, io)), io


def three(out: bytes) -> dict[str, str]:
    """Environment, parameter's variable, standard input and the file of parameters, as a script told them."""
    names = ("env", "PARAM_S", "stdin", "parameters file")
    found = dict(zip(names, out.decode().split("\0"), strict=False))
    if "parameters file" in found:
        found["parameters file"] = json.loads(found["parameters file"])["s"]
    return found


# local and ssh ---------------------------------------------------------------------------------------------------


def local_words(town: Town, value: str) -> dict[str, str]:
    call = rendered("local:command", {"argv": ["printf", "%s", "--", E]}, value)
    return {"argv": act(call, "local:command")[1].text.removeprefix("--")}


def local_word_alone(town: Town, value: str) -> dict[str, str]:
    call = rendered("local:command", {"argv": ["printf", "%s", E]}, value)
    return {"argv": act(call, "local:command")[1].text}


def local_command(town: Town, value: str) -> dict[str, str]:
    call = rendered("local:command", {"argv": ["sh", "-c", WITH_FILE], "env": {"V": E}, "stdin": E}, value)
    return three(act(call, "local:command")[1].out["stdout"])


def local_script(town: Town, value: str) -> dict[str, str]:
    given = {"script": "s.sh", "env": {"V": E}, "stdin": E}
    call = rendered("local:script", given, value, files={"s.sh": WITH_FILE.encode()})
    return three(act(call, "local:script")[1].out["stdout"])


def over_ssh(host: Place, action: str, given: Mapping[str, Any], value: str, **files: bytes) -> bytes:
    named = {name.replace("_", "."): content for name, content in files.items()}
    call = rendered(action, given, value, files=named, target=host.target)
    call = replace(call, lease=host.lease(registry.actions()[action], call))
    return act(call, action)[1].out.get("stdout", b"")


def ssh_words_of(host: Place, value: str) -> dict[str, str]:
    out = over_ssh(host, "ssh:command", {"argv": ["printf", "%s", "--", E]}, value)
    return {"argv": out.decode().removeprefix("--")}


def ssh_words(town: Town, value: str) -> dict[str, str]:
    return ssh_words_of(town.host, value)


def ssh_command(town: Town, value: str) -> dict[str, str]:
    given = {"argv": ["sh", "-c", ECHO], "env": {"V": E}, "stdin": E}
    return three(over_ssh(town.host, "ssh:command", given, value))


def ssh_script_of(host: Place, value: str) -> dict[str, str]:
    given = {"script": "s.sh", "env": {"V": E}, "stdin": E}
    return three(over_ssh(host, "ssh:script", given, value, s_sh=WITH_FILE.encode()))


def ssh_script(town: Town, value: str) -> dict[str, str]:
    return ssh_script_of(town.host, value)


def ssh_copy(town: Town, value: str) -> dict[str, str]:
    """The name of a file below a folder of the host; what is found there afterwards is the value."""
    folder = town.host.host.home / "copied"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    over_ssh(town.host, "ssh:copy", {"file": "f", "to": f"{folder}/{E}"}, value, f=b"content")
    names = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    return {"to": names[0] if len(names) == 1 else repr(names)}


def ssh_mode(town: Town, value: str) -> dict[str, str]:
    over_ssh(town.host, "ssh:copy", {"file": "f", "to": f"{town.host.host.home}/moded", "mode": E}, value, f=b"content")
    return {"mode": "it was taken"}


# http and sql ----------------------------------------------------------------------------------------------------


def http(town: Town, value: str, **given: Any) -> tuple[str, str, dict[str, str], bytes]:
    before = len(town.server.requests)
    call = rendered("http:request", {"url": town.server.url("/x"), **given}, value)
    try:
        act(replace(call, networks=HERE), "http:request")
    except Refused:
        assert len(town.server.requests) == before, "it was sent all the same"
        raise
    assert len(town.server.requests) == before + 1, "one request became several"
    return town.server.requests[-1]


def http_url(town: Town, value: str) -> dict[str, str]:
    _, path, _, _ = http(town, value, url=town.server.url(f"/a/{E}/z?q={E}&w=1"))
    parts = urlsplit(path)
    return {"path": unquote(parts.path.split("/")[2]), "query": parse_qs(parts.query, keep_blank_values=True)["q"][0]}


def http_body(town: Town, value: str) -> dict[str, str]:
    as_json = http(town, value, method="POST", json={"k": [E]})[3]
    return {"json": json.loads(as_json)["k"][0], "body": http(town, value, method="POST", body=E)[3].decode()}


def http_header(town: Town, value: str) -> dict[str, str]:
    headers = http(town, value, headers={"x-s": E})[2]
    return {"header": headers["x-s"].encode("latin-1").decode()}


def http_auth(town: Town, value: str) -> dict[str, str]:
    headers = http(town, value, env={"T": E}, auth={"env": "T", "header": "x-token"})[2]
    return {"auth": headers["x-token"].encode("latin-1").decode()}


def sql(town: Town, value: str, **given: Any) -> Any:
    call = rendered("sql:query", given, value)
    result, _ = act(replace(call, networks=HERE, lease=town.reader), "sql:query")
    return result.output["rows"][0]


def sql_values(town: Town, value: str) -> dict[str, str]:
    found = sql(
        town,
        value,
        query="SELECT $1::text AS a, $2::jsonb AS j, $3::text AS e",
        parameters=[E, {"k": E}, {"env": "V"}],
        env={"V": E},
    )
    return {"text": found["a"], "json": found["j"]["k"], "env": found["e"]}


def sql_name(town: Town, value: str) -> dict[str, str]:
    found = sql(town, value, query="SELECT 1 AS {name}", identifiers={"name": E})
    return {"identifier": next(iter(found))}


# the workspace and what is published -----------------------------------------------------------------------------


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


# what only waits or calls ----------------------------------------------------------------------------------------


def planned(action: str, key: str, given: Mapping[str, Any]) -> Row:
    """An action that runs nothing: the value stands in the plan as it is."""

    def send(town: Town, value: str) -> dict[str, str]:
        found: Any = registry.actions()[action].plan(rendered(action, given, value))
        for part in key.split("."):
            found = found[part]
        return {key: found}

    return Row(key, send)


def todo(town: Town, value: str) -> dict[str, str]:
    act(rendered("todo:replace", {"was": E}, value), "todo:replace")
    return {"was": "it did something"}


def as_path(value: str) -> str:
    """A path as every system reads it: empty parts and single dots say nothing."""
    return "/".join(part for part in value.split("/") if part not in {"", "."})


def descriptor(value: str) -> str:
    return as_path(value) or "catalog-info.yaml"


def in_name(value: str) -> str:
    return as_path(f"n{value}.txt").removeprefix("n").removesuffix(".txt")


UNPRINTABLE = frozenset(name for name, value in VALUES.items() if not value.isprintable())
NESTED = frozenset(name for name, value in VALUES.items() if "/" in value)  # no such folder on the host
PATHS = LEAVES | CONTROLS | {"backslash", "git folder", "huge"}
IN_NAME = PATHS - {"absolute", "git folder"}
MARKED = frozenset(name for name, value in VALUES.items() if {"<", ">"} & set(value))
DASHED = frozenset({"dash", "option", "dashes"})
ROWS: Mapping[str, tuple[Row, ...]] = {
    "local:command": (
        Row("argv after --", local_words),
        Row("argv", local_word_alone, DASHED),
        Row("environment, input", local_command),
    ),
    "local:script": (Row("environment, input", local_script),),
    "ssh:command": (Row("argv after --", ssh_words), Row("environment, input", ssh_command)),
    "ssh:script": (Row("environment, input", ssh_script),),
    "ssh:copy": (Row("to", ssh_copy, LEAVES | UNPRINTABLE | NESTED | {"empty", "huge"}), Row("mode", ssh_mode, ALL)),
    "http:request": (
        Row("url", http_url, frozenset({"huge"})),
        Row("body", http_body),
        Row("headers", http_header, CONTROLS),
        Row("auth", http_auth, CONTROLS),
    ),
    "sql:query": (Row("values", sql_values), Row("identifier", sql_name, ALL)),
    "fetch:plain": (Row("targetPath", fetch_target, PATHS, as_path),),
    "fetch:template": (
        Row("values", fetch_template),
        Row("name of a file", fetch_name, IN_NAME, in_name),
    ),
    "fs:rename": (Row("to", fs_rename, PATHS | {"empty"}, as_path),),
    "fs:delete": (Row("files", fs_delete, PATHS),),
    "debug:log": (Row("message", debug_log),),
    "catalog:write": (
        Row("entity", catalog_write),
        Row("filePath", catalog_path, PATHS, descriptor),
    ),
    "catalog:register": (Row("repoContentsUrl", catalog_register, ALL),),
    "publish:git": (
        Row("gitCommitMessage", git_message, reads=lambda value: value.removesuffix("\n") or "initial commit"),
        Row("gitAuthorName", git_author, CONTROLS | MARKED, lambda value: value or "OpsPortal"),
        Row("gitAuthorEmail", git_mail, ALL - {"empty"}, lambda value: value or "run@opsportal.invalid"),
        Row("defaultBranch", git_branch, ALL),
        Row("remoteUrl", git_address, ALL),
        Row("sourcePath", git_source, ALL),
    ),
    "publish:github": (Row("description", github_texts), Row("repoUrl", github_address, ALL)),
    "publish:github:pull-request": (Row("title, description", pull_request), Row("branchName", pull_branch, ALL)),
    "gate:approval": (planned("gate:approval", "message", {"message": E}),),
    "gate:input": (planned("gate:input", "message", {"message": E, "form": {"properties": {}}}),),
    "gate:wait": (planned("gate:wait", "message", {"for": "1m", "message": E}),),
    "procedure:run": (planned("procedure:run", "parameters.x", {"procedure": "y", "parameters": {"x": E}}),),
    "todo:replace": (Row("was", todo, ALL),),
}
