"""Runners as pages, API and command line show them: to whoever operates, manages or audits an environment of theirs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from procedures.domain import plan
from procedures.domain.clock import SKEW
from procedures.domain.runners import fingerprint
from procedures.models import ControlChange, Person, PoolKey, Run, Runner
from procedures.queries import pages_runs, targets

ENDED_SHOWN = timedelta(days=90)
RUNS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Listed:
    """A runner with what can be said of it now. `replace`: environments whose pool key was in a lost runner's hands."""

    row: Runner
    fingerprint: str
    state: str
    environments: list[str]
    skew: str
    clock: str
    unattested: bool
    foreign: list[str]
    replace: list[str]
    issuer: str
    runs: list[Run]
    busy: int


def listed(actor: Person, at: datetime) -> list[Listed]:
    """Runners of environments that this person sees, living ones first, and those that ended lately."""
    seen = {row.name for row in targets.seen_environments(actor, at)}
    rows = Runner.objects.order_by("ended_at", "name")
    mine = [row for row in rows if seen & set(row.environments)]
    shown = [row for row in mine if row.ended_at is None or row.ended_at > at - ENDED_SHOWN]
    alive = PoolKey.objects.filter(ended_at__isnull=True).order_by("since_at")
    pools = {key.environment_id: key.since_at for key in alive}
    return sorted((_told(row, actor, pools, at) for row in shown), key=lambda one: one.state == "ended")


def _told(row: Runner, actor: Person, pools: dict[str, datetime], at: datetime) -> Listed:
    held = Run.objects.filter(claim__runner=row)
    since = row.ended_at
    said = row.reported or {}
    return Listed(
        row=row,
        fingerprint=fingerprint(row.public),
        state=state_of(row, at),
        environments=list(row.environments),
        skew=_skew(row),
        clock=_clock(row),
        unattested=bool(row.attested and said.get("software") not in row.attested),
        foreign=[action for action, mark in said.get("actions", {}).items() if not mark.startswith("opsportal:")],
        replace=[name for name in row.environments if since and name in pools and pools[name] < since],
        issuer=_issuer(row),
        runs=list(pages_runs.seen_by(actor, at).filter(pk__in=held.values("pk"))[:RUNS_SHOWN]),
        busy=held.count(),
    )


def state_of(row: Runner, at: datetime) -> str:
    """`alive`, `draining` (told to stop), `silent` (not heard of for too long), `new` (never heard of) or `ended`."""
    if row.ended_at is not None:
        return "ended"
    if row.heartbeat_at is None:
        return "new"
    late = at - row.heartbeat_at > timedelta(seconds=settings.OPSPORTAL_HEARTBEAT_LOST_S)
    if late:
        return "silent"
    return "draining" if (row.reported or {}).get("draining") else "alive"


def _skew(row: Runner) -> str:
    """What is wrong with its software, or how it differs from this process's, in words; "" if nothing is."""
    if through := (row.reported or {}).get("unmasked"):
        return f"lets a secret through its mask ({', '.join(through)}): it takes no run"
    if row.reported and row.reported.get("plan_format") != plan.FORMAT:
        return f"{row.software} reads another format of plans than this portal writes: it takes no run"
    if row.software and row.software != settings.OPSPORTAL_VERSION:
        return f"runs {row.software}, this portal {settings.OPSPORTAL_VERSION}"
    return ""


def _clock(row: Runner) -> str:
    """That its clock is too far from the database's, in words; "" if it is not, or it was never heard of."""
    if row.skew_s is None or abs(row.skew_s) <= SKEW.total_seconds():
        return ""
    side = "ahead of" if row.skew_s > 0 else "behind"
    return f"{abs(row.skew_s):.0f} s {side} the database's: it claims nothing until the host's clock is set"


def _issuer(row: Runner) -> str:
    """Where its issuer is, as it says, in words; "" where it has said nothing."""
    said = (row.reported or {}).get("issuer")
    if not said or row.disposable:
        return ""
    if away := said.get("away"):
        return f"that of {', '.join(away)} does not answer: what needs a credential waits"
    return "a process of its own" if said.get("apart") else "in this runner's process, which holds what it lends"


def waiting(actor: Person, at: datetime) -> list[ControlChange]:
    """Enrolments that wait to be confirmed, for whoever operates or manages something."""
    if not targets.seen_environments(actor, at):
        return []
    rows = ControlChange.objects.filter(control="runner", state=ControlChange.State.PROPOSED)
    return list(rows.select_related("proposer").order_by("id")[:50])
