"""An SSM command document (schema 1.2, 2.0, 2.2) as a procedure: shell scripts over SSH, parameters as variables."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from procedures.definitions.guard import Document
from procedures.domain.importing import ImportRefused
from procedures.importers.folder import Folder, identifier, one_line
from procedures.importers.form import Form, whole_number
from procedures.importers.ledger import Ledger, Part
from procedures.importers.shell_text import Paste, rewrite
from procedures.importers.ssm_parameters import parameters
from procedures.importers.ssm_text import REFERENCE, Names, environment_name

SHELL = "aws:runShellScript"
KNOWN = {"runCommand", "timeoutSeconds", "workingDirectory", "id"}
HOST = {"type": "string", "title": "Host", "description": "The target that it runs on, by name.", "maxLength": 200}
LINUX = {"StringEquals": ["platformType", "Linux"]}
HOUR = 3600
Place = tuple[Part, ...]


class Command:
    """One document on its way; `fill` does it all."""

    def __init__(self, document: Document, folder: Folder, ledger: Ledger) -> None:
        self.document, self.folder, self.ledger = document, folder, ledger
        self.names, self.form = Names(), Form()
        self.seconds = 0

    def fill(self) -> Folder:
        parameters(self.document.value.get("parameters"), self.form, self.names, self.ledger, {})
        runs = False
        for place, name, action, inputs in self.steps():
            runs = self.step(place, name, action, inputs) or runs
        if not self.folder.steps:
            self.folder.mark("empty", "a document without steps", "Add the steps.")
            self.ledger.reported(self.body, why="There are no steps.")
        if runs:
            host = next(
                name for name in ("host", "host_of_run", "host_of_the_run") if not self.form.problem(name, HOST)
            )
            self.form.ask(host, HOST, required=True)
            self.folder.spec["targets"] = {"filter": f"name=${{{{ parameters.{host} }}}}"}
            self.folder.spec["credentials"] = {"host": {"kind": "ssh", "ttl": "10m"}}
        self.folder.spec |= {"timeout": f"{max(HOUR, self.seconds)}s", **self.form.spec()}
        return self.folder

    @property
    def body(self) -> str:
        return "runtimeConfig" if "runtimeConfig" in self.document.value else "mainSteps"

    def steps(self) -> list[tuple[Place, str, str, Any]]:
        """(place, name, action, inputs) of each step, old and new form alike."""
        value = self.document.value
        found: list[tuple[Place, str, str, Any]] = []
        if self.body == "runtimeConfig":
            config = value["runtimeConfig"]
            for action, part in (config if isinstance(config, Mapping) else {}).items():
                rows = part.get("properties") if isinstance(part, Mapping) else None
                here: Place = ("runtimeConfig", action, "properties")
                for number, row in enumerate(rows if isinstance(rows, list) else [rows]):
                    place = (*here, number) if isinstance(rows, list) else here
                    name = str(row.get("id", action)) if isinstance(row, Mapping) else action
                    found.append((place, name, action, row))
            return found
        rows = value.get("mainSteps")
        if not isinstance(rows, list):
            raise ImportRefused("mainSteps is no list of steps.", line=self.document.where("/mainSteps")[0])
        for number, row in enumerate(rows):
            if not isinstance(row, Mapping) or not isinstance(row.get("action"), str):
                line = self.document.where(f"/mainSteps/{number}")[0]
                raise ImportRefused("A step has no action.", line=line)
            found.append(
                (("mainSteps", number), str(row.get("name") or row["action"]), row["action"], row.get("inputs", {}))
            )
        return found

    def step(self, place: Place, name: str, action: str, inputs: Any) -> bool:
        """Whether the step runs; one that cannot is marked."""
        step_id = identifier(name, {step["id"] for step in self.folder.steps})
        below = (*place, "inputs") if place[0] == "mainSteps" else place
        row = self.row(place)
        for key in {"name", "action"} & set(row if place[0] == "mainSteps" else ()):
            self.ledger.mapped(*place, key, into=f"the step {step_id}")
        for key in KNOWN & set(inputs if isinstance(inputs, Mapping) else ()):
            self.ledger.mapped(*below, key, into=f"the step {step_id}")
        problem, text, env = self.program(action, inputs)
        problem = problem or self.precondition(place, row)
        path = f"{step_id}.sh"
        if not problem and (stopped := self.folder.file(path, text)):
            problem = f"Its text would be stopped by lint: {stopped}"
        if problem:
            self.folder.files.pop(path, None)
            self.ledger.reported(*place, *(("action",) if "action" in row else ()), why=problem)
            if "precondition" in row:
                self.ledger.mapped(*place, "precondition", into="the original beside the marked step")
            kept = json.dumps(row, indent=2, ensure_ascii=False) + "\n"
            if isinstance(inputs, Mapping) and isinstance(inputs.get("runCommand"), list):
                kept = "\n".join(map(str, inputs["runCommand"])) + "\n"
            self.folder.mark(step_id, action, problem, keep=kept)
            return False
        seconds = self.timeout(below, inputs)
        script = {"script": path, **({"env": env} if env else {})}
        self.folder.step(
            {
                "id": step_id,
                "name": one_line(name) or step_id,
                "action": "ssh:script",
                "credentials": ["host"],
                "input": script,
                "timeout": f"{seconds}s",
            }
        )
        return True

    def row(self, place: Place) -> Mapping[str, Any]:
        value: Any = self.document.value
        for part in place:
            value = value[part] if isinstance(part, int) else value.get(part) if isinstance(value, Mapping) else None
        return value if isinstance(value, Mapping) else {}

    def precondition(self, place: Place, row: Mapping[str, Any]) -> str:
        if "precondition" not in row:
            return ""
        if row["precondition"] == LINUX:
            self.ledger.ignored(*place, "precondition", why="A shell script is run on hosts that have a shell.")
            return ""
        return "It runs on some platforms alone."

    def timeout(self, place: Place, inputs: Mapping[str, Any]) -> int:
        seconds = whole_number(inputs.get("timeoutSeconds", HOUR))
        if seconds is None or not 0 < seconds < 10**8:
            self.ledger.reported(*place, "timeoutSeconds", why="It is no number of seconds; an hour holds.")
            seconds = HOUR
        self.seconds += seconds
        return seconds

    def program(self, action: str, inputs: Any) -> tuple[str, str, dict[str, str]]:
        """(problem, program, environment)"""
        if action != SHELL:
            return f"There is no counterpart of {one_line(action)} yet.", "", {}
        lines = inputs.get("runCommand") if isinstance(inputs, Mapping) else None
        lines = [lines] if isinstance(lines, str) else lines
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            return "It says nothing that runs.", "", {}
        text = "\n".join(lines).rstrip("\n") + "\n"
        where = inputs.get("workingDirectory")
        if isinstance(where, str) and where:
            first, _, rest = text.partition("\n") if text.startswith("#!") else ("#!/bin/sh", "", text)
            text = f"{first}\ncd -- {shlex.quote(where)} || exit 1\n{rest}"
        text = text if text.startswith("#!") else f"#!/bin/sh\n{text}"
        return self.without_pastes(text)

    def without_pastes(self, text: str) -> tuple[str, str, dict[str, str]]:
        pastes, env = [], {}
        for match in REFERENCE.finditer(text):
            name = match[1]
            if ":" in name:
                return f"Nothing here is called {one_line(name)}.", "", {}
            if name not in self.names.parameters:
                continue
            if self.names.kind(name) in {"StringList", "MapList", "StringMap"}:
                return f"{one_line(name)} is a list, and its items become program text.", "", {}
            variable = environment_name(name)
            if name in self.names.late:
                variable = variable.replace("PARAM_", "VALUE_", 1)
                env[variable] = f"${{{{ {self.names.expression(name)} }}}}"
            pastes.append(Paste(match.start(), match.end(), variable))
        found = rewrite(text, pastes)
        return (found.problems[0] if found.problems else ""), found.text, env
