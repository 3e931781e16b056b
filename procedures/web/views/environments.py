"""Environments: their rules, credential bindings, targets and runners."""

from __future__ import annotations

import json

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from procedures.domain.clock import now
from procedures.domain.definition import DUTIES, RISKS
from procedures.domain.filters import FilterRefused
from procedures.domain.inventories import SETTINGS
from procedures.domain.statements import STRENGTHS
from procedures.models import Environment, Target
from procedures.queries import pages_environments, targets
from procedures.services.portal import profile_in_force
from procedures.web import words
from procedures.web.doors import page, person_of, show

PROVIDERS = ("ssh-certificate", "ssh-key", "git-token", "git-key", "sealed-secret")

TABS = frozenset({"targets", "inventories", "bindings", "rules"})


@page
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    return show(
        request,
        "environments.html",
        {"places": pages_environments.places(), "profile": profile_in_force()},
        nav="environments",
    )


@page
@require_safe
def one(request: HttpRequest, name: str) -> HttpResponse:
    row = pages_environments.one_environment(name)
    me, at = person_of(request), now()
    sees = targets.sees(me, row, at)
    chosen = request.GET.get("filter", "")[:4000]
    shown, problem = _targets(row, chosen) if sees else ([], None)
    rules = [(risk, [(duty, row.approvals.get(risk, {}).get(duty, "")) for duty in DUTIES]) for risk in RISKS]
    tab = request.GET.get("tab", "targets")
    return show(
        request,
        "environment.html",
        {
            "environment": row,
            "rules": rules,
            "duties": DUTIES,
            "strengths": [(s, words.STRENGTH[s]) for s in STRENGTHS],
            "sees": sees,
            "moving": pages_environments.target_changes_waiting(row) if sees else [],
            "targets": shown,
            "filter": chosen,
            "problem": problem,
            "inventories": targets.inventories(me, at, environment=name),
            "inventory_kinds": SETTINGS,
            "bindings": pages_environments.bindings_of(row) if sees else [],
            "secrets": pages_environments.secrets_of(row) if sees else [],
            "tab": tab if tab in TABS else "targets",
            "trusts": words.TRUST.items(),
            "providers": PROVIDERS,
            "hours": row.approval_expiry_s // 3600,
            "queue_rules": json.dumps(row.queue, indent=1) if row.queue else "",
            "pause_hours": max(1, row.pause_limit_s // 3600),
        },
        nav="environments",
    )


def _targets(row: Environment, chosen: str) -> tuple[list[Target], FilterRefused | None]:
    """The environment's targets that the filter matches; all of them, and why, if it does not parse."""
    rows = targets.live([row])
    try:
        return targets.matching(rows, chosen), None
    except FilterRefused as problem:
        return targets.matching(rows, ""), problem
