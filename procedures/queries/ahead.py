"""Approvals given ahead as people see them: which there are, what is left of each, and why one does not count (H24)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count

from procedures import access
from procedures.access import managing
from procedures.domain import ahead, places
from procedures.domain import standing as authorisations
from procedures.domain.canonical import parse
from procedures.domain.definition import RISKS
from procedures.domain.plan_changes import every_change
from procedures.models import Environment, Person, PreApproval, Run, Standing, Version
from procedures.queries import deputies, standing
from procedures.queries.duties import duties_of

SHOWN = 20
MOST_TOLD = 4


@dataclass(frozen=True, slots=True)
class Given:
    """One with how many runs it let go, and why the next one could not lean on it; empty if it could."""

    row: PreApproval
    used: int
    why_not: str

    @property
    def left(self) -> int:
        return max(self.row.runs - self.used, 0)


def given(row: Standing, at: datetime) -> list[Given]:
    """Those of a schedule, the newest first, those of earlier settings too."""
    rows = row.pre_approvals.select_related("approver", "taken_back_by", "standing__environment", "standing__procedure")
    return [as_given(one, at) for one in rows.annotate(used=Count("uses")).order_by("-at", "-id")[:SHOWN]]


def as_given(one: PreApproval, at: datetime) -> Given:
    used = one.used if hasattr(one, "used") else one.uses.count()
    return Given(one, used, why_over(one, at, used=used) or why_approver(one, at))


def live(row: Standing, at: datetime) -> list[PreApproval]:
    """Those that are neither taken back nor over, whatever else stands against them; the one that ends first first."""
    rows = row.pre_approvals.filter(taken_back_at__isnull=True, not_after_at__gt=at)
    related = ("approver", "standing__environment", "standing__procedure", "standing__account")
    return list(rows.select_related(*related).order_by("not_after_at", "id"))


def why_over(one: PreApproval, at: datetime, *, used: int) -> str:
    """Why it counts for no further run, whatever that would do; empty if it may."""
    row = one.standing
    if one.taken_back_at is not None:
        return f"it was taken back: {one.taken_back_why}"
    if one.not_after_at <= at:
        return f"it ended at {one.not_after_at:%Y-%m-%d %H:%M} UTC"
    if one.change != row.change:
        return f"it is for {row.name} as it was set before"
    if row.ended_at is not None or row.paused_at is not None or row.expires_at <= at:
        return f"{row.name} is paused, or stands no more"
    if used >= one.runs:
        return f"it is used up: {used} of {one.runs} runs"
    return ""


def why_approver(one: PreApproval, at: datetime) -> str:
    """Why this person's word lets nothing go any more; empty if it may."""
    who, row = one.approver, one.standing
    if not who.is_active:
        return f"{who.username} has left"
    may = access.decide(who, "approve", at=at, procedure=row.procedure, environment=row.environment).allowed
    if not may or not duties(one):
        return f"{who.username} may not approve it any more, or lost the duty"
    return ""


def duties(one: PreApproval) -> list[str]:
    """The duties that counted when it was given, and that its approver has filled without a break since."""
    held = duties_of(one.approver, since=one.at)
    return [duty for duty in one.duties if duty in held]


def why_not(one: PreApproval, run: Run, at: datetime, *, used: int) -> str:
    """Why it does not let this run go; empty if it does. `used` counts other runs alone."""
    row, risk = one.standing, run.risk
    if why := why_over(one, at, used=used) or why_approver(one, at):
        return why
    if run.requester_id != row.account_id:
        return "somebody else asked for this run than the schedule's account"
    if not ahead.allowed(rules_of(run.environment), risk):
        return f"the rules of {run.environment_id} let none be given ahead at {risk} risk"
    if one.approver_id in deputies.with_stand_ins(deputies.behind(run), "approve", at):
        return f"{one.approver.username} stands behind this run"
    plan = parse(bytes(run.plan))
    if ahead.work_digest(plan) != one.plan_digest:
        return f"the plan is another one: {differences(one, plan)}"
    return ""


def rules_of(environment: Environment) -> dict[str, Any]:
    return {"ahead_up_to": environment.ahead_up_to, "production": environment.production}


def differences(one: PreApproval, plan: Mapping[str, Any]) -> str:
    """What a plan says that was not approved ahead, in words."""
    rows = [f"{change.what.lower()}: {change.says}" for change in every_change(parse(bytes(one.plan)), plan)]
    more = f"; and {len(rows) - MOST_TOLD} more" if len(rows) > MOST_TOLD else ""
    return "; ".join(rows[:MOST_TOLD]) + more


def why_waits(run: Run, at: datetime) -> str:
    """Why a run of a schedule waits though somebody approved some ahead, in words; empty where nobody did."""
    if run.of_fire is None or run.of_fire.standing.kind != authorisations.SCHEDULE:
        return ""
    said = []
    for one in live(run.of_fire.standing, at):
        used = one.uses.exclude(run=run).count()
        why = why_not(one, run, at, used=used) or "it is not enough alone"
        said.append(f"What {one.approver.username} approved ahead does not let it go: {why}.")
    return " ".join(said)


def barred(actor: Person, row: Standing, at: datetime, *, profile: str, version: Version | None) -> str:
    """Why this person can approve no run of it ahead, being behind it; empty if they are not."""
    people = {person.pk for person, _ in standing.behind(row, profile=profile)} | {row.account_id}
    people |= {row.account.owner_id} if row.account.owner_id else set()
    if actor.pk in people:
        return f"You stand behind {row.name}, so you cannot approve what it asks for."
    if actor.pk in deputies.stand_ins(people, "approve", at):
        return f"You stand in for somebody behind {row.name}, so you cannot approve what it asks for."
    wrote = version is not None and version.authors.filter(person=actor).exists()
    if wrote and version is not None and version.risk == RISKS[-1] and profile == "separate":
        return "You wrote this version; a high-risk run needs an approver who did not."
    return ""


def may_take_back(actor: Person, one: PreApproval, at: datetime) -> bool:
    """Whoever gave it, and whoever manages access there."""
    place = places.Place(one.standing.procedure.name, (one.standing.environment_id,))
    return one.approver_id == actor.pk or managing.over(actor, "manage_access", place, at=at).allowed
