"""Drafts are their authors' own: nobody else sees that they are there."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from procedures.domain.states import VersionState
from procedures.models import Person, Procedure, Version, VersionAuthor


def without_others(rows: QuerySet[Version], person: Person) -> QuerySet[Version]:
    """These versions but for the drafts of others, withdrawn ones too."""
    own = VersionAuthor.objects.filter(person=person).values("version")
    return rows.filter(Q(draft=False) | Q(pk__in=own))


def hidden_from(person: Person, version: Version) -> bool:
    return version.draft and not version.authors.filter(person=person).exists()


def own_draft(person: Person, procedure: Procedure) -> Version | None:
    """The draft of this procedure that this person may run now."""
    rows = procedure.versions.filter(state=VersionState.DRAFT.value, authors__person=person)
    return rows.order_by("-number").first()
