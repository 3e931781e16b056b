"""Signs of life for whoever operates the portal: the process, its parts, its figures."""

from __future__ import annotations

import json
from datetime import timedelta

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse

from procedures.evidence.models import Outbox
from procedures.evidence.pulse import pulse
from procedures.evidence.witnessed import Witnessed, witnessed
from procedures.models import Environment, Run, Runner
from procedures.queries import storage, way_out
from procedures.queries.collectors import streamed
from procedures.services.moments import SKEW, database_now
from procedures.signon import egress

SILENT = timedelta(seconds=30)
LOOPBACK = {"127.0.0.1", "::1"}


def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """Database, a runner that was heard of lately, and clocks that agree; 503 with what is missing.

    A witness or a way out that does not answer is told and makes nothing unready: the rest goes on without it.
    """
    checks: dict[str, bool] = {}
    vouched: Witnessed | None = None
    alone = False
    skewed: list[tuple[str, float | None]] = []
    away: list[tuple[str, str]] = []
    try:
        checks["database"] = Environment.objects.exists()
        heard = Runner.objects.filter(heartbeat_at__gt=database_now() - SILENT)
        checks["runner"] = heard.exists()
        skewed = [(row.name, row.skew_s) for row in heard.filter(ended_at__isnull=True) if off(row.skew_s)]
        checks["clocks"] = not skewed
        away = [(row.name, name) for row in heard for name in (row.reported or {}).get("issuer", {}).get("away", [])]
        vouched = witnessed(database_now())
        alone = way_out.needed() and not egress.answers()
    except DatabaseError:
        checks["database"] = False
    ready = all(checks.values())
    said: dict[str, object] = {"status": "ready" if ready else "not ready", "checks": checks}
    if vouched is not None:
        said["witnessed"] = vouched.sound
    if alone:
        said["egress"] = "the way out does not answer: nobody signs in by an identity provider, no workload comes in"
    if full := [one for one in storage.looked_at() if one.share >= storage.ALARM]:
        said["storage"] = [f"{one.what} is {int(one.share * 100)} % full" for one in full]
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
    lines += ["# TYPE opsportal_outbox gauge", f"opsportal_outbox {Outbox.objects.count()}", *_of_the_log()]
    lines += [*_of_witnesses(), *_of_collectors(), *_of_storage(), ""]
    return HttpResponse("\n".join(lines), content_type="text/plain; version=0.0.4")


def _of_the_log() -> list[str]:
    """How long the oldest event waits, how old the last heartbeat is, and what the last whole check found."""
    at = database_now()
    found = pulse(at)
    rows = {"opsportal_log_lag_seconds": f"{found.lag_s:.3f}"}
    if found.last_beat is not None:
        rows["opsportal_log_heartbeat_age_seconds"] = f"{(at - found.last_beat).total_seconds():.0f}"
    if found.check is not None:
        rows["opsportal_log_misfits"] = str(found.check.found)
    return [line for name, value in rows.items() for line in (f"# TYPE {name} gauge", f"{name} {value}")]


def _of_witnesses() -> list[str]:
    """How far the log is cosigned, and for how long each witness has owed a cosignature."""
    at = database_now()
    found = witnessed(at)
    if found is None:
        return []
    owed = [(one.name, (at - one.silent_since).total_seconds() if one.silent_since else 0) for one in found.witnesses]
    return [
        "# TYPE opsportal_log_size gauge",
        f"opsportal_log_size {found.total}",
        "# TYPE opsportal_log_witnessed_size gauge",
        f"opsportal_log_witnessed_size {found.size}",
        "# TYPE opsportal_witness_silent_seconds gauge",
        *(f"opsportal_witness_silent_seconds{{witness={json.dumps(name)}}} {late_s:.0f}" for name, late_s in owed),
    ]


def _of_collectors() -> list[str]:
    """How many events wait for each collector, and for how long it has acknowledged none of them."""
    at = database_now()
    rows = [(json.dumps(one.row.name), one.behind, one.silent_since) for one in streamed(at)]
    return [
        "# TYPE opsportal_collector_behind gauge",
        *(f"opsportal_collector_behind{{collector={name}}} {behind}" for name, behind, _ in rows),
        "# TYPE opsportal_collector_silent_seconds gauge",
        *(
            f"opsportal_collector_silent_seconds{{collector={name}}} {(at - since).total_seconds() if since else 0:.0f}"
            for name, _, since in rows
        ),
    ]


def _of_storage() -> list[str]:
    """How full each place of evidence is, of 1."""
    rows = [f"opsportal_storage_used{{place={json.dumps(one.what)}}} {one.share:.3f}" for one in storage.looked_at()]
    return ["# TYPE opsportal_storage_used gauge", *rows]
