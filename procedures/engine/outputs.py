"""What a run hands back: its declared output, out of what its steps gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from procedures.domain import expressions, plan
from procedures.domain import links as links_of
from procedures.domain.definition import Definition
from procedures.domain.errors import OpsError
from procedures.domain.secrets import Secret


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
