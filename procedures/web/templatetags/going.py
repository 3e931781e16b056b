"""Where a secret result will go, in words: part of what is approved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template

from procedures.domain import results
from procedures.queries.pages_people import names_of

register = template.Library()


@register.filter
def goes(made: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    """`picked up once by Quinn, with the key SHA256:…`, or the place where it is put and with which credential."""
    if "place" in made:
        return f"{results.where(made['deliver'], made['place'])}, with the credential {made['credential']}"
    rows = plan.get("recipients", {}).get(made["deliver"], [])
    if made["deliver"] == "once":
        who = ", ".join(sorted(set(names_of([row["who"] for row in rows]).values())))
        return f"picked up once by {who or 'nobody'}, with the key {' or '.join(row['key'] for row in rows)}"
    count = len({row["who"] for row in rows})
    return (
        f"kept encrypted ({made['classification']}) for {count} {'person' if count == 1 else 'people'} who may read it"
    )
