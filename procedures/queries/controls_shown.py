"""How each control of a framework is operated here: what is recorded, how often in a period, and where to look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max

from procedures.domain.canonical import moment
from procedures.domain.errors import InvalidInput, NotFound
from procedures.evidence import controls
from procedures.evidence.models import Event

USUAL = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Support:
    """One recorded fact that supports a control. `kinds` are its events in the period, with how many of each."""

    says: str
    kinds: Sequence[tuple[str, int]]
    count: int
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Control:
    """One control of a framework. `silent`: nothing that supports it was recorded in the period."""

    name: str
    support: Sequence[Support]

    @property
    def silent(self) -> bool:
        return not any(one.count for one in self.support)


def framework_of(name: str) -> controls.Framework:
    """Raises NotFound."""
    if name not in controls.FRAMEWORKS:
        raise NotFound("There is no such framework.")
    return controls.FRAMEWORKS[name]


def operated(framework: str, *, since: datetime, until: datetime) -> list[Control]:
    """Every control that something recorded supports, with live counts from `since` until before `until`.

    Raises InvalidInput for a period that ends before it begins.
    """
    if since > until:
        raise InvalidInput([("/from", "lies after the end of the period")])
    rows = Event.objects.filter(at__gte=since, at__lt=until).values("kind").annotate(many=Count("id"), last=Max("at"))
    found = {row["kind"]: (row["many"], row["last"]) for row in rows.order_by("kind")}
    support = {row.name: _support(row, found) for row in controls.MAP.values()}
    return [Control(name, [support[row.name] for row in rows]) for name, rows in controls.controls(framework).items()]


def _support(row: controls.Row, found: dict[str, tuple[int, datetime]]) -> Support:
    kinds = [(kind, found[kind][0]) for kind in controls.kinds_of(row.name) if kind in found]
    last = max((found[kind][1] for kind, _ in kinds), default=None)
    return Support(row.says, kinds, sum(many for _, many in kinds), last)


def as_rows(found: Sequence[Control], *, since: datetime, until: datetime) -> list[list[str]]:
    """The same for a file, a row for each control and fact."""
    head = ["control", "recorded fact", "events", "last", "from", "to", "kinds"]
    rows = [
        [
            control.name,
            one.says,
            str(one.count),
            moment(one.last_at) if one.last_at else "",
            moment(since),
            moment(until),
            " ".join(f"{kind}:{many}" for kind, many in one.kinds),
        ]
        for control in found
        for one in control.support
    ]
    return [head, *rows]
