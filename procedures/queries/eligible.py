"""Who could do what waits: people who hold the right and stand outside the chain of the request."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from procedures.domain.canonical import parse
from procedures.models import (
    Approval,
    ControlChange,
    Deputy,
    DutyAssignment,
    Environment,
    Person,
    Run,
    Version,
)
from procedures.queries import deciding, deputies
from procedures.queries.duties import duties_of
from procedures.queries.holders import holders

MOST = 200


def approvers(run: Run, at: datetime) -> list[Person]:
    """Who could decide on this run, or its open gate, and has not."""
    decided = Approval.objects.filter(run=run, gate=run.waiting_gate, plan_digest=run.digest_now)
    rows = holders("approve", at, procedure=run.procedure, environment=run.environment)
    return list(
        rows.exclude(pk__in=deputies.with_stand_ins(deputies.behind(run), "approve", at)).exclude(
            pk__in=decided.values("approver")
        )[:MOST]
    )


def answerers(run: Run, at: datetime) -> list[Person]:
    """Who could answer the gate that a run stands at."""
    step = next((row for row in parse(bytes(run.plan))["steps"] if row["id"] == run.waiting_gate), None)
    wanted = step["effects"][0]["does"].get("answerers", "requester") if step else "requester"
    if wanted == "requester":
        return [run.requester] if run.requester.kind == Person.Kind.PERSON else []
    rows = holders("approve", at, procedure=run.procedure, environment=run.environment)
    decided = Approval.objects.filter(run=run).values("approver")
    return [one for one in rows.exclude(pk__in=decided)[:MOST] if set(duties_of(one)) & set(wanted)]


def reviewers(version: Version, at: datetime) -> list[Person]:
    """Who could review this version and has not."""
    rows = holders("review", at, procedure=version.procedure)
    return list(
        rows.exclude(pk__in=deputies.with_stand_ins(deputies.authors(version), "review", at)).exclude(
            pk__in=version.reviews.filter(lifted_at__isnull=True).values("reviewer")
        )[:MOST]
    )


def confirmers(change: ControlChange, at: datetime, gains: set[str]) -> list[Person]:
    """Who could confirm this change: neither proposed, nor signed, nor gaining, nor standing in for one of these."""
    barred = gains | {str(change.proposer.subject)} | {row["by"] for row in change.signatures}
    barred |= {str(row.deputy.subject) for row in deputies.in_force("manage_access", at) if _subject(row) in barred}
    rows = deciding.people(change.control, change.object, at=at)
    return [person for person in rows[:MOST] if str(person.subject) not in barred]


def _subject(row: Deputy) -> str:
    return str(row.person.subject)


def managers(at: datetime) -> list[Person]:
    """Everybody who manages access."""
    return list(holders("manage_access", at)[:MOST])


def operators(environment: Environment | None, at: datetime) -> list[Person]:
    """Operators of an environment, or of the whole portal."""
    return list(holders("operate", at, environment=environment, whole=environment is None)[:MOST])


def security(at: datetime) -> list[Person]:
    """Holders of the security duty, and everybody who manages access."""
    live = DutyAssignment.objects.filter(duty="security", ended_at__isnull=True)
    on_duty = Person.objects.filter(
        Q(pk__in=live.filter(person__isnull=False).values("person"))
        | Q(memberships__group__in=live.filter(group__isnull=False).values("group")),
        is_active=True,
        kind=Person.Kind.PERSON,
    ).distinct()
    return list({person.pk: person for person in [*on_duty[:MOST], *managers(at)]}.values())
