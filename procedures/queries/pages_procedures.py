"""Procedures as pages show them: what a person may run or could ask for, and one with its versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Prefetch, Q

from procedures import access
from procedures.domain.errors import NotFound
from procedures.domain.states import VersionState
from procedures.models import Environment, Grant, Person, Procedure, Run, Version
from procedures.queries.pages_runs import last_outcomes, usual_s
from procedures.queries.pages_shell import covered

MOST = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the catalogue. `version` is the accepted one, or None."""

    procedure: Procedure
    version: Version | None
    may_run: bool
    last: Run | None
    usual: float | None
    outcomes: list[str]


def accepted(procedure: Procedure, at: datetime) -> Version | None:
    """The version that runs now, if any."""
    return procedure.versions.filter(state=VersionState.ACCEPTED.value, expires_at__gt=at).first()


def catalogue(
    person: Person, at: datetime, *, query: str = "", environment: str = "", risk: str = "", scope: str = ""
) -> tuple[list[Entry], int]:
    """What a person may see, narrowed, and how many there are without the narrowing."""
    seen = access.visible(Procedure.objects.all(), person, "discover", at=at) | access.visible(
        Procedure.objects.all(), person, "view", at=at
    )
    seen = seen.filter(retired_at__isnull=(scope != "retired"))
    total = seen.distinct().count()
    rows = seen.distinct().prefetch_related(
        Prefetch("versions", Version.objects.filter(state=VersionState.ACCEPTED.value), to_attr="accepted_versions")
    )
    for word in query.split()[:8]:
        rows = rows.filter(
            Q(title__icontains=word)
            | Q(name__icontains=word)
            | Q(description__icontains=word)
            | Q(owner__icontains=word)
        )
    runnable = covered(person, "run", at)
    entries = [
        _entry(row, runnable.has(row.id, environment or None))
        for row in rows.order_by("title")[:MOST]
        if _fits(row, environment, risk)
    ]
    if scope == "mine":
        entries = [entry for entry in entries if entry.may_run]
    return entries, total


def _version(procedure: Procedure) -> Version | None:
    found: list[Version] = getattr(procedure, "accepted_versions", [])
    return found[0] if found else None


def _fits(procedure: Procedure, environment: str, risk: str) -> bool:
    version = _version(procedure)
    if environment and (version is None or environment not in version.definition["environments"]):
        return False
    return not risk or (version is not None and version.risk == risk)


def _entry(procedure: Procedure, may_run: bool) -> Entry:
    last = procedure.runs.select_related("environment").order_by("-id").first()
    return Entry(
        procedure,
        _version(procedure),
        may_run,
        last,
        usual_s(procedure.id),
        last_outcomes([procedure.id])[procedure.id],
    )


def one_procedure(person: Person, name: str, at: datetime) -> Procedure:
    """The procedure, if this person may know that it exists. Raises NotFound."""
    row = Procedure.objects.filter(name=name).first()
    known = row is not None and any(
        access.decide(person, verb, at=at, procedure=row).allowed for verb in ("discover", "view", "run")
    )
    if row is None or not known:
        raise NotFound(f"There is no procedure {name}.")
    return row


def may_view(person: Person, procedure: Procedure, at: datetime) -> bool:
    """Whether parameters, files and results may be shown."""
    return any(
        access.decide(person, verb, at=at, procedure=procedure).allowed
        for verb in ("view", "run", "review", "approve", "audit")
    )


def environments_of(
    person: Person, version: Version, procedure: Procedure, at: datetime
) -> list[tuple[Environment, bool]]:
    """The environments a version names, each with whether this person may run it there."""
    rows = Environment.objects.filter(name__in=version.definition["environments"])
    return [(row, access.decide(person, "run", at=at, procedure=procedure, environment=row).allowed) for row in rows]


def readme_of(version: Version) -> str:
    """The text of the bundle's README.md, or an empty string."""
    row = version.files.filter(path="README.md").first()
    return bytes(row.content).decode("utf-8", "replace") if row else ""


def grants_on(procedure: Procedure, at: datetime) -> list[Grant]:
    """Live access to one procedure, also through everything or a label."""
    rows = Grant.objects.filter(
        Q(rights__procedure=procedure) | Q(rights__procedure__isnull=True, rights__isnull=False),
        rights__ends_at__gt=at,
        revoked_at__isnull=True,
        expires_at__gt=at,
    )
    return list(rows.select_related("person", "group", "procedure").distinct().order_by("expires_at"))


def approvers_of(procedure: Procedure, environment: Environment, at: datetime, *, but: Person) -> int:
    """How many persons may approve a run there, the requester aside."""
    people = Person.objects.filter(is_active=True).exclude(pk=but.pk)
    where: dict[str, Any] = {"procedure": procedure, "environment": environment}
    return sum(access.decide(person, "approve", at=at, **where).allowed for person in people[:MOST])
