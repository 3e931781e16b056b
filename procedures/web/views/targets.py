"""One target with where it came from, and one inventory with what differs from the targets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from procedures.domain.clock import now
from procedures.domain.inventories import Difference
from procedures.queries import targets as queries
from procedures.services import inventories, targets
from procedures.web.doors import page, person_of, show

SHOWN = 500


@page
@require_safe
def one(request: HttpRequest, environment: str) -> HttpResponse:
    """The target ?name= and the changes that made it what it is."""
    row = queries.one_target(person_of(request), request.GET.get("name", ""), now(), environment=environment)
    return show(request, "target.html", {"target": row, "changes": queries.changes_of(row)}, nav="environments")


@page
@require_POST
def contact(request: HttpRequest, environment: str) -> HttpResponse:
    """Have the environment's targets contacted now."""
    targets.ask_for_contact(actor=person_of(request), environment=environment, at=now())
    messages.success(request, "A runner looks at the hosts now; reload in a few seconds.")
    return redirect("web:environment", environment)


@page
@require_http_methods(["GET", "POST"])
def inventory(request: HttpRequest, environment: str, name: str) -> HttpResponse:
    """What a source says against the targets as they stand; POST asks for a sync."""
    me, at = person_of(request), now()
    row = queries.one_inventory(me, name, at)
    if request.method == "POST":
        inventories.ask_for_a_sync(actor=me, inventory=name, at=at)
        messages.success(request, "A runner reads the source now; reload in a few seconds.")
        return redirect("web:inventory", row.environment_id, name)
    syncs = queries.syncs_of(row)
    found = inventories.compared(row, inventories.hosts_of(syncs[0])) if syncs else []
    context = {
        "inventory": row,
        "syncs": syncs,
        "notes": syncs[0].notes if syncs else [],
        "rows": [(one, _shown(one), _offered(one)) for one in found[:SHOWN]],
        "more": len(found) - SHOWN,
    }
    return show(request, "inventory.html", context, nav="environments")


def _shown(one: Difference) -> list[tuple[str, str, str]]:
    """(field, before, after) as people read them: tags as name=value."""
    return [(name.replace("_", " "), _text(before), _text(after)) for name, before, after in one.fields]


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{key}={text}" for key, text in value.items())
    return "" if value is None else str(value)


def _offered(one: Difference) -> str:
    """The change that would make both agree, to be looked at and signed; empty where there is none to offer."""
    return json.dumps(one.object) if one.kind in {"new", "changed"} else ""
