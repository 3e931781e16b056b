"""Every action with every field of it that takes a value, and which hostile values it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from procedures.definitions import registry
from tests.actions.hostile_files import (
    catalog_path,
    catalog_register,
    catalog_write,
    debug_log,
    fetch_name,
    fetch_target,
    fetch_template,
    fs_delete,
    fs_rename,
    git_address,
    git_author,
    git_branch,
    git_mail,
    git_message,
    git_source,
    github_address,
    github_texts,
    pull_branch,
    pull_request,
)
from tests.actions.hostile_programs import (
    http_auth,
    http_body,
    http_header,
    http_url,
    local_command,
    local_script,
    local_word_alone,
    local_words,
    sql_name,
    sql_values,
    ssh_command,
    ssh_copy,
    ssh_mode,
    ssh_script,
    ssh_words,
)
from tests.actions.hostile_town import ALL, CONTROLS, LEAVES, Town, act
from tests.actions.hostile_values import VALUES, E, Row, rendered


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
