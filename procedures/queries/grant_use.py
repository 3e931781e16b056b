"""What runs under a grant really used, against what it may: a fixed number of queries for a page of grants."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, Max

from procedures.domain.text import visible
from procedures.models import Grant, Run, Task

IDLE = timedelta(days=90)
READ, VALUES = 1_000, 5


@dataclass(slots=True)
class Use:
    """`parameters` are up to five values each, of the page's last thousand runs; `more` names those with others."""

    runs: int = 0
    last_at: datetime | None = None
    procedures: set[str] = field(default_factory=set)
    environments: set[str] = field(default_factory=set)
    targets: set[str] = field(default_factory=set)
    parameters: dict[str, list[str]] = field(default_factory=dict)
    more: set[str] = field(default_factory=set)
    idle: bool = False
    spare: list[str] = field(default_factory=list)


def used(grants: Sequence[Grant], at: datetime) -> dict[UUID, Use]:
    """The use of each of these grants."""
    found: dict[UUID, Use] = {grant.pk: Use() for grant in grants}
    runs = Run.objects.filter(grant__in=list(found))
    places = runs.values_list("grant", "procedure__name", "environment").annotate(Count("id"), Max("requested_at"))
    for grant, procedure, environment, count, last in places:
        use = found[grant]
        use.runs += count
        use.last_at = max(filter(None, (use.last_at, last)))
        use.procedures.add(procedure)
        use.environments.add(environment)
    names = Task.objects.filter(run__grant__in=list(found)).exclude(target="")
    for grant, target in names.values_list("run__grant", "target").distinct()[: READ * 5]:
        found[grant].targets.add(target)
    _parameters(found, runs.order_by("-id").values_list("grant", "parameters")[:READ])
    for row in grants:
        _judge(row, found[row.pk], at)
    return found


def _parameters(found: dict[UUID, Use], rows: object) -> None:
    seen: dict[tuple[UUID, str], set[str]] = defaultdict(set)
    for grant, parameters in rows:  # type: ignore[attr-defined]
        for name, value in parameters.items():
            text = visible(str(value)[:80], code=True)
            values = seen[grant, name]
            if len(values) >= VALUES and text not in values:
                found[grant].more.add(name)
            else:
                values.add(text)
    for (grant, name), values in seen.items():
        found[grant].parameters[name] = sorted(values)


def _judge(grant: Grant, use: Use, at: datetime) -> None:
    """Unused for ninety days (a younger grant is not), and the environments that it gives and nobody used."""
    since = use.last_at or max(grant.not_before_at, grant.created_at)
    use.idle = at - since >= IDLE
    use.spare = [name for name in grant.environments if name not in use.environments] if use.runs else []
