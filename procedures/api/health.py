"""Signs of life for whoever operates the portal: the process, its parts, its figures."""

from __future__ import annotations

from datetime import timedelta

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse

from procedures.evidence.models import Outbox
from procedures.models import Environment, Run, Runner
from procedures.services.moments import SKEW, database_now

SILENT = timedelta(seconds=30)
LOOPBACK = {"127.0.0.1", "::1"}


def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """Database, a runner that was heard of lately, and clocks that agree; 503 with what is missing."""
    checks: dict[str, bool] = {}
    skewed: list[tuple[str, float | None]] = []
    away: list[tuple[str, str]] = []
    try:
        checks["database"] = Environment.objects.exists()
        heard = Runner.objects.filter(heartbeat_at__gt=database_now() - SILENT)
        checks["runner"] = heard.exists()
        skewed = [(row.name, row.skew_s) for row in heard.filter(ended_at__isnull=True) if off(row.skew_s)]
        checks["clocks"] = not skewed
        away = [(row.name, name) for row in heard for name in (row.reported or {}).get("issuer", {}).get("away", [])]
    except DatabaseError:
        checks["database"] = False
    ready = all(checks.values())
    said: dict[str, object] = {"status": "ready" if ready else "not ready", "checks": checks}
    if skewed:
        said["clocks"] = [f"{name} is {skew:+.0f} s off the database and claims nothing" for name, skew in skewed]
    if away:  # what needs no credential goes on, so the portal stays ready
        said["issuers"] = [f"{runner} does not reach the issuer of {name}" for runner, name in away]
    return JsonResponse(said, status=200 if ready else 503)


def off(skew_s: float | None) -> bool:
    return skew_s is not None and abs(skew_s) > SKEW.total_seconds()


def metrics(request: HttpRequest) -> HttpResponse:
    """Figures in Prometheus's text form, from the database; for loopback alone (H32)."""
    if request.META.get("REMOTE_ADDR") not in LOOPBACK:
        return HttpResponse("Only from this machine.\n", status=403, content_type="text/plain")
    lines = ["# TYPE opsportal_runs gauge"]
    lines += [
        f'opsportal_runs{{state="{state}"}} {Run.objects.filter(state=state).count()}'
        for state in ("queued", "running", "waiting", "awaiting_approval")
    ]
    lines += ["# TYPE opsportal_runner_skew_seconds gauge"]
    lines += [
        f'opsportal_runner_skew_seconds{{runner="{row.id}"}} {row.skew_s:.3f}'
        for row in Runner.objects.filter(skew_s__isnull=False, ended_at__isnull=True)
    ]
    lines += ["# TYPE opsportal_outbox gauge", f"opsportal_outbox {Outbox.objects.count()}", ""]
    return HttpResponse("\n".join(lines), content_type="text/plain; version=0.0.4")
