"""`fs:rename`, `fs:delete` and `debug:log`: the run's workspace, put in order and looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from procedures.actions import workspace
from procedures.domain import expressions
from procedures.domain.errors import OpsError
from procedures.domain.expressions import text_of
from procedures.domain.ports import Action, ActionCall, ActionIO, ActionResult

PATH = {"type": "string", "minLength": 1, "maxLength": 1000}
SHOWN = 20_000


class _Files(Action):
    shares_files: ClassVar[bool] = True

    def run(self, call: ActionCall, io: ActionIO) -> ActionResult:
        try:
            self.act(call, io)
        except OpsError as problem:
            io.write("system", (problem.message + "\n").encode())
            return ActionResult("failed", message=problem.message, facts={"refused": problem.code})
        return ActionResult("succeeded")

    def act(self, call: ActionCall, io: ActionIO) -> None:
        raise OpsError("An action without an effect.")


def _path_problem(pointer: str, text: Any) -> list[tuple[str, str]]:
    if expressions.has_expression(str(text)):
        return []
    try:
        workspace.clean(str(text))
    except OpsError as problem:
        return [(pointer, problem.message)]
    return []


class FsRename(_Files):
    """Files and folders get other names."""

    id: ClassVar[str] = "fs:rename"
    summary: ClassVar[str] = "Renames files and folders of the run's workspace."
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["files"],
        "additionalProperties": False,
        "properties": {
            "files": {
                "type": "array",
                "maxItems": 500,
                "items": {
                    "type": "object",
                    "required": ["from", "to"],
                    "additionalProperties": False,
                    "properties": {"from": PATH, "to": PATH, "overwrite": {"type": "boolean"}},
                },
            }
        },
    }

    def check(self, input: Mapping[str, Any], files: Mapping[str, bytes]) -> list[tuple[str, str]]:
        rows = enumerate(input.get("files") or [])
        return [
            problem
            for number, row in rows
            if isinstance(row, Mapping)
            for key in ("from", "to")
            for problem in _path_problem(f"/files/{number}/{key}", row.get(key, ""))
        ]

    def plan(self, call: ActionCall) -> Mapping[str, Any]:
        return {"renames": [dict(row) for row in call.input["files"]]}

    def act(self, call: ActionCall, io: ActionIO) -> None:
        root = call.shared().files
        for row in call.input["files"]:
            old, new = workspace.inside(root, str(row["from"])), workspace.inside(root, str(row["to"]))
            if root in (old, new) or not old.exists():
                raise workspace.PathRefused(f"There is no {row['from']} in the workspace.")
            if new == old or old in new.parents:
                raise workspace.PathRefused(f"{row['to']} lies within {row['from']}.")
            if new.exists() and not row.get("overwrite"):
                raise workspace.PathRefused(f"{row['to']} stands already.")
            if new.exists():
                workspace.delete(new)
            new.parent.mkdir(parents=True, exist_ok=True)
            old.rename(new)
            io.write("stdout", f"{row['from']} is now {row['to']}\n".encode())


class FsDelete(_Files):
    """Files and folders are taken away, by name or by pattern."""

    id: ClassVar[str] = "fs:delete"
    summary: ClassVar[str] = "Deletes files and folders of the run's workspace."
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["files"],
        "additionalProperties": False,
        "properties": {"files": {"type": "array", "maxItems": 500, "items": PATH}},
    }

    def check(self, input: Mapping[str, Any], files: Mapping[str, bytes]) -> list[tuple[str, str]]:
        rows = enumerate(input.get("files") or [])
        return [problem for number, text in rows for problem in _path_problem(f"/files/{number}", text)]

    def plan(self, call: ActionCall) -> Mapping[str, Any]:
        return {"deletes": list(call.input["files"])}

    def act(self, call: ActionCall, io: ActionIO) -> None:
        root = call.shared().files
        for text in call.input["files"]:
            pattern = workspace.glob(workspace.clean(str(text)))
            for path, place in list(workspace.listed(root)):
                if pattern.fullmatch(path):
                    workspace.delete(place)
                    io.write("stdout", f"{path} is deleted\n".encode())


class DebugLog(_Files):
    """What stands in the workspace, in the log."""

    id: ClassVar[str] = "debug:log"
    summary: ClassVar[str] = "Writes a message, and what the run's workspace holds, into the log."
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "message": {},
            "listWorkspace": {"enum": [True, False, "with-filenames", "with-contents"]},
            "extra": {},
        },
    }

    def plan(self, call: ActionCall) -> Mapping[str, Any]:
        return {"says": call.input.get("message", ""), "lists": call.input.get("listWorkspace", False)}

    def act(self, call: ActionCall, io: ActionIO) -> None:
        for key in ("message", "extra"):
            if key in call.input:
                io.write("stdout", (text_of(call.input[key]) + "\n").encode())
        if wanted := call.input.get("listWorkspace"):
            for path, place in workspace.listed(call.shared().files):
                io.write("stdout", f"{path}, {place.stat().st_size:,} bytes\n".encode())
                if wanted == "with-contents":
                    io.write("stdout", place.read_bytes()[:SHOWN] + b"\n")
