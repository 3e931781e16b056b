"""Each step by itself: its action, its input and the credential that it uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from procedures.definitions.lint import flow
from procedures.definitions.lint.notes import Notes
from procedures.definitions.lint.placed import placed
from procedures.definitions.published import loose
from procedures.domain import expressions, limits, rendering, results, scopes, uploads
from procedures.domain.calls import CALL
from procedures.domain.definition import Step
from procedures.domain.importing import MARKED
from procedures.domain.ports import Action
from procedures.domain.shape_errors import told

MARKED_STEP = "marked-step"
PROGRAMS = frozenset({"script", "command", "query", "sql", "playbook"})
PLACES = frozenset({"script", "playbook", "file", "src", "source", "path", "manifest", "module"})


def lint(notes: Notes, actions: Mapping[str, Action]) -> None:
    handed = uploads.file_parameters(notes.definition.parameters)
    laid_out = {**notes.files, **{uploads.place(name): b"" for name in handed}}
    kinds = {kind for action in actions.values() for kind in action.credential_kinds}
    used = {name for _, step in placed(notes.definition) for name in step.credentials}
    used |= {need.credential for need in results.of(notes.definition)}
    for name, need in notes.definition.credentials.items():
        if need.kind not in kinds:
            told = f"No action takes a {need.kind}."
            notes.say(f"/spec/credentials/{name}/kind", "unknown-credential", told, soft=name not in used)
        for field, told in scopes.problems(need):
            pointer = f"/spec/credentials/{name}" + (f"/{field}" if field else "")
            notes.say(pointer, "credential-field", told)
    if (count := len(list(placed(notes.definition)))) > limits.STEPS:
        notes.say("/spec/steps", "too-many-steps", f"There are {count} steps; {limits.STEPS} is the limit.")
    seen: set[str] = set()
    for pointer, step in placed(notes.definition):
        if step.id in seen:
            notes.say(f"{pointer}/id", "step-id-twice", f"The step id {step.id} stands twice.")
        seen.add(step.id)
        action = actions.get(step.action)
        if action is None:
            notes.say(f"{pointer}/action", "unknown-action", f"There is no action {step.action}.")
            continue
        if step.action == MARKED:
            was = step.input.get("was", "something")
            notes.say(pointer, MARKED_STEP, f"{step.id} was {was}, which the importer could not carry over.")
        _input(notes, pointer, step, action, laid_out)
        _credentials(notes, pointer, step, action)
        flow.step(notes, pointer, step, action)
        _artifacts(notes, pointer, step, action)


def _input(notes: Notes, pointer: str, step: Step, action: Action, laid_out: Mapping[str, bytes]) -> None:
    outside = {key for key in PLACES & set(step.input) if _leaves(step.input[key])}
    for key in sorted(outside):
        notes.say(f"{pointer}/input/{key}", "outside-bundle", f"{step.input[key]} is not a path inside the bundle.")
    unpinned = step.action == CALL and expressions.has_expression(str(step.input.get("procedure", "")))
    if unpinned:
        notes.say(f"{pointer}/input/procedure", "call-unpinned", f"{step.id} chooses what it calls when it runs.")
    validator = jsonschema_rs.validator_for(loose(action.input_schema), offline=True)
    for error in validator.iter_errors(dict(step.input)):
        path = "".join(f"/{part}" for part in error.instance_path)
        if not (unpinned and path == "/procedure"):
            notes.say(f"{pointer}/input{path}", "input", f"{step.action}: {told(error)}")
    for path, message in _checked(step, action, laid_out):
        if path.lstrip("/") not in outside:
            notes.say(f"{pointer}/input{path}", "input", message)
    for key in sorted(PROGRAMS & set(step.input)):
        if expressions.has_expression(str(step.input[key])):
            notes.say(f"{pointer}/input/{key}", "expression-in-program", f"An expression stands in {key}.")
    if "argv" in step.input and (problem := rendering.argv_problem(step.input["argv"])):
        notes.say(f"{pointer}/input/argv", "argv", problem)
    _environment(notes, pointer, step)


def _checked(step: Step, action: Action, laid_out: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """What the action itself says; an expression that does not parse is told by those who read it."""
    try:
        return action.check(step.input, laid_out)
    except expressions.ExpressionRefused as problem:
        return [("", problem.message)]


def _leaves(path: Any) -> bool:
    return isinstance(path, str) and "://" not in path and (path.startswith("/") or ".." in path.split("/"))


def _environment(notes: Notes, pointer: str, step: Step) -> None:
    given = step.input.get("env")
    for name in given if isinstance(given, Mapping) else {}:
        if not rendering.ENV_NAME.fullmatch(name) or rendering.FORBIDDEN_ENV.match(name) or name.startswith("PARAM_"):
            notes.say(f"{pointer}/input/env/{name}", "env-name", f"A step cannot set {name}.")
    for key, value in step.input.items():
        if key not in {"env", "stdin"} and any(path[0] == "secrets" for path in notes.names(pointer, value)):
            notes.say(f"{pointer}/input/{key}", "secret-place", "A secret may stand in env and stdin alone.")


def _credentials(notes: Notes, pointer: str, step: Step, action: Action) -> None:
    for name in step.credentials:
        need = notes.definition.credentials.get(name)
        if need is None:
            notes.say(f"{pointer}/credentials", "undeclared-credential", f"The credential {name} is not declared.")
        elif need.kind not in action.credential_kinds:
            told = f"{step.action} does not take a {need.kind} credential."
            notes.say(f"{pointer}/credentials", "credential-kind", told)
    if action.credential_kinds and not (step.credentials or action.works_without):
        notes.say(pointer, "credential-missing", f"{step.action} needs a credential.")


def _artifacts(notes: Notes, pointer: str, step: Step, action: Action) -> None:
    names = [need.name for need in step.artifacts]
    if names and not action.keeps_artifacts:
        notes.say(f"{pointer}/artifacts", "artifacts", f"{step.action} makes no files here that could be kept.")
    for name in sorted({name for name in names if names.count(name) > 1}):
        notes.say(f"{pointer}/artifacts", "artifacts", f"The artifact {name} stands twice.")
    for number, need in enumerate(step.artifacts):
        if {"", ".", ".."} & set(need.path.split("/")) or expressions.has_expression(need.path):
            told = f"{need.path} is not a plain path below the step's folder."
            notes.say(f"{pointer}/artifacts/{number}/path", "artifacts", told)
    made = step.input.get(action.makes_file)
    if made and made not in {need.path for need in step.artifacts}:
        told = f"{action.makes_file} names {made}, which no artifact of the step has as its path: nobody would get it."
        notes.say(f"{pointer}/input/{action.makes_file}", "artifacts", told)
