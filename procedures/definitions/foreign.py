"""An action of another package: its code runs in a fresh cell for each call, never in a process of ours (H4).

A cell sees Python, the installed packages, the domain's code and what the call hands over; no key, no database, no
broker, nobody's home, no other process, and no network unless the class says `network = True`. The bytes that run are
a copy of those that were hashed for the mark.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint
from typing import Any, ClassVar

import jsonschema_rs

from procedures.definitions import packages
from procedures.definitions.answers import Answers
from procedures.definitions.asking import ChildFailed, answer, asked, in_cell
from procedures.domain import carrying, plan
from procedures.domain.carrying import Malformed
from procedures.domain.definition import RISKS
from procedures.domain.errors import OpsError
from procedures.domain.ports import Action, ActionCall, ActionIO, ActionResult
from procedures.domain.secrets import Secret
from procedures.sandbox import run as sandbox
from procedures.sandbox.cgroup import lent
from procedures.sandbox.limits import Limits

ID = re.compile(r"[a-z][a-z0-9-]{0,40}:[a-z][a-z0-9-]{0,60}(:[a-z][a-z0-9-]{0,60})?")
OVERRIDES = frozenset({"check", "copies", "command_sha256"})


class NotUsable(OpsError):
    """What another package offers as an action is none that this portal runs."""

    code = "action.not-usable"
    next_step = "Report it to whoever made the package, or uninstall it."


class Foreign(Action):
    """Stands for the action in our processes. Its class attributes are what the action said of itself when asked."""

    point: ClassVar[EntryPoint]
    mark: ClassVar[str]
    sandboxed: ClassVar[bool] = True
    network: ClassVar[bool]
    overrides: ClassVar[frozenset[str]]

    def check(self, input: Mapping[str, Any], files: Mapping[str, bytes]) -> list[tuple[str, str]]:
        if "check" not in self.overrides:
            return []
        try:
            found = self._asked("check", input, files)
            return [(str(pointer), str(message)) for pointer, message in found]
        except (OpsError, TypeError, ValueError) as problem:
            return [("", f"{self.id} could not check its input: {problem}")]

    def copies(self, input: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(map(str, self._asked("copies", input))) if "copies" in self.overrides else ()

    def command_sha256(self, call: ActionCall, salt: str) -> str | None:
        if "command_sha256" not in self.overrides:
            return None
        found = self._asked("command_sha256", replace(call, workspace=None), salt)
        if found is not None and not (isinstance(found, str) and re.fullmatch("[0-9a-f]{64}", found)):
            raise Malformed(f"{self.id} gave no SHA-256 of what it would send.")
        return found

    def plan(self, call: ActionCall) -> Mapping[str, Any]:
        """What it would do. The values of secrets stay here: what is shown to people does not hang on them."""
        hidden = {name: Secret(b"") for name in call.secret_env}
        stdin = Secret(b"") if call.stdin else None
        found = plan.plain(self._asked("plan", replace(call, secret_env=hidden, stdin=stdin, lease=None)))
        if not isinstance(found, dict) or not carrying.is_json(found):
            raise Malformed(f"{self.id} gave no plan.")
        return found

    def _asked(self, ask: str, *given: Any) -> Any:
        return asked(self.point, self.mark, self.id, ask, given)

    def run(self, call: ActionCall, io: ActionIO) -> ActionResult:
        heard = Answers(self.id, io)
        facts = {"sandbox": "A" if lent() else "B", "sandbox_reported_by": "runner", "package": self.mark}
        limits = Limits.of(call.limits)
        try:
            given = carrying.packed([replace(call, workspace=None)])
            ended = in_cell(self.point, self.mark, "run", given, heard, call.seconds_left, limits, network=self.network)
            if not heard.broken and ended.why != "exit":
                return _cut_off(ended, facts)
            result = carrying.result(answer(self.id, heard, ended, call.seconds_left))
        except (Malformed, ChildFailed) as problem:
            told = f"{problem.message}\n"
            io.write("system", told.encode())
            return ActionResult(
                "failed", facts=facts | {"refused": problem.code}, message=problem.message, remote="dead"
            )
        return replace(result, facts={**result.facts, **facts})


def described(point: EntryPoint) -> Foreign:
    """The action behind an entry point, as it describes itself in a cell. Raises NotUsable, ChildFailed, Malformed."""
    found = packages.mark(point)
    said = asked(point, found, "", "describe", ())
    if not isinstance(said, dict) or (wrong := _wrong(said)):
        raise NotUsable(f"{point.value} cannot be used: {wrong if isinstance(said, dict) else 'it says nothing'}.")
    kinds = frozenset(said.pop("credential_kinds"))
    overrides = frozenset(said.pop("overrides"))
    if said["network"]:
        said["floor"] = max(said["floor"], "moderate", key=RISKS.index)
    own = {"point": point, "mark": found, "credential_kinds": kinds, "overrides": overrides}
    made: Foreign = type("Foreign", (Foreign,), {**said, **own})()
    return made


def _wrong(said: Mapping[str, Any]) -> str:
    """What is wrong with a description, or ""."""
    texts = {"id": str, "summary": str, "floor": str, "input_schema": dict, "output_schema": dict}
    switches = dict.fromkeys(("per_target", "gate", "keeps_artifacts", "shares_files", "network"), bool)
    lists = {"credential_kinds": list, "overrides": list}
    kinds: dict[str, type] = {**texts, **switches, **lists}
    if set(said) != set(kinds) or any(type(said[name]) is not kind for name, kind in kinds.items()):
        return "its class lacks something, or has it in another type than it must"
    if not ID.fullmatch(said["id"]):
        return f"{said['id']!r:.80} is no id of an action"
    if said["gate"] or said["shares_files"]:
        return "an action of another package is no gate, and shares no files with other steps"
    if said["floor"] not in RISKS or not set(said["overrides"]) <= OVERRIDES:
        return "its floor is no risk"
    if not all(isinstance(kind, str) for kind in said["credential_kinds"]):
        return "its credential kinds are no texts"
    try:
        jsonschema_rs.validator_for(said["input_schema"], offline=True)
    except ValueError:
        return "its input schema is none"
    return "" if carrying.is_json([said["input_schema"], said["output_schema"]]) else "its schemas are no JSON"


def _cut_off(ended: sandbox.Ended, facts: Mapping[str, Any]) -> ActionResult:
    if ended.why == "timeout":
        return ActionResult("timed_out", facts=facts, remote="dead", message="It took longer than its timeout.")
    return ActionResult("canceled", facts=facts, remote="dead", message="Canceled.")
