"""Versions under review: which of them a person may see, and who else could decide on one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from procedures import access
from procedures.domain.definition import DUTIES
from procedures.domain.errors import NotFound
from procedures.domain.states import VersionState
from procedures.models import DutyAssignment, GrantRight, Person, Version
from procedures.queries import deputies
from procedures.queries.drafts import hidden_from
from procedures.queries.pages_shell import covered

MOST = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """A duty that nobody has decided for yet. `people` could; they are empty for those who may not know."""

    duty: str
    people: list[Person]
    count: int


def reviews_for(person: Person, at: datetime) -> list[Version]:
    """Versions in review that this person may see, oldest first."""
    rights = covered(person, "review", at)
    seen = covered(person, "view", at)
    rows = Version.objects.filter(state=VersionState.IN_REVIEW.value).select_related("procedure", "submitter")
    return [
        v
        for v in rows.order_by("submitted_at")[:MOST]
        if v.submitter_id == person.pk or rights.has(v.procedure_id) or seen.has(v.procedure_id)
    ]


def may_see(person: Person, version: Version, at: datetime) -> bool:
    """Whether this person may see a version and its files: who sent it, and whoever holds one of these rights."""
    verbs = ("review", "view", "run", "approve", "audit")
    if hidden_from(person, version):
        return False
    own = version.submitter_id == person.pk and access.within(person, "view", version.procedure.name)
    return own or any(access.decide(person, verb, at=at, procedure=version.procedure).allowed for verb in verbs)


def one_version(person: Person, version: UUID, at: datetime) -> Version:
    """The version, if this person may see its files. Raises NotFound."""
    row = Version.objects.select_related("procedure", "submitter").filter(pk=version).first()
    if row is None or not may_see(person, row, at):
        raise NotFound("There is no such version.")
    return row


def is_author(person: Person, version: Version) -> bool:
    """Whether this person wrote or submitted it (rule 16)."""
    return version.submitter_id == person.pk or version.authors.filter(person=person).exists()


def knows_people(person: Person, version: Version, at: datetime) -> bool:
    """Whether the names of who may decide on it and who may run it are this person's business."""
    verbs = ("review", "author", "manage_access", "audit")
    return is_author(person, version) or any(
        access.decide(person, verb, at=at, procedure=version.procedure).allowed for verb in verbs
    )


def who_could(version: Version, at: datetime) -> dict[str, list[Person]]:
    """Per duty the people who may still decide for it: with the right, the duty, no part in it, and no decision yet."""
    rights = GrantRight.objects.filter(
        Q(procedure__isnull=True) | Q(procedure=version.procedure_id),
        verb="review",
        not_before_at__lte=at,
        ends_at__gt=at,
    )
    people = (
        Person.objects.filter(
            Q(pk__in=rights.filter(person__isnull=False).values("person"))
            | Q(memberships__group__in=rights.filter(group__isnull=False).values("group")),
            is_active=True,
        )
        .exclude(pk__in=deputies.with_stand_ins(deputies.authors(version), "review", at))
        .exclude(pk__in=version.reviews.filter(lifted_at__isnull=True).values("reviewer"))
        .distinct()
        .order_by("name")
    )
    known = {person.pk: person for person in people}
    found: dict[str, list[Person]] = {}
    for duty in DUTIES:
        live = DutyAssignment.objects.filter(duty=duty, ended_at__isnull=True)
        holders = set(live.filter(person__isnull=False).values_list("person", flat=True))
        holders |= set(live.filter(group__isnull=False).values_list("group__memberships__person", flat=True))
        found[duty] = [person for pk, person in known.items() if pk in holders]
    return found


def asked(person: Person, version: Version, missing: list[str], at: datetime) -> list[Asked]:
    """Who could fill each missing duty; what is not a duty ("another person") may be filled by any of them."""
    could = who_could(version, at)
    everybody = list({p.pk: p for people in could.values() for p in people}.values())
    named = knows_people(person, version, at)
    rows = [(duty, could.get(duty, everybody)) for duty in missing]
    return [Asked(duty, people if named else [], len(people)) for duty, people in rows]
