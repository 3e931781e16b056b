"""What the runs of a procedure were seen to use, as far as the reader may know of them; read at a fixed cost."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count

from procedures.domain import filters
from procedures.domain.canonical import digest
from procedures.domain.definition import Definition, of_json
from procedures.domain.errors import OpsError
from procedures.domain.observed import DAYS, Did, Observation, Ran, Record, Told, observed
from procedures.domain.states import TaskState
from procedures.models import Person, Procedure, Run, Target, Task, Version, VersionAuthor, VersionFile
from procedures.queries.pages_runs import seen_by

RUNS, TASKS, REACH = 200, 50_000, 5_000  # newest runs, their tasks, and targets that are looked at
BESIDE = ("procedure.yaml", "README.md")
CONNECTED = {"target": "connected"}
ENDED = [s.value for s in TaskState if s not in {TaskState.PENDING, TaskState.RUNNING, TaskState.SKIPPED}]


def of_procedure(
    actor: Person, procedure: Procedure, version: Version, at: datetime, *, days: int = DAYS
) -> Observation:
    """The lines of this version, from the newest 200 runs within so many days that this person may know of."""
    since = at - timedelta(days=days)
    rows = Run.objects.filter(procedure=procedure, draft=False, started_at__isnull=False, ended_at__isnull=False)
    rows = rows.filter(requested_at__gte=since).order_by("-id")
    every = list(rows.values_list("id", flat=True)[:RUNS])
    known = seen_by(actor, at).filter(pk__in=every).order_by("-id")
    found = _within(known.values_list("id", "version", "environment", "requested_at", "requester", "requester__owner"))
    authors = _authors({row[1] for row in found})
    runs = [Ran(id, v, where, when, bool(authors[v] & {who, owner})) for id, v, where, when, who, owner in found]
    versions = _told({version.pk, *(run.version for run in runs)})
    record = Record.of(versions[version.pk], versions, runs, _did([run.id for run in runs]))
    return Observation(
        procedure=procedure.name,
        version=version.digest,
        since=since,
        until=at,
        runs=len(runs),
        own=sum(run.own for run in runs),
        partial=known.count() < len(every),
        lines=tuple(observed(record, reach(versions[version.pk].definition))),
        called=_calling(procedure.name),
    )


def _within(rows: Any) -> list[tuple[Any, ...]]:
    """As many of these runs, newest first, as have no more tasks together than are read."""
    found = list(rows)
    counted = dict(Task.objects.filter(run__in=[row[0] for row in found]).values_list("run").annotate(Count("id")))
    left, kept = TASKS, []
    for row in found:
        left -= counted.get(row[0], 0)
        if left < 0:
            break
        kept.append(row)
    return kept


def _authors(versions: Collection[UUID]) -> dict[UUID, set[int]]:
    """Who wrote each, by the accounts that count as one person."""
    found: dict[UUID, set[int]] = {pk: set() for pk in versions}
    for version, person, owner in VersionAuthor.objects.filter(version__in=versions).values_list(
        "version", "person", "person__owner"
    ):
        found[version] |= {one for one in (person, owner) if one is not None}
    return found


def _told(versions: Collection[UUID]) -> dict[UUID, Told]:
    files: dict[UUID, list[tuple[str, str]]] = {pk: [] for pk in versions}
    rows = VersionFile.objects.filter(version__in=versions).order_by("path")
    for version, path, mark in rows.values_list("version", "path", "content_sha256"):
        if path not in BESIDE and not path.startswith("tests/"):
            files[version].append((path, mark))
    definitions = Version.objects.filter(pk__in=versions).values_list("pk", "definition")
    return {pk: Told(of_json(value), digest(files[pk])) for pk, value in definitions}


def _did(runs: Collection[UUID]) -> Iterator[Did]:
    """What was done by the procedure's own steps; what was carried over was done in the run before.

    Where a step did the same on many targets, the database tells it once; which targets those were stands apart.
    """
    rows = Task.objects.filter(run__in=list(runs), state__in=ENDED, carried__isnull=True).order_by()
    rows = rows.exclude(step__contains="/").exclude(facts__seen__isnull=True)
    for run, step, state, seen in rows.values_list("run", "step", "state", "facts__seen").distinct():
        if isinstance(seen, dict):
            yield Did(run, step, "", state == TaskState.SUCCEEDED, seen)
    there = rows.filter(facts__seen__target="connected").exclude(target="")
    for run, target in there.values_list("run", "target").distinct():
        yield Did(run, "", target, good=True, seen=CONNECTED)


def reach(definition: Definition, environments: Collection[str] = ()) -> list[Target]:
    """Live targets that the filter may match today, where it may run."""
    if definition.targets is None:
        return []
    where = set(definition.environments) & set(environments or definition.environments)
    try:
        parsed = filters.parse(definition.targets.filter)
    except OpsError:
        return []
    rows = Target.objects.filter(environment__in=where, ended_at__isnull=True).order_by("name")[:REACH]
    return [target for target in rows if parsed.may_match(target)]


def _calling(name: str) -> int:
    """How many accepted versions call this procedure."""
    closures = Version.objects.filter(state="accepted").values_list("closure", flat=True)
    return sum(any(called == name for called, _ in closure.get("calls", [])) for closure in closures)
