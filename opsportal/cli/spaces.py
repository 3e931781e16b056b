"""Spaces at the command line: who leads which procedures inside which limits."""

from __future__ import annotations

from typing import Any

import click

from opsportal.cli.portal import ask, show


@click.command("spaces")
@click.option("--json", "as_json", is_flag=True)
def spaces(as_json: bool) -> None:
    """The spaces that you lead, or every one if you manage access. Set one by `control propose space FILE`."""
    found = ask("GET", "/api/v1/spaces/")
    rows = [line for one in found["results"] for line in _told(one)]
    show(found, as_json=as_json, rows=rows or ["There is no space."])


def _told(one: dict[str, Any]) -> list[str]:
    over = [grant for grant in one["grants"] if grant["outside"]]
    return [
        f"{one['name']}  {one['title']}, led by {', '.join(one['led_by'])}",
        f"  {', '.join(one['procedures'])} in {', '.join(one['environments'])}",
        f"  gives {', '.join(one['verbs'])} for {one['days']} days at most, {one['risk']} risk at most",
        *([f"  owns what is labelled {', '.join(one['labels'])}"] if "labels" in one else []),
        *([f"  on targets {'; '.join(one['targets'])}"] if "targets" in one else []),
        *([f"  {len(one['grants'])} of {one['at_once']} grants at once"] if "at_once" in one else []),
        *(f"  outside today's limits: {grant['id']} {'; '.join(grant['outside'])}" for grant in over),
    ]
