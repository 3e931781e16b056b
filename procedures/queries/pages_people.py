"""People, groups, duties and keys; grants and proposed changes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import Group
from django.db.models import Prefetch, Q, QuerySet

from procedures import access
from procedures.domain.errors import NotFound
from procedures.models import ApiToken, ControlChange, DutyAssignment, EnrolledKey, Grant, Membership, Person
from procedures.queries import deciding


def people() -> QuerySet[Person]:
    """Everybody but the system's own accounts, with memberships, live duties and keys."""
    return (
        Person.objects.exclude(kind=Person.Kind.SYSTEM)
        .order_by("-is_active", "name")
        .prefetch_related(
            Prefetch("memberships", Membership.objects.select_related("group"), to_attr="in_groups"),
            Prefetch("duty_assignments", DutyAssignment.objects.filter(ended_at__isnull=True), to_attr="duties"),
            Prefetch("signing_keys", EnrolledKey.objects.filter(revoked_at__isnull=True), to_attr="keys"),
        )
    )


def groups() -> QuerySet[Group]:
    """Groups with their members and live duties."""
    return Group.objects.order_by("name").prefetch_related(
        Prefetch("memberships", Membership.objects.select_related("person"), to_attr="members"),
        Prefetch("duty_assignments", DutyAssignment.objects.filter(ended_at__isnull=True), to_attr="duties"),
    )


def keys_of(person: Person) -> QuerySet[EnrolledKey]:
    return EnrolledKey.objects.filter(person=person).order_by("-enrolled_at")


def with_code_app() -> QuerySet[Person]:
    """People whose code app counts."""
    return Person.objects.filter(code_apps__enrolled_at__isnull=False, code_apps__removed_at__isnull=True)


def signs(person: Person) -> bool:
    """Whether this person has a key that counts."""
    return EnrolledKey.objects.filter(person=person, revoked_at__isnull=True).exists()


def tokens_of(person: Person, at: datetime) -> QuerySet[ApiToken]:
    """Live tokens that this person owns, made, or owns the account of; connections stand with agents."""
    mine = Q(person=person) | Q(made_by=person) | Q(person__owner=person)
    rows = ApiToken.objects.filter(mine, revoked_at__isnull=True, expires_at__gt=at, connection__isnull=True)
    return rows.select_related("person").order_by("-created_at")


def accounts_of(person: Person) -> QuerySet[Person]:
    """Service accounts that this person owns and that are not suspended."""
    return Person.objects.filter(owner=person, kind=Person.Kind.SERVICE, is_active=True).order_by("name")


def grants(actor: Person, at: datetime, *, ended: bool = False) -> list[Grant]:
    """Live grants, or ended ones: all for managers and auditors, else those that one manages or that concern one."""
    rows = Grant.objects.select_related("person", "group", "procedure", "granted_by", "confirmed_by", "revoked_by")
    if ended:
        rows = rows.exclude(revoked_at__isnull=True, expires_at__gt=at)
    else:
        rows = rows.filter(revoked_at__isnull=True, expires_at__gt=at)
    found = list(rows.order_by("expires_at")[:500])
    if any(access.decide(actor, verb, at=at).allowed for verb in ("manage_access", "audit")):
        return found
    mine = set(actor.memberships.values_list("group_id", flat=True))
    ours = managed(actor, found, at)
    return [g for g in found if g.person_id == actor.pk or g.group_id in mine or g.pk in ours]


def managed(actor: Person, rows: Iterable[Grant], at: datetime) -> set[UUID]:
    """Those of these grants that this person may end."""
    reach = deciding.reach(actor, at=at)
    return {row.pk for row in rows if reach.ends(row)}


def changes_for(actor: Person, at: datetime) -> list[ControlChange]:
    """Changes of every state, newest first, that this person may decide. Raises NotAllowed where they decide none."""
    reach = deciding.reach(actor, at=at)
    if not reach:
        access.require(actor, "manage_access", at=at)
    rows = ControlChange.objects.select_related("proposer").order_by("-id")[:200]
    if access.decide(actor, "manage_access", at=at).allowed:
        return list(rows)
    return [row for row in rows if reach.decides(row.control, row.object)]


def proposed_changes() -> QuerySet[ControlChange]:
    rows = ControlChange.objects.filter(state=ControlChange.State.PROPOSED)
    return rows.select_related("proposer").order_by("proposed_at")


def one_change(actor: Person, change: UUID, at: datetime) -> ControlChange:
    """The change, for its proposer, managers, operators and auditors. Raises NotFound."""
    row = ControlChange.objects.select_related("proposer", "confirmer").filter(pk=change).first()
    verbs = ("manage_access", "operate", "audit")
    may = row is not None and (
        row.proposer_id == actor.pk
        or any(access.decide(actor, verb, at=at).allowed for verb in verbs)
        or deciding.may(actor, row.control, row.object, at=at).allowed
    )
    if row is None or not may:
        raise NotFound("There is no such proposed change.")
    return row


def names_of(subjects: list[str]) -> dict[str, str]:
    """Names by subject, for showing who is behind a pseudonym."""
    return {str(p.subject): str(p) for p in Person.objects.filter(subject__in=subjects)}


def subject_of(username: str) -> str:
    """The subject of a person of that user name, or nothing."""
    row = Person.objects.filter(username=username, kind=Person.Kind.PERSON, is_active=True).first()
    return str(row.subject) if row else ""


def service_account(subject: str) -> Person | None:
    """The service account of a subject that was typed, or nothing."""
    known = as_subject(subject)
    return Person.objects.filter(subject=known, kind=Person.Kind.SERVICE).first() if known else None


def as_subject(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
