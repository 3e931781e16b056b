"""Somebody leaves: in one transaction everything ends that they could do, and what needs a new owner is named."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from procedures import access
from procedures.domain.errors import IllegalState, NotAllowed, NotFound
from procedures.domain.states import VersionState
from procedures.evidence.record import record
from procedures.models import (
    ApiToken,
    CodeApp,
    ControlChange,
    DutyAssignment,
    EnrolledKey,
    Grant,
    GrantRight,
    Membership,
    OneTimeLink,
    Person,
    Review,
    Source,
)
from procedures.services import deputies, grant_rights, open_sessions, standing_states, telling
from procedures.services.accounts import suspend_owned
from procedures.services.chains import through
from procedures.services.unit import thing


class LastManager(IllegalState):
    """Nobody else would be left who can give access."""

    code = "person.last-manager"
    next_step = "Give manage_access everywhere to another person first, then close this account."


@thing
def close_person(*, actor: Person, person: UUID, at: datetime, bearer: bool = False) -> Person:
    """Shut an account, as an access manager: nothing that it could do is possible from this instant.

    Raises NotAllowed, NotFound, LastManager.
    """
    if bearer:
        raise NotAllowed("A bearer token closes no accounts: sign in for that.")
    access.require(actor, "manage_access", at=at)
    return _close(actor, person, at)


def close_by_directory(*, directory: Person, person: UUID, at: datetime) -> Person:
    """The same, because the directory that people come from says that somebody left. Call inside a transaction.

    Raises NotAllowed, NotFound, LastManager.
    """
    if directory.kind != Person.Kind.SYSTEM:
        raise NotAllowed("Only the portal's own account for a directory speaks for it.")
    return _close(directory, person, at)


def _close(actor: Person, person: UUID, at: datetime) -> Person:
    """Twice is once: an account that is closed stays as it is."""
    row = Person.objects.select_for_update(of=("self",)).exclude(kind=Person.Kind.SYSTEM).filter(subject=person).first()
    if row is None:
        raise NotFound("There is no such person.")
    if not row.is_active and not Grant.objects.filter(person=row, revoked_at__isnull=True).exists():
        return row
    if _is_last_manager(row, at):
        raise LastManager(f"{row.username} is the only one who can give access everywhere.")
    row.is_active = False
    row.set_unusable_password()
    row.save(update_fields=["is_active", "password"])
    accounts = suspend_owned(row, actor, at)
    sources = list(Source.objects.filter(owner=row, ended_at__isnull=True).values_list("name", flat=True))
    record(
        "person.closed",
        actor=actor.subject,
        at=at,
        facts={
            "subject": str(row.subject),
            "ended": _end_everything(row, actor, at),
            "accounts": [str(one.subject) for one in accounts],
            "sources": sources,
            "standing": standing_states.pause_of_leaver(row, at=at),
            **through(actor),
        },
    )
    telling.account_closed(row, actor, at=at)
    return row


def _is_last_manager(person: Person, at: datetime) -> bool:
    live = GrantRight.objects.filter(verb="manage_access", procedure__isnull=True, environment__isnull=True)
    live = live.filter(not_before_at__lte=at, ends_at__gt=at)
    people = Person.objects.filter(is_active=True, kind=Person.Kind.PERSON)
    managers = people.filter(
        Q(pk__in=live.values("person")) | Q(memberships__group__in=live.exclude(group=None).values("group"))
    )
    return managers.filter(pk=person.pk).exists() and not managers.exclude(pk=person.pk).exists()


def _end_everything(person: Person, actor: Person, at: datetime) -> dict[str, int]:
    """What ended, by kind. Each is named by the table that holds it; runs end by themselves at their claim."""
    tokens = ApiToken.objects.filter(Q(person=person) | Q(made_by=person), revoked_at__isnull=True)
    keys = EnrolledKey.objects.filter(person=person, revoked_at__isnull=True)
    duties = DutyAssignment.objects.filter(person=person, ended_at__isnull=True)
    OneTimeLink.objects.filter(person=person, used_at__isnull=True).update(used_at=at)
    return {
        "sessions": open_sessions.end_all(person, at),
        "tokens": tokens.update(revoked_at=at),
        "grants": _end_grants(person, actor, at),
        "memberships": Membership.objects.filter(person=person).delete()[0],
        "duties": duties.update(ended_at=at),
        "keys": keys.update(revoked_at=at),
        "code_apps": CodeApp.objects.filter(person=person, removed_at__isnull=True).update(removed_at=at, sealed=b""),
        "deputies": deputies.end_of(person, actor, at),
        "proposals": _withdraw_proposals(person, actor, at),
        "reviews": _withdraw_reviews(person, actor, at),
    }


def _end_grants(person: Person, actor: Person, at: datetime) -> int:
    rows = list(Grant.objects.select_for_update(of=("self",)).filter(person=person, revoked_at__isnull=True))
    for grant in rows:
        Grant.objects.filter(pk=grant.pk).update(revoked_at=at, revoked_by=actor)
        grant_rights.end(grant, at=at)
    return len(rows)


def _withdraw_proposals(person: Person, actor: Person, at: datetime) -> int:
    """What they proposed is refused; what they helped to confirm needs somebody else in their place."""
    open_ones = ControlChange.objects.select_for_update(of=("self",)).filter(state=ControlChange.State.PROPOSED)
    count = 0
    for change in open_ones:
        if change.proposer_id == person.pk:
            count += 1
            ControlChange.objects.filter(pk=change.pk).update(state=ControlChange.State.REFUSED, decided_at=at)
            facts: dict[str, Any] = {"control": change.control, "change": str(change.pk)}
            record("control.refused", actor=actor.subject, at=at, facts={**facts, "reason": "Its proposer left."})
        elif any(row["by"] == str(person.subject) for row in change.signatures):
            kept = [row for row in change.signatures if row["by"] != str(person.subject)]
            ControlChange.objects.filter(pk=change.pk).update(signatures=kept)
    return count


def _withdraw_reviews(person: Person, actor: Person, at: datetime) -> int:
    """Verdicts on versions that are still in review count no more; what was accepted stays accepted."""
    rows = Review.objects.filter(reviewer=person, lifted_at__isnull=True, version__state=VersionState.IN_REVIEW.value)
    found = list(rows.select_related("version"))
    for row in found:
        Review.objects.filter(pk=row.pk).update(lifted_at=at)
        facts = {"version": str(row.version_id), "digest": row.digest, "review": str(row.pk)}
        record("review.lifted", actor=actor.subject, at=at, procedure=row.version.procedure_id, facts=facts)
    return len(found)


def orphans(actor: Person, at: datetime) -> dict[str, list[Any]]:
    """What has no owner with an open account, for access managers: service accounts and git sources."""
    if not access.decide(actor, "manage_access", at=at).allowed:
        return {"accounts": [], "sources": []}
    accounts = Person.objects.filter(kind=Person.Kind.SERVICE, owner__is_active=False).select_related("owner")
    sources = Source.objects.filter(ended_at__isnull=True, owner__is_active=False).select_related("owner")
    return {"accounts": list(accounts.order_by("name")), "sources": list(sources.order_by("name"))}
