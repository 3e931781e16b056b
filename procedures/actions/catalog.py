"""`catalog:write` and `catalog:register`: a descriptor written into the workspace, and one that was really published.

Registering reads the descriptor out of the very commit that a step of this run pushed; nothing is fetched. The engine
puts what is described into the catalogue, each entity with the digest of its bytes, the commit and its place.
"""

from __future__ import annotations

import math
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
from procedures.domain.ports import Action, ActionCall, ActionIO, ActionResult, Described
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
        found = described(path, data)
        refs = list(found)
        place, mark, commit = _url(contents, path), sha256_hex(data), push.tip(folder)
        io.write("stdout", "".join(f"{ref} is registered\n" for ref in refs).encode())
        return ActionResult(
            "succeeded",
            output={"entityRef": refs[0], "entityRefs": refs, "catalogInfoUrl": place},
            facts={"entities": refs, "descriptor": place, "descriptor_sha256": mark, "commit": commit},
            described=tuple(Described(ref, place, mark, commit, value) for ref, value in found.items()),
        )


def described(path: str, data: bytes) -> dict[str, Any]:
    """Every entity of a descriptor by its reference. Raises EntityRefused with the line that YAML names."""
    try:
        documents = load_all(data)
    except ImportRefused as problem:
        raise EntityRefused(f"{path}, line {problem.line}: {problem.message}") from problem
    if not documents:
        raise EntityRefused(f"{path} describes nothing.")
    found: dict[str, Any] = {}
    for document in documents:
        value = plain(document.value)
        ref = entities.reference(value)
        if ref in found:
            raise EntityRefused(f"{path} describes {ref} twice.")
        found[ref] = value
    return found


def plain(value: Any) -> Any:
    """A value as JSON knows it; dates and what else YAML has become text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    kept = value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))
    return value if kept else str(value).replace("\x00", "\u2400")


def _path(call: ActionCall) -> Any:
    given = call.input.get("catalogInfoPath") or DEFAULT
    return given if isinstance(given, Unresolved) else workspace.clean(str(given).lstrip("/"))


def _url(contents: str, path: str) -> str:
    return f"{contents.rstrip('/')}/{path}"
