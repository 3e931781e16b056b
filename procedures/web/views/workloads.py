"""Workloads: whose tokens are trusted, which become which service account, and what was exchanged last."""

from __future__ import annotations

import json

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from procedures.domain import workloads as rules
from procedures.domain.clock import now
from procedures.domain.tokens import VERBS
from procedures.models import Environment, Procedure
from procedures.queries import workloads
from procedures.services.accounts import accounts_for
from procedures.web.doors import page, person_of, show


@page
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """Everything for managers and auditors, rules of the own accounts for their owners; managers propose here."""
    me, at = person_of(request), now()
    issuers, shown = workloads.shown(me, at)
    return show(
        request,
        "workloads.html",
        {
            "issuers": [(row, _ended(row.object)) for row in issuers],
            "rules": [(one, _ended(one.rule.object)) for one in shown],
            "audience": settings.OPSPORTAL_PUBLIC_URL,
            "kinds": rules.KINDS,
            "algorithms": rules.ALGORITHMS,
            "verbs": VERBS,
            "longest": rules.LONGEST_S // 60,
            "accounts": [row for row in accounts_for(me, at) if row.is_active and row.owner_id != me.pk],
            "environments": Environment.objects.all(),
            "procedures": Procedure.objects.order_by("title")[:500],
        },
        nav="access",
    )


def _ended(object: dict[str, object]) -> str:
    """The change that ends this, as its form sends it."""
    return json.dumps({**object, "action": "end"})
