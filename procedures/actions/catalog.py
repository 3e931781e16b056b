"""`catalog:write` and `catalog:register`: a descriptor written into the workspace, and one that was really published.

Registering reads the descriptor out of the very commit that a step of this run pushed; nothing is fetched. The entity's
reference, the digest of its bytes, the commit and its place go into evidence with the task's result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import yaml

from procedures.actions import reach, workspace
from procedures.actions.git_remote import repository_folder
from procedures.definitions.unfold import load_all
from procedures.domain import entities, expressions
from procedures.domain.canonical import sha256_hex
from procedures.domain.entities import EntityRefused
from procedures.domain.expressions import Unresolved
from procedures.domain.importing import ImportRefused
from procedures.domain.ports import Action, ActionCall, ActionIO, ActionResult
from procedures.git import push

DEFAULT = "catalog-info.yaml"
MAX_BYTES = 256 * 1024
PATH = {"type": "string", "minLength": 1, "maxLength": 1000}


class CatalogWrite(Action):
    """A descriptor made of values."""

    id: ClassVar[str] = "catalog:write"
    summary: ClassVar[str] = "Writes a catalogue descriptor into the run's workspace."
    shares_files: ClassVar[bool] = True
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["entity"],
        "additionalProperties": False,
        "properties": {"filePath": PATH, "entity": {"type": "object"}},
    }

    def plan(self, call: ActionCall) -> Mapping[str, Any]:
        return {"writes": call.input.get("filePath", DEFAULT), "entity": call.input["entity"]}

    def run(self, call: ActionCall, io: ActionIO) -> ActionResult:
        return reach.told(io, lambda: self._write(call, io))

    def _write(self, call: ActionCall, io: ActionIO) -> ActionResult:
        ref = entities.reference(call.input["entity"])
        data = yaml.safe_dump(call.input["entity"], sort_keys=False, allow_unicode=True).encode()
        path = str(call.input.get("filePath") or DEFAULT)
        workspace.require_room(call.shared().files, 1, len(data))
        workspace.write(call.shared().files, path, data)
        io.write("stdout", f"{path} describes {ref}\n".encode())
        return ActionResult("succeeded", output={"entityRef": ref})


class CatalogRegister(Action):
    """A descriptor of a repository that this run published."""

    id: ClassVar[str] = "catalog:register"
    summary: ClassVar[str] = "Registers the entities that a repository published by this run describes."
    shares_files: ClassVar[bool] = True
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["repoContentsUrl"],
        "additionalProperties": False,
        "properties": {
            "repoContentsUrl": {"type": "string", "minLength": 1, "maxLength": 2000},
            "catalogInfoPath": PATH,
            "optional": {"type": "boolean"},
        },
    }
    output_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {
            "entityRef": {"type": "string"},
            "entityRefs": {"type": "array", "items": {"type": "string"}},
            "catalogInfoUrl": {"type": "string"},
        },
    }

    def check(self, input: Mapping[str, Any], files: Mapping[str, bytes]) -> list[tuple[str, str]]:
        url = str(input.get("repoContentsUrl", ""))
        names = expressions.names_used(url)
        if not names or not expressions.parse(url).whole or any(path[0] != "steps" for path in names):
            said = "Only what a step of this run published can be registered: ${{ steps.<id>.output.repoContentsUrl }}."
            return [("/repoContentsUrl", said)]
        return []

    def plan(self, call: ActionCall) -> Mapping[str, Any]:
        return {"registers": _path(call), "of": call.input["repoContentsUrl"]}

    def run(self, call: ActionCall, io: ActionIO) -> ActionResult:
        return reach.told(io, lambda: self._register(call, io))

    def _register(self, call: ActionCall, io: ActionIO) -> ActionResult:
        contents, path = str(call.input["repoContentsUrl"]), _path(call)
        folder = repository_folder(call, contents)
        if not folder.is_dir():
            raise EntityRefused(f"No step of this run published {contents}.")
        data = push.blob(folder, path, limit=MAX_BYTES)
        if data is None and call.input.get("optional"):
            io.write("stdout", f"{path} is not there, and need not be\n".encode())
            return ActionResult("succeeded", output={"catalogInfoUrl": _url(contents, path)})
        if data is None:
            raise EntityRefused(f"{contents} holds no {path}.")
        refs = references(path, data)
        io.write("stdout", "".join(f"{ref} is registered\n" for ref in refs).encode())
        return ActionResult(
            "succeeded",
            output={"entityRef": refs[0], "entityRefs": refs, "catalogInfoUrl": _url(contents, path)},
            facts={
                "entities": refs,
                "descriptor": _url(contents, path),
                "descriptor_sha256": sha256_hex(data),
                "commit": push.tip(folder),
            },
        )


def references(path: str, data: bytes) -> list[str]:
    """The references of every entity of a descriptor. Raises EntityRefused with the line that YAML names."""
    try:
        documents = load_all(data)
    except ImportRefused as problem:
        raise EntityRefused(f"{path}, line {problem.line}: {problem.message}") from problem
    if not documents:
        raise EntityRefused(f"{path} describes nothing.")
    return [entities.reference(document.value) for document in documents]


def _path(call: ActionCall) -> Any:
    given = call.input.get("catalogInfoPath") or DEFAULT
    return given if isinstance(given, Unresolved) else workspace.clean(str(given).lstrip("/"))


def _url(contents: str, path: str) -> str:
    return f"{contents.rstrip('/')}/{path}"
