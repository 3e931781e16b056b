"""How steps follow each other: conditions, gates, repetition, calls; nothing unresolved decides (rules 19, 20; H18)."""

from __future__ import annotations

from procedures.definitions.lint.notes import Notes
from procedures.domain import expressions, filters, plan
from procedures.domain.calls import CALL
from procedures.domain.definition import Step
from procedures.domain.errors import OpsError
from procedures.domain.ports import Action

LATE = frozenset({"steps", "secrets", "each", "run"})


def step(notes: Notes, pointer: str, step: Step, action: Action) -> None:
    """One step whose action is known."""
    if action.per_target and notes.definition.targets is None:
        notes.say(pointer, "no-targets", f"{step.action} acts on targets, and the procedure has none.")
    if step.condition is not None:
        _condition(notes, f"{pointer}/if", step.condition, action)
    if step.each is not None:
        _each(notes, f"{pointer}/each", step.each, action)
    if action.gate:
        _gate(notes, pointer, step)
        if not pointer.startswith("/spec/steps/"):
            notes.say(pointer, "gate-at-end", "Nobody is waited for while a run is brought to its end.")
    elif step.timeout_s is None:
        notes.say(pointer, "no-timeout", f"The step {step.id} has no timeout.")
    if step.action == CALL:
        _call(notes, pointer, step)


def _condition(notes: Notes, pointer: str, condition: str, action: Action) -> None:
    paths = notes.names(pointer, condition)
    if not expressions.has_expression(condition):
        notes.say(pointer, "condition", "A condition is one ${{ … }} expression.")
    if action.gate and any(path[0] != "environment" for path in paths):
        notes.say(pointer, "gate-condition", "Whether a gate stands may depend on environment alone.")
    if condition.replace(" ", "").lower() in {"${{false}}", "${{0}}"}:
        if action.gate:
            notes.say(pointer, "gate-condition", "A gate that never stands is no gate.")
        else:
            notes.say(pointer, "never-runs", "This condition is always false.")


def _gate(notes: Notes, pointer: str, step: Step) -> None:
    if step.on_failure == "continue":
        notes.say(f"{pointer}/onFailure", "gate-continue", "A gate that is turned down ends the run.")
    for key, value in step.input.items():
        paths = notes.names(f"{pointer}/input/{key}", value)
        if any(path[0] in LATE for path in paths) or (paths and key != "message"):
            notes.say(f"{pointer}/input/{key}", "gate-runtime", f"{key} of a gate is known before it is approved.")


def _each(notes: Notes, pointer: str, each: str, action: Action) -> None:
    """`each` is one expression that is known when the plan is made."""
    paths = notes.names(pointer, each)
    if not expressions.has_expression(each) or not expressions.parse(each).whole:
        notes.say(pointer, "each", "`each` is one ${{ … }} expression that gives a list.")
    elif any(path[0] in LATE for path in paths):
        notes.say(pointer, "each-runtime", "`each` may depend on parameters, targets and environment.")
    elif not plan.each_is_targets(each) and (action.per_target or action.gate):
        notes.say(pointer, "each", "A gate or a step on targets takes `each: ${{ targets }}` or none.")


def _call(notes: Notes, pointer: str, step: Step) -> None:
    if step.each is not None or step.retry.attempts > 1:
        notes.say(pointer, "call-once", "A call happens once: it takes neither each nor retry.")
    if step.input.get("procedure") == notes.definition.name:
        notes.say(f"{pointer}/input/procedure", "call-itself", "A procedure does not call itself.")


def lint(notes: Notes) -> None:
    """What concerns the whole run: targets, group, who may call."""
    if "*" in notes.definition.callable_by:
        notes.say("/spec/callableBy", "callable-by-all", "Every procedure may call this one (H17).")
    if notes.definition.name in notes.definition.callable_by:
        notes.say("/spec/callableBy", "call-itself", f"{notes.definition.name} lets itself be called by itself.")
    group = notes.definition.concurrency.group if notes.definition.concurrency else ""
    if any(path[0] in LATE for path in notes.names("/spec/concurrency/group", group)):
        told = "A group may depend on parameters and environment alone."
        notes.say("/spec/concurrency/group", "group-runtime", told)
    if notes.definition.targets is not None:
        _targets(notes, notes.definition.targets.filter)


def _targets(notes: Notes, text: str) -> None:
    pointer = "/spec/targets/filter"
    try:
        parsed = filters.parse(text)
    except OpsError as problem:
        notes.say(pointer, "filter", problem.message, mend=problem.next_step)
        return
    for expression in parsed.expressions():
        if any(path[0] not in {"parameters", "environment"} for path in notes.names(pointer, expression)):
            notes.say(pointer, "filter-runtime", "Targets may depend on parameters and environment alone.")
    if parsed.is_wildcard:
        notes.say(pointer, "wildcard", "The filter may match every target.")
