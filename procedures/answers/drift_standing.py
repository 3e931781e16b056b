"""Schedules, hooks, collectors, purges, approvals given ahead: where tables say something else than the evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from django.db.models import Count, Q

from procedures.answers.differing import Drift, both
from procedures.answers.standing import Standing
from procedures.domain import ahead
from procedures.domain.standing import SCHEMAS
from procedures.evidence.queries import facts_naming, facts_of_kinds
from procedures.models import Collector, PreApproval, Purge
from procedures.models import (
    Standing as StandingRow,
)


def authorisations(then: Standing, at: datetime) -> Iterator[Drift]:
    """Schedules and hooks that no change set, or set otherwise."""
    rows = StandingRow.objects.filter(ended_at__isnull=True).values_list("kind", "name", "object")
    table = {f"{kind} {name}": object for kind, name, object in rows}
    live = {key: row for key, row in then.authority.standing.items() if row["stands"] and not row["ended"]}
    log = {f"{kind} {name}": {f: row[f] for f in SCHEMAS[kind]["required"]} for (kind, name), row in live.items()}
    yield from both("standing", table, log)


def collectors(then: Standing, at: datetime) -> Iterator[Drift]:
    """Collectors that no change named, or named elsewhere."""
    facts = [fact for fact in facts_of_kinds("control.confirmed") if fact.facts["control"] == "collector"]
    log: dict[str, str] = {}
    for said in [fact.facts["object"] for fact in facts if fact.at <= then.at]:
        log.pop(said["name"], None)
        if said["action"] == "set":
            log[said["name"]] = said["url"]
    yield from both("collector", dict(Collector.objects.filter(ended_at__isnull=True).values_list("name", "url")), log)


def purges(then: Standing, at: datetime) -> Iterator[Drift]:
    """Purges that no signed change agreed on; one of a log that was lost stands there until it is said anew."""
    facts = [one for one in facts_naming('"control":"redaction"', "control.confirmed") if one.at <= then.at]
    objects = [one.facts["object"] for one in facts if one.id not in then.authority.asserted]
    signed = {run for object in objects for run in object.get("runs", ())}
    for run in Purge.objects.order_by("run_id").values_list("run_id", flat=True).iterator():
        if str(run) not in signed:
            yield Drift("purge", str(run), "stands in the table, and no signed change agreed on it")


def approved_ahead(then: Standing, at: datetime) -> Iterator[Drift]:
    """Approvals given ahead, and how often each was used, that no event tells of, or that tell of another one."""
    facts = [fact for fact in facts_of_kinds(ahead.GIVEN, ahead.TAKEN_BACK, ahead.USED) if fact.at <= then.at]
    over = {fact.facts["ahead"] for fact in facts if fact.kind == ahead.TAKEN_BACK}
    gone = set(Purge.objects.values_list("run_id", flat=True))  # the bodies of these go, and with them what they say
    uses = Counter(fact.facts["ahead"] for fact in facts if fact.kind == ahead.USED and fact.run not in gone)
    given = {fact.facts["ahead"]: fact.facts for fact in facts if fact.kind == ahead.GIVEN}
    counted = Q(uses__at__lte=at, uses__run__purge__isnull=True)
    rows = PreApproval.objects.filter(at__lte=at).annotate(used=Count("uses", filter=counted))
    table = {one.nonce: (one.runs, one.plan_digest, one.used, one.taken_back_at is not None) for one in rows}
    log = {name: (row["runs"], row["plan"], uses[name], name in over) for name, row in given.items()}
    yield from both("ahead", table, log)
