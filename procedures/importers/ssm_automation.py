"""An SSM automation document (schema 0.3) as a procedure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from procedures.definitions.guard import Document
from procedures.domain.importing import ImportRefused
from procedures.importers import ssm_steps
from procedures.importers.folder import Folder, harmless, identifier, one_line
from procedures.importers.form import Form, whole_number
from procedures.importers.ledger import Ledger
from procedures.importers.ssm_flow import Flow, Node, choice, flow
from procedures.importers.ssm_parameters import parameters
from procedures.importers.ssm_steps import ALIASES, OUTPUTS, USED, Made
from procedures.importers.ssm_text import Names, references

REGION = {
    "type": "string",
    "title": "AWS region",
    "description": "Where the document's calls go, such as eu-central-1.",
    "pattern": "^[a-z]{2}(-[a-z]+)+-[0-9]$",
}
TOLD = ("Approvers", "NotificationArn")
HOUR, LONGEST = 3600, 10**8
Row = Mapping[str, Any]


class Automation:
    """One document on its way; `fill` does it all."""

    def __init__(self, document: Document, folder: Folder, ledger: Ledger) -> None:
        self.document, self.folder, self.ledger = document, folder, ledger
        self.source: Row = document.value
        self.names, self.form = Names(), Form()
        self.rows: list[Row] = []
        self.ids: dict[str, str] = {}
        self.aws = False
        self.verdict: list[str] = []
        self.seconds = 0

    def fill(self) -> Folder:
        parameters(self.source.get("parameters"), self.form, self.names, self.ledger, self.left_out())
        self.rows = self.steps()
        made = [self.made(number, row) for number, row in enumerate(self.rows)]
        found = self.order(made)
        for number, (row, one) in enumerate(zip(self.rows, made, strict=True)):
            self.add(number, row, one, found)
        self.close()
        return self.folder

    def left_out(self) -> dict[str, str]:
        """Parameters that choose nothing here, with the reason: the role, and who approves."""
        if "assumeRole" in self.source:
            self.ledger.reported("assumeRole", why="Whose rights a step has is the environment's matter.")
        rows = self.source.get("mainSteps")
        asked, rest = [], [{key: self.source[key] for key in self.source if key not in {"assumeRole", "mainSteps"}}]
        for row in rows if isinstance(rows, list) else []:
            inputs = row.get("inputs") if isinstance(row, Mapping) else None
            if isinstance(inputs, Mapping) and row.get("action") == "aws:approve":
                asked += [inputs.get(key) for key in TOLD]
                rest.append({key: value for key, value in inputs.items() if key not in TOLD})
            else:
                rest.append(row)
        used = set(references(rest))
        found = dict.fromkeys(
            references(asked), "Who approves and who is told is not chosen by whoever asks for a run."
        )
        role = "The role is what the environment binds; nobody chooses it here."
        found |= dict.fromkeys(references(self.source.get("assumeRole")), role)
        return {name: why for name, why in found.items() if name not in used}

    def steps(self) -> list[Row]:
        rows = self.source.get("mainSteps")
        if not isinstance(rows, list):
            raise ImportRefused("mainSteps is no list of steps.", line=self.document.where("/mainSteps")[0])
        for number, row in enumerate(rows):
            name = row.get("name") if isinstance(row, Mapping) else None
            if not isinstance(name, str) or not isinstance(row.get("action"), str) or name in self.ids:
                line = self.document.where(f"/mainSteps/{number}")[0]
                raise ImportRefused("A step has no name and action of its own.", line=line)
            self.ids[name] = identifier(name, {*self.ids.values(), "verdict"})
        return rows

    def made(self, number: int, row: Row) -> Made | str:
        """What a step becomes, without its place in the order; later steps may name its outputs."""
        action = str(ALIASES.get(row["action"], row["action"]))
        step_id = self.ids[row["name"]]
        inputs = row.get("inputs", {})
        if not isinstance(inputs, Mapping):
            return "Its inputs are no mapping."
        outputs, problem = ssm_steps.declared(row.get("outputs"))
        if action == "aws:branch":
            return self.branch(inputs)
        found: Made | str = problem or ssm_steps.step_of(action, inputs, step_id, self.names, outputs)
        if isinstance(found, Made) and (problem := ssm_steps.put(found, self.folder)):
            found = f"Its text would be stopped by lint: {problem}"
        if isinstance(found, Made) and found.tells_success:
            kinds = {output["Name"]: output["Type"] for output in outputs}
            self.names.steps[row["name"]] = (step_id, {**OUTPUTS.get(action, {}), **kinds})
        return found

    def branch(self, inputs: Row) -> Made | str:
        rows = inputs.get("Choices")
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
            return "Its choices are no list."
        for row in rows:
            if choice(row, self.names) is None or not isinstance(row.get("NextStep"), str):
                return "A choice compares in a way that has no counterpart."
        return Made()

    def order(self, made: list[Made | str]) -> Flow:
        return flow(
            [self.node(number, row, one) for number, (row, one) in enumerate(zip(self.rows, made, strict=True))]
        )

    def node(self, number: int, row: Row, made: Made | str) -> Node:
        following = self.rows[number + 1]["name"] if number + 1 < len(self.rows) else None
        after = None if row.get("isEnd") is True else row.get("nextStep", following)
        failure = str(row.get("onFailure", "Abort"))
        tells = isinstance(made, Made) and made.tells_success
        done = f"steps.{self.ids[row['name']]}.output.Succeeded" if "-" not in self.ids[row["name"]] else ""
        done = done or f'steps["{self.ids[row["name"]]}"].output.Succeeded'
        node = Node(row["name"], str(after) if after is not None else None, "abort", done if tells else "")
        if failure.lower() == "continue":
            node.failure = "continue"
        elif failure.startswith("step:"):
            node.failure = failure.removeprefix("step:").strip()
        if row["action"] == "aws:branch" and isinstance(made, Made):
            inputs = row["inputs"]
            node.choices = [(str(choice(one, self.names)), one["NextStep"]) for one in inputs["Choices"]]
            if isinstance(inputs.get("Default"), str):
                node.choices.append((True, inputs["Default"]))
        return node

    def add(self, number: int, row: Row, made: Made | str, found: Flow) -> None:
        step_id, place = self.ids[row["name"]], ("mainSteps", number)
        condition = found.reached.get(row["name"])
        problem = made if isinstance(made, str) else found.problems.get(row["name"], "")
        step = {} if isinstance(made, str) else dict(made.step)
        if not problem and str(step.get("action", "")).startswith("gate:") and condition is not True:
            problem = "Whether somebody is asked, or how long is waited, may not depend on values here."
        self.account(place, row, made)
        if problem:
            self.ledger.reported(*place, "action", why=problem)
            kept = json.dumps(row, indent=2, ensure_ascii=False) + "\n"
            self.drop_files(step_id)
            for key in ("timeoutSeconds", "maxAttempts", "onFailure", "onCancel", "isCritical"):
                if key in row:
                    self.ledger.mapped(*place, key, into="the original beside the marked step")
            self.folder.mark(step_id, row["action"], problem, keep=kept, **_when(condition))
            return
        if not step:
            return
        self.aws = self.aws or (isinstance(made, Made) and made.needs_aws)
        rest = {**_when(condition), **self.flow_keys(place, row, step, made, condition)}
        self.folder.step({"id": step_id, "name": one_line(row["name"]) or step_id, **step, **rest})

    def drop_files(self, step_id: str) -> None:
        gone = {f"step_{step_id}.py", f"step_{step_id}.json"}
        self.folder.files = {path: data for path, data in self.folder.files.items() if path not in gone}

    def account(self, place: tuple[str, int], row: Row, made: Made | str) -> None:
        for key in ("name", "action", "inputs", "outputs", "isEnd", "nextStep"):
            if key in row:
                self.ledger.mapped(*place, key, into=f"the step {self.ids[row['name']]}")
        if "description" in row:
            self.ledger.mapped(*place, "description", into="README.md")
        told = dict(made.told) if isinstance(made, Made) else {}
        used = USED.get(str(row["action"]))
        if used is not None and isinstance(made, Made):
            told |= dict.fromkeys(set(row.get("inputs", {})) - used, "The step does without it; it has no counterpart.")
        for key, why in told.items():
            if key in row.get("inputs", {}):
                self.ledger.reported(*place, "inputs", key, why=why)
        if row["action"] == "aws:approve" and "NotificationArn" in row.get("inputs", {}):
            self.ledger.ignored(*place, "inputs", "NotificationArn", why="Approvers are told by the portal.")
        if str(row.get("onCancel", "Abort")) == "Abort" and "onCancel" in row:
            self.ledger.ignored(*place, "onCancel", why="A canceled run runs no further step here either.")

    def flow_keys(
        self, place: tuple[str, int], row: Row, step: Row, made: Made | str, condition: Any
    ) -> dict[str, Any]:
        """timeout, retry and onFailure of ours."""
        gate = step["action"].startswith("gate:")
        found: dict[str, Any] = {}
        seconds = whole_number(row.get("timeoutSeconds", HOUR))
        if seconds is None or not 0 < seconds < LONGEST:
            self.ledger.reported(*place, "timeoutSeconds", why="It is no number of seconds; an hour holds.")
            seconds = HOUR
        elif "timeoutSeconds" in row:
            self.ledger.mapped(*place, "timeoutSeconds", into="timeout")
        self.seconds += seconds
        if not gate:
            found["timeout"] = f"{seconds}s"
        elif step["action"] == "gate:approval" and "timeoutSeconds" in row:
            step["input"]["expires"] = f"{seconds}s"
        found |= self.attempts(place, row, gate=gate or step["action"] == "procedure:run")
        return found | self.failure(place, row, made, condition)

    def attempts(self, place: tuple[str, int], row: Row, *, gate: bool) -> dict[str, Any]:
        count = whole_number(row.get("maxAttempts", 1))
        if "maxAttempts" not in row:
            return {}
        if count is None or not 1 <= count <= 20 or (gate and count > 1):
            self.ledger.reported(
                *place, "maxAttempts", why="It is tried once; from 1 to 20 attempts of a script are kept."
            )
            return {}
        self.ledger.mapped(*place, "maxAttempts", into="retry")
        return {"retry": {"attempts": count, "delay": "5s"}} if count > 1 else {}

    def failure(self, place: tuple[str, int], row: Row, made: Made | str, condition: Any) -> dict[str, Any]:
        """A step that may fail goes on; a critical one makes the run fail in the end, as SSM has it."""
        wanted = str(row.get("onFailure", "Abort"))
        critical = str(row.get("isCritical", True)).lower() != "false"
        if "isCritical" in row:
            self.ledger.mapped(*place, "isCritical", into="how the run ends")
        if wanted in {"Abort", "abort"}:
            if "onFailure" in row:
                self.ledger.mapped(*place, "onFailure", into="the run fails, as without it")
            return {}
        if not isinstance(made, Made) or not made.tells_success:
            self.ledger.reported(*place, "onFailure", why="The run ends if this fails.")
            return {}
        if wanted.lower() != "continue" and not wanted.startswith("step:"):
            self.ledger.reported(*place, "onFailure", why="The run ends if this fails.")
            return {}
        self.ledger.mapped(*place, "onFailure", into="onFailure and the conditions of later steps")
        if critical:
            done = self.node(0, row, made).done
            failed = f"not {done}" if condition is True else f"({condition}) and not {done}"
            self.verdict.append(failed if condition is not None else "")
        return {"onFailure": "continue"}

    def close(self) -> None:
        """What the whole document says: verdict, outputs, forms, the runtime's files."""
        rows = [f"({row})" for row in self.verdict if row]
        if rows:
            self.folder.step(
                {
                    "id": "verdict",
                    "name": "Fails the run if a step that matters has failed",
                    "action": "local:command",
                    "if": f"${{{{ {' or '.join(rows)} }}}}",
                    "input": {"argv": ["false"]},
                    "timeout": "1m",
                }
            )
        if self.aws:
            name = "aws_region" if not self.form.problem("aws_region", REGION) else "region_of_aws"
            self.form.ask(name, REGION, required=True)
            for step in self.folder.steps:
                if step.get("input", {}).get("network") and "AWS_ACCESS_KEY_ID" in step["input"].get("env", {}):
                    region = f"${{{{ parameters.{name} }}}}"
                    step["input"]["env"] |= {"AWS_REGION": region, "AWS_DEFAULT_REGION": region}
            for secret in ssm_steps.SECRETS:
                title = f"AWS {secret.removeprefix('aws_').replace('_', ' ')} of temporary keys, for this run alone"
                self.form.ask(secret, {"type": "string", "title": title, "minLength": 1}, required=True, secret=True)
        files = ssm_steps.runtime_files()
        scripts = b"".join(data for path, data in self.folder.files.items() if path.startswith("step_"))
        needed = ["ssm_step.py"] if b"ssm_" in scripts else []
        needed += ["ssm_aws.py"] if b"import ssm_aws" in scripts else []
        self.folder.files |= {path: files[path].encode() for path in needed}
        if not self.folder.steps:
            self.folder.mark("empty", "a document without steps", "Add the steps.")
            self.ledger.reported("mainSteps", why="There are no steps.")
        self.folder.spec |= {"timeout": f"{max(HOUR, self.seconds)}s", **self.form.spec(), **self.outputs()}
        self.describe()

    def describe(self) -> None:
        """The descriptions of the steps, which often begin with the step's name as a heading already."""
        said = []
        for row in self.rows:
            heading, text = f"## {one_line(row['name'])}", harmless(str(row.get("description") or ""))
            if text:
                said.append(text if text.startswith(heading) else f"{heading}\n\n{text}")
        self.folder.notes = "\n\n".join(said)

    def outputs(self) -> dict[str, Any]:
        rows = self.source.get("outputs")
        values = {}
        for number, name in enumerate(rows if isinstance(rows, list) else []):
            inside = self.names.expression(name) if isinstance(name, str) else None
            if inside is None or "." not in name:
                self.ledger.reported("outputs", number, why="No step here has such an output.")
            else:
                values[name] = f"${{{{ {inside} }}}}"
                self.ledger.mapped("outputs", number, into="output.values")
        if "outputs" in self.source and not rows:
            self.ledger.ignored("outputs", why="There are none.")
        return {"output": {"values": values}} if values else {}


def _when(condition: Any) -> dict[str, Any]:
    if condition is True:
        return {}
    return {"if": False if condition is None else f"${{{{ {condition} }}}}"}
