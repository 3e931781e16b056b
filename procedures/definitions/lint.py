"""Findings beyond the shape: what would run must be readable, declared, and free of text that becomes program."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs

from procedures.definitions import scripts, shared_files
from procedures.definitions.findings import Finding
from procedures.definitions.guard import Document
from procedures.domain import expressions, filters, forms, limits, parameters, plan, rendering, uploads
from procedures.domain.bundle import PHASES
from procedures.domain.calls import CALL
from procedures.domain.definition import Definition, Step
from procedures.domain.errors import OpsError
from procedures.domain.importing import MARKED
from procedures.domain.ports import Action

FILE = "procedure.yaml"
BLOCKS = frozenset({"marked-step", "folder-missing"})
NOT_TEXT = ("integer", "boolean", "number")
SCRIPT_KEYS = frozenset({"script", "command", "query", "sql", "playbook"})


class _Lint:
    """One pass over a definition. `say` places a finding by JSON pointer."""

    def __init__(
        self, definition: Definition, document: Document, files: Mapping[str, bytes], actions: Mapping[str, Action]
    ) -> None:
        self.definition, self.document, self.files, self.actions = definition, document, files, actions
        self.findings: list[Finding] = []
        handed = uploads.file_parameters(definition.parameters)
        self.laid_out = {**files, **{uploads.place(name): b"" for name in handed}}

    def say(self, pointer: str, code: str, message: str, *, mend: str = "", warning: bool = False) -> None:
        line, column = self.document.where(pointer)
        self.findings.append(Finding(FILE, line, column, code, "warning" if warning else "error", message, mend))

    def steps(self) -> Iterator[tuple[str, Step]]:
        for phase in PHASES:
            for number, step in enumerate(self.definition.branch(phase)):
                yield f"/spec/{phase}/{number}", step

    def step_ids(self) -> None:
        if (count := len(list(self.steps()))) > limits.STEPS:
            self.say("/spec/steps", "too-many-steps", f"There are {count} steps; {limits.STEPS} is the limit.")
        seen: set[str] = set()
        for pointer, step in self.steps():
            if step.id in seen:
                self.say(f"{pointer}/id", "step-id-twice", f"The step id {step.id} stands twice.")
            seen.add(step.id)

    def each_step(self) -> None:
        for pointer, step in self.steps():
            action = self.actions.get(step.action)
            if action is None:
                self.say(
                    f"{pointer}/action",
                    "unknown-action",
                    f"There is no action {step.action}.",
                    mend="`opsportal actions` lists them.",
                )
                continue
            if step.action == MARKED:
                self.marked(pointer, step)
            self.step_input(pointer, step, action)
            self.step_credentials(pointer, step, action)
            self.step_flow(pointer, step, action)
            self.step_artifacts(pointer, step, action)

    def marked(self, pointer: str, step: Step) -> None:
        was = step.input.get("was", "something")
        self.say(
            pointer,
            "marked-step",
            f"{step.id} was {was}, which the importer could not carry over.",
            mend="Replace the step; until then the version cannot be submitted.",
            warning=True,
        )

    def step_input(self, pointer: str, step: Step, action: Action) -> None:
        validator = jsonschema_rs.validator_for(_loose(action.input_schema), offline=True)
        for error in validator.iter_errors(dict(step.input)):
            path = "".join(f"/{part}" for part in error.instance_path)
            self.say(f"{pointer}/input{path}", "input", f"{step.action}: {error.message[:200]}")
        for path, message in self.checked(step, action):
            self.say(f"{pointer}/input{path}", "input", message)
        for key in SCRIPT_KEYS & set(step.input):
            if expressions.has_expression(str(step.input[key])):
                self.say(
                    f"{pointer}/input/{key}",
                    "expression-in-program",
                    f"An expression stands in {key}.",
                    mend="Hand the value over in env, argv or stdin.",
                )
        if "argv" in step.input and (problem := rendering.argv_problem(step.input["argv"])):
            self.say(f"{pointer}/input/argv", "argv", problem)
        for name in step.input.get("env") or {}:
            if not rendering.ENV_NAME.match(name) or rendering.FORBIDDEN_ENV.match(name) or name.startswith("PARAM_"):
                self.say(f"{pointer}/input/env/{name}", "env-name", f"A step cannot set {name}.")
        self.secrets_apart(pointer, step)

    def checked(self, step: Step, action: Action) -> list[tuple[str, str]]:
        """What the action itself says; an expression that does not parse is told by those who read it."""
        try:
            return action.check(step.input, self.laid_out)
        except expressions.ExpressionRefused as problem:
            return [("", problem.message)]

    def secrets_apart(self, pointer: str, step: Step) -> None:
        for key, value in step.input.items():
            if key not in {"env", "stdin"} and any(path[0] == "secrets" for path in self.names(pointer, value)):
                self.say(f"{pointer}/input/{key}", "secret-place", "A secret may stand in env and stdin alone.")

    def names(self, pointer: str, value: Any) -> frozenset[tuple[str, ...]]:
        try:
            return expressions.names_used(value)
        except expressions.ExpressionRefused as problem:
            self.say(pointer, "expression", problem.message)
            return frozenset()

    def step_credentials(self, pointer: str, step: Step, action: Action) -> None:
        for name in step.credentials:
            need = self.definition.credentials.get(name)
            if need is None:
                self.say(
                    f"{pointer}/credentials",
                    "undeclared-credential",
                    f"The credential {name} is not declared.",
                    mend="Declare it under spec.credentials.",
                )
            elif need.kind not in action.credential_kinds:
                self.say(
                    f"{pointer}/credentials",
                    "credential-kind",
                    f"{step.action} does not take a {need.kind} credential.",
                )
        if action.credential_kinds and not step.credentials:
            self.say(
                pointer, "credential-missing", f"{step.action} needs a credential.", mend="Name one under credentials."
            )

    def step_flow(self, pointer: str, step: Step, action: Action) -> None:
        if action.per_target and self.definition.targets is None:
            self.say(
                pointer,
                "no-targets",
                f"{step.action} acts on targets, and the procedure has none.",
                mend="Add spec.targets.filter.",
            )
        if step.condition is not None:
            paths = self.names(f"{pointer}/if", step.condition)
            if not expressions.has_expression(step.condition):
                self.say(f"{pointer}/if", "condition", "A condition is one ${{ … }} expression.")
            if action.gate and any(path[0] != "environment" for path in paths):
                self.say(f"{pointer}/if", "gate-condition", "Whether a gate stands may depend on environment alone.")
        if step.action == CALL and (step.each is not None or step.retry.attempts > 1):
            self.say(pointer, "call-once", "A call happens once: it takes neither each nor retry.")
        if step.each is not None:
            self.step_each(pointer, step.each, action)
        if action.gate and step.on_failure == "continue":
            self.say(f"{pointer}/onFailure", "gate-continue", "A gate that is turned down ends the run.")
        if step.timeout_s is None and not action.gate:
            self.say(
                pointer,
                "no-timeout",
                f"The step {step.id} has no timeout.",
                warning=True,
                mend="Add timeout: 5m or so.",
            )

    def step_each(self, pointer: str, each: str, action: Action) -> None:
        """`each` is one expression that is known when the plan is made: nothing unresolved decides (rule 19)."""
        paths = self.names(f"{pointer}/each", each)
        if not expressions.has_expression(each) or not expressions.parse(each).whole:
            self.say(f"{pointer}/each", "each", "`each` is one ${{ … }} expression that gives a list.")
        elif any(path[0] in {"steps", "secrets", "each", "run"} for path in paths):
            self.say(f"{pointer}/each", "each-runtime", "`each` may depend on parameters, targets and environment.")
        elif not plan.each_is_targets(each) and (action.per_target or action.gate):
            self.say(f"{pointer}/each", "each", "A gate or a step on targets takes `each: ${{ targets }}` or none.")

    def step_artifacts(self, pointer: str, step: Step, action: Action) -> None:
        names = [need.name for need in step.artifacts]
        if names and not action.keeps_artifacts:
            self.say(f"{pointer}/artifacts", "artifacts", f"{step.action} makes no files here that could be kept.")
        for name in sorted({name for name in names if names.count(name) > 1}):
            self.say(f"{pointer}/artifacts", "artifacts", f"The artifact {name} stands twice.")
        for number, need in enumerate(step.artifacts):
            if {"", ".", ".."} & set(need.path.split("/")) or expressions.has_expression(need.path):
                self.say(
                    f"{pointer}/artifacts/{number}/path",
                    "artifacts",
                    f"{need.path} is not a plain path below the step's folder.",
                )

    def target_filter(self) -> None:
        if self.definition.targets is None:
            return
        pointer = "/spec/targets/filter"
        try:
            parsed = filters.parse(self.definition.targets.filter)
        except OpsError as problem:
            self.say(pointer, "filter", problem.message, mend=problem.next_step)
            return
        for expression in parsed.expressions():
            if any(path[0] not in {"parameters", "environment"} for path in self.names(pointer, expression)):
                self.say(pointer, "filter-runtime", "Targets may depend on parameters and environment alone.")
        if parsed.is_wildcard:
            self.say(pointer, "wildcard", "The filter may match every target.", warning=True)

    def forms(self) -> None:
        for label, schema in (("parameters", self.definition.parameters), ("secrets", self.definition.secrets)):
            if schema and (problem := parameters.check_schema(schema)):
                self.say(f"/spec/{label}", "schema", f"The form's JSON Schema cannot be used: {problem[:200]}")
                continue
            if forms.is_open(schema):
                self.say(f"/spec/{label}", "open-form", "A form holds declared names alone; none may be left open.")
            variables: dict[str, str] = {}
            for name, value in forms.every_property(schema).items():
                variable = rendering.variable(name)
                if variable in variables:
                    self.say(f"/spec/{label}", "name-collision", f"{name} and {variables[variable]} become {variable}.")
                variables[variable] = name
                if not isinstance(value, Mapping) or not (value.get("description") or value.get("title")):
                    self.say(
                        f"/spec/{label}",
                        "undescribed",
                        f"The parameter {name} has no title or description.",
                        warning=True,
                    )

    def used_names(self) -> None:
        known = set(forms.every_property(self.definition.parameters))
        hidden = set(forms.every_property(self.definition.secrets))
        ids = {step.id for _, step in self.steps()}
        group = self.definition.concurrency.group if self.definition.concurrency else ""
        places = [(p, s.input) for p, s in self.steps()] + [(p, s.condition or "") for p, s in self.steps()]
        places += [("/spec/concurrency/group", group), ("/spec/output", dict(self.definition.output))]
        if self.definition.targets:
            places.append(("/spec/targets/filter", self.definition.targets.filter))
        for pointer, value in places:
            for path in sorted(self.names(pointer, value)):
                if len(path) > 1 and path[0] == "parameters" and path[1] not in known:
                    self.say(pointer, "unknown-name", f"There is no parameter {path[1]}.")
                if len(path) > 1 and path[0] == "secrets" and path[1] not in hidden:
                    self.say(pointer, "unknown-name", f"There is no secret {path[1]}.")
                if len(path) > 1 and path[0] == "steps" and path[1] not in ids:
                    self.say(pointer, "unknown-name", f"There is no step {path[1]}.")
        if any(path[0] in {"steps", "secrets", "each"} for path in self.names("/spec/concurrency/group", group)):
            self.say(
                "/spec/concurrency/group", "group-runtime", "A group may depend on parameters and environment alone."
            )

    def uploads_apart(self) -> None:
        if uploads.file_parameters(self.definition.parameters) and any(
            path.startswith(f"{uploads.FOLDER}/") for path in self.files
        ):
            self.say("/spec/parameters", "uploads", f"{uploads.FOLDER}/ is kept for file parameters.")

    def readme(self) -> None:
        if "README.md" not in self.files:
            self.say("", "no-readme", "There is no README.md beside the procedure.", warning=True)
        if not re.search(rb"^ {0,2}timeout:", self.files[FILE], re.MULTILINE):
            self.say("/spec", "no-run-timeout", "The run has no timeout; an hour holds.", warning=True)


def _loose(schema: Mapping[str, Any]) -> dict[str, Any]:
    """An action's input schema in which any value may also be an expression."""
    loose = dict(schema)
    expression = {"type": "string", "pattern": r"\$\{\{"}
    properties = {
        key: {"anyOf": [dict(value), expression]} if "enum" in value or value.get("type") in NOT_TEXT else value
        for key, value in schema.get("properties", {}).items()
    }
    return {**loose, "properties": properties}


def lint(
    definition: Definition, document: Document, files: Mapping[str, bytes], actions: Mapping[str, Action]
) -> list[Finding]:
    """Every finding about a definition that has the right shape."""
    run = _Lint(definition, document, files, actions)
    run.step_ids()
    run.each_step()
    run.target_filter()
    run.forms()
    run.used_names()
    run.uploads_apart()
    run.readme()
    found, copied = shared_files.lint(definition, document, files, actions)
    return run.findings + found + scripts.lint(definition, files, copied)
