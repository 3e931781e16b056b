"""How long evidence is kept, and which runs are past their date."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from procedures.domain import retention
from procedures.domain.canonical import moment
from procedures.models import ChainLink, ControlChange, PortalSetting, Purge, Run

TOLD = 20
DATED = ("ended_at", "kept_until_at", "kept_days")


@dataclass(frozen=True, slots=True)
class Kept:
    """How long runs of a version are kept, in days; `short` says what is wrong with what its author `declared`."""

    days: int
    floor: int
    declared: int
    short: str


@dataclass(frozen=True, slots=True)
class Refused:
    """`runs` that the sweeper leaves alone, since the log does not bear out the `change` that is to purge them."""

    change: UUID
    why: str
    runs: int


@dataclass(frozen=True, slots=True)
class Overview:
    """`due` runs are past their date and still here, the first since `since`; of the others two people agreed.

    Bodies of `cold` runs lie in cold storage.
    `refused` are the first agreements that the log does not bear out.
    """

    floor: int
    due: int
    since: datetime | None
    agreed: int
    purged: int
    cold: int
    refused: Sequence[Refused]


def floor_in_force() -> int:
    """Days that a run is kept at least after its end."""
    row = PortalSetting.objects.filter(pk=retention.CONTROL).first()
    return int(row.value["days"]) if row else retention.FLOOR_DAYS


def declared(evidence: Mapping[str, Any]) -> Kept:
    """What a version's declaration comes to under the floor of now."""
    floor = floor_in_force()
    days, said = retention.kept_days(evidence, floor), retention.declared_days(evidence)
    return Kept(days, floor, said, retention.too_short(evidence, floor))


def kept_until(run: Run) -> datetime | None:
    """Until when a run is kept; None until it has ended. One that older software ended has no date written down."""
    if run.ended_at is None:
        return None
    return run.kept_until_at or retention.until(run.ended_at, run.kept_days)


def past_their_date(at: datetime) -> QuerySet[Run]:
    """Runs whose time is over, the oldest first."""
    undated = Q(kept_until_at__isnull=True, ended_at__lte=at - timedelta(days=retention.FLOOR_DAYS))
    return Run.objects.filter(Q(kept_until_at__lte=at) | undated).order_by("no")


def still_here(at: datetime) -> QuerySet[Run]:
    """Runs past their date of which no agreement stands here to purge them: a restored backup may have lost one."""
    told = Purge.objects.filter(change__in=ControlChange.objects.values("pk"), problem="")
    return past_their_date(at).exclude(pk__in=told.values("run"))


def behind(runs: Collection[UUID]) -> set[str]:
    """Subjects of whoever asked for one of these runs, or stands behind the request."""
    asked = Run.objects.filter(pk__in=runs).order_by().values_list("requester__subject", flat=True).distinct()
    links = ChainLink.objects.filter(run__in=runs).order_by().values_list("person__subject", flat=True).distinct()
    return {str(subject) for subject in (*asked, *links)}


def behind_each(runs: Collection[UUID]) -> dict[UUID, set[str]]:
    """Of each run: subjects of whoever asked for it, or stands behind the request."""
    asked = Run.objects.filter(pk__in=runs).order_by().values_list("pk", "requester__subject")
    found = {pk: {str(subject)} for pk, subject in asked}
    for pk, subject in ChainLink.objects.filter(run__in=runs).order_by().values_list("run_id", "person__subject"):
        found[pk].add(str(subject))
    return found


def overview(at: datetime) -> Overview:
    """How much is past its date, and how much is gone."""
    due = still_here(at)
    first = due.first()
    return Overview(
        floor_in_force(),
        due.count(),
        kept_until(first) if first else None,
        Purge.objects.filter(done_at__isnull=True, problem="").count(),
        Purge.objects.filter(done_at__isnull=False).count(),
        Run.objects.filter(cold_at__isnull=False, purge__isnull=True).count(),
        _refused(),
    )


def _refused() -> list[Refused]:
    rows = Purge.objects.filter(done_at__isnull=True).exclude(problem="").values_list("change", "problem")
    return [Refused(*row) for row in rows.annotate(runs=Count("pk")).order_by("change", "problem")[:TOLD]]


def kept(run: Run) -> dict[str, Any]:
    """How long a run is kept, for answers; `purged` is the change by which two people had it erased."""
    date, purge = kept_until(run), purge_of(run)
    gone = str(purge.change) if purge is not None and purge.done_at is not None else None
    said = {"days": run.kept_days, "declared": run.declared_days or None}
    return {**said, "until": moment(date) if date else None, "purged": gone}


def purge_of(run: Run) -> Purge | None:
    """That two people agreed to purge a run, if they did."""
    return Purge.objects.filter(run=run).first()


def numbers(runs: Collection[str]) -> str:
    """The numbers of runs, as people read many of them: `#3 to #9, #12`."""
    spans: list[list[int]] = []
    for no in Run.objects.filter(pk__in=runs).order_by("no").values_list("no", flat=True):
        if spans and no == spans[-1][1] + 1:
            spans[-1][1] = no
        else:
            spans.append([no, no])
    told = [f"#{first}" if first == last else f"#{first} to #{last}" for first, last in spans]
    return f"{len(runs):,}: {', '.join(told)}"
