"""What the browser checks of a run by itself, as JSON: whoever may see the run gets headers, auditors bodies too."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from procedures import access
from procedures.domain.clock import now
from procedures.domain.errors import NotAllowed, OpsError
from procedures.queries import pages_runs, run_proofs
from procedures.services import exports
from procedures.web.doors import person_of, status_of


@never_cache
@require_safe
def to_check(request: HttpRequest, run: UUID) -> JsonResponse:
    """`seen`: the size of the newest log that this browser remembers."""
    try:
        if not request.user.is_authenticated:
            raise NotAllowed("Sign in again: this session has ended.")
        me, seen = person_of(request), request.GET.get("seen", "")
        row = pages_runs.one_run(me, run, now())
        audits = access.decide(me, "audit", at=now()).allowed
        size = int(seen) if seen.isascii() and seen.isdecimal() and len(seen) < 16 else None
        return JsonResponse({"key": exports.log_key(), **run_proofs.to_check(row.pk, seen=size, bodies=audits)})
    except OpsError as problem:
        return JsonResponse({"code": problem.code, "detail": problem.message}, status=status_of(problem))
