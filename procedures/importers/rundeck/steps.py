"""The steps of a job: commands and scripts, with error handlers and log filters; the rest is marked by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from procedures.domain.importing import MARKED
from procedures.importers.nearby import Nearby
from procedures.importers.rundeck import calls, plugins, readings
from procedures.importers.rundeck.captures import Capture
from procedures.importers.rundeck.commands import filter_told, filters_of, main_key, program_of, tell_marked, was_called
from procedures.importers.rundeck.network import reaches_out
from procedures.importers.rundeck.script_files import from_file, taken
from procedures.importers.rundeck.scripts import Built, Program, build
from procedures.importers.rundeck.source import Ledger, Path, mapping, plain, text, truth
from procedures.importers.rundeck.variables import Known, NotCarried, Variables

SSH = "ssh"
NEVER = "${{ false }}"
PROGRAM_KEYS = (
    "configuration",
    "args",
    "scriptInterpreter",
    "fileExtension",
    "interpreterArgsQuoted",
    "expandTokenInScriptFile",
)
FLAGS = ("autoSecureInput", "passSecureInput", "strategy", "enabled", "uuid")


@dataclass(slots=True)
class Draft:
    """A step on its way: the YAML of it, its file, and what it was."""

    step: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)
    was: str = ""
    original: Any = None
    path: Path = ()
    rollback: list[Draft] = field(default_factory=list)


@dataclass(slots=True)
class Sequence:
    """What all steps share. `siblings` are procedures of the same file by (group, name) and by uuid."""

    known: Known
    ledger: Ledger
    on_targets: bool
    timeout: str
    siblings: calls.Siblings
    general: list[Capture] = field(default_factory=list)
    keepgoing: bool = False
    nearby: Nearby | None = None
    ended: bool = False

    def drafts(self, commands: list[Any]) -> list[Draft]:
        found: list[Draft] = []
        for number, command in enumerate(commands):
            path: Path = ("sequence", "commands", number)
            if not isinstance(command, Mapping) or not command:
                continue
            late = self.ended
            draft = self._draft(dict(command), path, f"step{len(found) + 1}")
            if draft is not None:
                found.append(draft)
            if draft is not None and late:
                draft.step["if"] = NEVER
                self.ledger.reported((*path, main_key(command)), "an earlier step ended the job; this one never ran")
        return found

    def _draft(self, command: dict[str, Any], path: Path, step_id: str) -> Draft | None:
        name = self._name(command, path)
        handler = mapping(command.get("errorhandler"))
        was = was_called(command)
        try:
            draft = self._carried(command, path, step_id, name, handler)
        except NotCarried as problem:
            tell_marked(self.ledger, path, command, step_id, str(problem))
            draft = self.marked(
                step_id, name, was, command, path, f"Rundeck's step could not be carried over: {problem}."
            )
            self._handler_apart(draft, handler, path)
        if draft is None:
            return None
        draft.was, draft.original, draft.path = was, command, path
        if self.keepgoing and "onFailure" not in draft.step:
            draft.step["onFailure"] = "continue"
        self._rest(command, path)
        return draft

    def _carried(
        self, command: dict[str, Any], path: Path, step_id: str, name: str, handler: dict[str, Any]
    ) -> Draft | None:
        main = main_key(command)
        if main == "jobref":
            return self._call(command, path, step_id, name, handler)
        if main in {"scriptfile", "scripturl"}:
            program, place = from_file(command, main, self.nearby)
            self.ledger.say((*path, main), *taken(command[main], place))
            return self._script(command, path, step_id, name, handler, program, local=not self.on_targets)
        if main == "type":
            found = plugins.carried(command, self)
            if isinstance(found, readings.Nothing):
                for key in command:
                    self.ledger.ignored((*path, key), found.why)
                return None
            if isinstance(found, readings.Whole):
                return self._whole(found, path, step_id, name, handler)
            program, local, each = found.program, found.local or not self.on_targets, found.local and found.each
            draft = self._script(
                command, path, step_id, name, handler, program, local=local, each=each, gives=found.gives
            )
            for note in found.notes:
                self.ledger.reported((*path, "configuration"), note)
            self.ended = self.ended or found.ends
            return draft
        if main not in {"exec", "script"}:
            raise NotCarried("no kind of step is known in it")
        program = program_of(command)
        return self._script(command, path, step_id, name, handler, program, local=not self.on_targets)

    def _script(
        self,
        command: dict[str, Any],
        path: Path,
        step_id: str,
        name: str,
        handler: dict[str, Any],
        program: Program,
        *,
        local: bool,
        each: bool = False,
        gives: tuple[str, str] | None = None,
    ) -> Draft:
        places = self.on_targets and (not local or each)
        variables = Variables(self.known, on_targets=places, raw=not program.is_command)
        inner = self._inner(handler, local=local)
        captured = self._captures(command, path)
        goes_on = truth(handler.get("keepgoingOnSuccess"))
        built = build(program, variables, captures=captured, handler=(inner, goes_on) if inner else None)
        file = f"steps/{step_id}{built.end}"
        step: dict[str, Any] = {"id": step_id, "name": name, "action": "local:script" if local else "ssh:script"}
        if each and self.on_targets:
            step["each"] = "${{ targets }}"
        if not local:
            step["credentials"] = [SSH]
        step["input"] = {"script": file}
        if variables.env:
            step["input"]["env"] = dict(sorted(variables.env.items()))
        if local and reaches_out(built.content):
            step["input"]["network"] = True
        step["timeout"] = self.timeout
        self._say(command, path, file, built, variables, local=local)
        draft = Draft(step, {file: built.content.encode()})
        if handler and inner:
            self.ledger.mapped((*path, "errorhandler"), f"the last lines of {file}, run when the rest fails")
        elif handler:
            self._handler_apart(draft, handler, path)
        self._remember(step_id, captured, gives)
        return draft

    def _remember(self, step_id: str, captured: list[Capture], gives: tuple[str, str] | None) -> None:
        for one in captured:
            self.known.captures.setdefault("data", []).append((step_id, one.names))
        if gives:
            self.known.captures.setdefault(gives[0], []).append((step_id, re.compile(re.escape(gives[1]))))

    def _say(
        self, command: dict[str, Any], path: Path, file: str, built: Built, variables: Variables, *, local: bool
    ) -> None:
        main = main_key(command)
        where = "on Rundeck's server there, in the sandbox here" if local else "on each target"
        self.ledger.mapped((*path, main), f"{file}, {where}")
        for note in dict.fromkeys([*built.notes, *variables.notes]):
            self.ledger.reported((*path, main), note)
        for key in PROGRAM_KEYS:
            if key in command:
                self.ledger.mapped((*path, key), f"in {file}")

    def _inner(self, handler: dict[str, Any], *, local: bool) -> Program | None:
        """The handler as a program that can run right behind its step, or None if it has to stand apart."""
        main = main_key(handler)
        if main in {"exec", "script"}:
            return program_of(handler)
        if main != "type" or plugins.only_ends(handler):
            return None
        try:
            found = plugins.carried(handler, self)
        except NotCarried:
            return None
        if isinstance(found, readings.Nothing | readings.Whole) or (found.local and not local) or found.ends:
            return None
        return found.program

    def _handler_apart(self, draft: Draft, handler: dict[str, Any], path: Path) -> None:
        """A handler that cannot stand in its step's file becomes a marked step of the rollback."""
        if not handler:
            return
        here: Path = (*path, "errorhandler")
        step_id = f"{draft.step['id']}_handler"
        if plugins.only_ends(handler):
            draft.step |= {"onFailure": "fail"} if self.keepgoing else {}
            self.ledger.mapped(here, "a step that fails ends the run, as it did there")
            return
        if plugins.goes_on(handler) and truth(handler.get("keepgoingOnSuccess")):
            draft.step["onFailure"] = "continue"
            self.ledger.mapped(here, "onFailure: continue")
            return
        why = "Rundeck ran it when that step failed; write it into the step, or keep it in the rollback."
        marked = self.marked(
            step_id, f"When {draft.step['id']} fails", f"errorhandler {was_called(handler)}", handler, here, why
        )
        marked.was, marked.original, marked.path = f"errorhandler {was_called(handler)}", handler, here
        draft.rollback.append(marked)
        draft.step["onFailure"] = "rollback"
        self.ledger.reported(here, f"the marked step {step_id} of the rollback")

    def _call(self, command: dict[str, Any], path: Path, step_id: str, name: str, handler: dict[str, Any]) -> Draft:
        asked = mapping(command["jobref"])
        step_input, notes = calls.call(asked, self.known, self.siblings, on_targets=self.on_targets)
        self.ledger.mapped((*path, "jobref"), f"calls the procedure {step_input['procedure']}")
        for key in asked:
            fate, said = calls.TOLD.get(key, ("reported", f"{key} has no counterpart in a call"))
            self.ledger.say((*path, "jobref", key), fate, said)
        for key, note in notes:
            self.ledger.reported((*path, "jobref", key), note)
        step = {"id": step_id, "name": name, "action": "procedure:run", "input": step_input, "timeout": self.timeout}
        draft = Draft(step)
        self._handler_apart(draft, handler, path)
        return draft

    def _whole(self, found: readings.Whole, path: Path, step_id: str, name: str, handler: dict[str, Any]) -> Draft:
        step = {"id": step_id, "name": name, "action": found.action, "input": found.input}
        if found.action.startswith("ssh:"):
            step["credentials"] = [SSH]
        if found.action != "gate:wait":
            step["timeout"] = self.timeout
        self.ledger.mapped((*path, "type"), f"the action {found.action}")
        self.ledger.mapped((*path, "configuration"), f"its input: {', '.join(found.input)}")
        for note in found.notes:
            self.ledger.reported((*path, "configuration"), note)
        draft = Draft(step)
        self._handler_apart(draft, handler, path)
        if found.action == "gate:wait" and draft.step.get("onFailure") == "continue":
            del draft.step["onFailure"]
        return draft

    def marked(self, step_id: str, name: str, was: str, original: Any, path: Path, hint: str) -> Draft:
        kept = {key: value for key, value in mapping(plain(original)).items() if key != "errorhandler"}
        return Draft(
            {
                "id": step_id,
                "name": name,
                "action": MARKED,
                "input": {"was": was[:200], "input": kept, "hint": hint},
            },
            path=path,
        )

    def _captures(self, command: Mapping[str, Any], path: Path) -> list[Capture]:
        found = list(self.general)
        for row, here in filters_of(mapping(command.get("plugins")), (*path, "plugins")):
            one = filter_told(row, here, self.ledger)
            found += [one] if one else []
        return found

    def _name(self, command: Mapping[str, Any], path: Path) -> str:
        said = text(command.get("description")).strip().split("\n")[0].strip()
        if "description" in command:
            self.ledger.mapped((*path, "description"), "the step's name")
        return (said or was_called(command))[:200] or "A step"

    def _rest(self, command: Mapping[str, Any], path: Path) -> None:
        if "nodeStep" in command:
            self.ledger.mapped(
                (*path, "nodeStep"), "on each target" if truth(command["nodeStep"]) else "once for the run"
            )
        for key in FLAGS:
            if key in command:
                self.ledger.ignored((*path, key), "an inner setting of Rundeck's")
        for row, here in filters_of(mapping(command.get("plugins")), (*path, "plugins")):
            if here not in self.ledger.said and (*here, "type") not in self.ledger.said:
                filter_told(row, here, self.ledger, taken=False)
        if "plugins" in command and not mapping(command["plugins"]):
            self.ledger.ignored((*path, "plugins"), "empty")
        for key in PROGRAM_KEYS[1:]:
            if key in command and not text(command[key]).strip():
                self.ledger.ignored((*path, key), "empty")
