"""Signs of life for whoever operates the portal: the process, its parts, its figures."""

from __future__ import annotations

from datetime import timedelta

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse

from procedures.domain.clock import now
from procedures.evidence.models import Outbox
from procedures.models import Environment, Run, Runner

SILENT = timedelta(seconds=30)
LOOPBACK = {"127.0.0.1", "::1"}


def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """Database and a runner that was heard of lately; 503 with what is missing."""
    checks: dict[str, bool] = {}
    try:
        checks["database"] = Environment.objects.exists()
        checks["runner"] = Runner.objects.filter(heartbeat_at__gt=now() - SILENT).exists()
    except DatabaseError:
        checks["database"] = False
    ready = all(checks.values())
    return JsonResponse({"status": "ready" if ready else "not ready", "checks": checks}, status=200 if ready else 503)


def metrics(request: HttpRequest) -> HttpResponse:
    """Figures in Prometheus's text form, from the database; for loopback alone (H32)."""
    if request.META.get("REMOTE_ADDR") not in LOOPBACK:
        return HttpResponse("Only from this machine.\n", status=403, content_type="text/plain")
    lines = ["# TYPE opsportal_runs gauge"]
    lines += [
        f'opsportal_runs{{state="{state}"}} {Run.objects.filter(state=state).count()}'
        for state in ("queued", "running", "waiting", "awaiting_approval")
    ]
    lines += ["# TYPE opsportal_outbox gauge", f"opsportal_outbox {Outbox.objects.count()}", ""]
    return HttpResponse("\n".join(lines), content_type="text/plain; version=0.0.4")
