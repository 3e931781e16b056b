"""Environments: their rules, credential bindings, targets and runners."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from procedures import access
from procedures.domain.clock import now
from procedures.domain.definition import DUTIES, RISKS
from procedures.domain.statements import STRENGTHS
from procedures.queries import pages_environments
from procedures.services.portal import profile_in_force
from procedures.web import words
from procedures.web.doors import page, person_of, show

PROVIDERS = ("ssh-certificate", "ssh-key", "git-token", "git-key", "sealed-secret")


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
    sees = any(
        access.decide(me, verb, at=at, environment=row).allowed for verb in ("operate", "manage_access", "audit")
    )
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
            "targets": pages_environments.targets_of(row) if sees else [],
            "moving": pages_environments.target_changes_waiting(row) if sees else [],
            "bindings": pages_environments.bindings_of(row) if sees else [],
            "secrets": pages_environments.secrets_of(row) if sees else [],
            "tab": tab if tab in {"targets", "bindings", "rules"} else "targets",
            "trusts": words.TRUST.items(),
            "providers": PROVIDERS,
            "hours": row.approval_expiry_s // 3600,
        },
        nav="environments",
    )
