"""What later steps, and the run's own output, may read of finished tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from procedures.domain import expressions, plan
from procedures.domain import links as links_of
from procedures.domain.definition import Definition
from procedures.domain.errors import OpsError
from procedures.domain.secrets import Secret
from procedures.models import Task


def outputs_of(finished: Iterable[Task], prefix: str = "") -> dict[str, Any]:
    """`{step: {"output": {...}}}`: own values, and `targets.succeeded`, `targets.failed` where it ran on targets.

    Of a called procedure's steps only those of the frame `prefix` are seen, by their own ids.
    """
    found: dict[str, dict[str, Any]] = {}
    for task in finished:
        name = task.step.removeprefix(prefix)
        if not task.step.startswith(prefix) or "/" in name or task.phase == "contact":
            continue
        output = found.setdefault(name, {"output": {}})["output"]
        state = state_of(task)
        if task.target and state != "skipped":
            counts = output.setdefault("targets", {"succeeded": 0, "failed": 0})
            counts["succeeded" if state == "succeeded" else "failed"] += 1
        if state == "succeeded":
            output.update({k: v for k, v in task.output.items() if k != "targets"})
    return found


def state_of(task: Task) -> str:
    """How a task ended, or how it had ended in the run that this one goes on with."""
    return str(task.facts.get("was", task.state)) if task.carried_id else task.state


def run_output(
    definition: Definition, ask: plan.Ask, secrets: Mapping[str, Secret], steps: Mapping[str, Any]
) -> dict[str, Any]:
    """The declared output of a run; what cannot be rendered is left out and named under `problems`."""
    scope = plan.scope_for(definition, ask, steps=steps, secrets=secrets)
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name, expression in (definition.output.get("values") or {}).items():
        try:
            values[name] = plan.plain(expressions.render(expression, scope))
        except OpsError as problem:
            problems.append(f"{name}: {problem.message}")
    links = []
    for link in definition.output.get("links") or []:
        try:
            links.append({"title": link.get("title", ""), "url": links_of.rendered(link["url"], scope)})
        except OpsError as problem:
            problems.append(f"link {link.get('title', '')}: {problem.message}")
    safe = [link for link in links if links_of.safe(link["url"])]
    problems += [f"link {link['title']}: is not a web address" for link in links if link not in safe]
    return {key: value for key, value in {"values": values, "links": safe, "problems": problems}.items() if value}
