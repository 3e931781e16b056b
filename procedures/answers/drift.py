"""Where the live tables say something else than the signed events: what a database administrator would have changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from procedures.answers import drift_standing
from procedures.answers.differing import Drift, both
from procedures.answers.standing import Standing, standing
from procedures.domain import legal_holds
from procedures.domain.canonical import moment
from procedures.models import (
    CampaignItem,
    CredentialBinding,
    DutyAssignment,
    EnrolledKey,
    Environment,
    Grant,
    GrantRight,
    LegalHold,
    Membership,
    Person,
    PortalSetting,
    Procedure,
    ProcedureGroupPermission,
    ProcedureUserPermission,
    Runner,
    Space,
    Stop,
    Target,
    TrustedIssuer,
    WorkloadRule,
)
from procedures.queries.retention import floor_in_force

GRANT_FIELDS = ("not_before", "expires_at", "procedure", "constraint", "window", "period")
RULES = ("production", "drafts", "approvals", "min_strength", "approval_expiry_s", "reason_required")
UNSAID: Mapping[str, Any] = {
    "queue": {},
    "ahead_up_to": "",
}  # rules that a change need not name, and what they are then


def drift(at: datetime) -> list[Drift]:
    """Every difference between replayed evidence and the tables, superusers included; none on an honest portal."""
    then = standing(at)
    checks = (
        _grants,
        _rights,
        _projection,
        _members,
        _duties,
        _keys,
        _environments,
        _bindings,
        _targets,
        _labels,
        _spaces,
        _stops,
        _legal_holds,
        _workloads,
        drift_standing.authorisations,
        drift_standing.approved_ahead,
        drift_standing.collectors,
        drift_standing.purges,
        _others,
    )
    return [one for check in checks for one in check(then, at)]


def _grants(then: Standing, at: datetime) -> Iterator[Drift]:
    rows = Grant.objects.filter(revoked_at__isnull=True, expires_at__gt=at).select_related(
        "person", "group", "procedure"
    )
    over = _lapsing(at)
    table = {str(row.pk): _said(row) for row in rows if row.pk not in over}
    ours = {id: grant for id, grant in then.authority.grants.items() if grant["expires_at"] > then.at}
    log = {id: {key: grant.get(key) for key in GRANT_FIELDS} | _plain(grant) for id, grant in ours.items()}
    yield from both("grant", table, log)


def _lapsing(at: datetime) -> set[UUID]:
    """Grants that nobody kept in a campaign whose date has come: over in the evidence, and swept up any minute now."""
    items = CampaignItem.objects.filter(campaign__state="open", campaign__due_at__lte=at)
    return set(items.filter(decision="").values_list("grant", flat=True))


def _plain(grant: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "verbs": sorted(grant["verbs"]),
        "environments": sorted(grant["environments"]),
        "selector": sorted(grant.get("selector") or []),
        "principal": grant["principal"],
        "target_filter": grant.get("target_filter", ""),
        "grows": grant.get("grows", False),
        "unconstrained": sorted(grant.get("unconstrained", ())),
    }


def _said(row: Grant) -> dict[str, Any]:
    who = f"person:{row.person.subject}" if row.person else f"group:{row.group.name if row.group else ''}"
    return {
        "principal": who,
        "verbs": sorted(row.verbs),
        "environments": sorted(row.environments),
        "selector": sorted(row.selector),
        "not_before": moment(row.not_before_at),
        "expires_at": moment(row.expires_at),
        "procedure": row.procedure.name if row.procedure else None,
        "constraint": row.constraint,
        "window": row.window,
        "period": row.period,
        "target_filter": row.target_filter,
        "grows": row.grows,
        "unconstrained": sorted(row.unconstrained),
    }


def _rights(then: Standing, at: datetime) -> Iterator[Drift]:
    """Rights that are wider than the grant they are spread out from."""
    for right in GrantRight.objects.filter(ends_at__gt=at).select_related("grant", "procedure"):
        grant, name = right.grant, right.procedure.name if right.procedure else None
        said = then.authority.grants.get(str(grant.pk))
        place = right.environment_id
        fits = said is not None and (
            right.verb in said["verbs"]
            and (not said["environments"] or place in said["environments"])
            and (name is None or then.authority.reaches(said, name))
            and (name is not None or not (said.get("procedure") or said.get("selector")))
            and right.person_id == grant.person_id
            and right.group_id == grant.group_id
            and moment(right.ends_at) <= then.authority.ends(str(grant.pk))
        )
        if not fits:
            where = f"{right.verb} {name or 'every procedure'} in {place or 'every environment'}"
            yield Drift("right", str(grant.pk), f"the table lets {where}, which no grant of the evidence gives")


def _projection(then: Standing, at: datetime) -> Iterator[Drift]:
    """Rows of guardian without a living right behind them."""
    rows = [
        *ProcedureUserPermission.objects.select_related("permission", "user", "content_object"),
        *ProcedureGroupPermission.objects.select_related("permission", "group", "content_object"),
    ]
    for row in rows:
        who = Q(person=row.user) if isinstance(row, ProcedureUserPermission) else Q(group=row.group)
        verb = row.permission.codename
        behind = GrantRight.objects.filter(who, verb=verb, procedure=row.content_object)
        if not behind.filter(grant__revoked_at__isnull=True).exists():
            holder = row.user if isinstance(row, ProcedureUserPermission) else row.group
            yield Drift("projection", f"{holder} {verb} {row.content_object.name}", "no grant stands behind this row")


def _members(then: Standing, at: datetime) -> Iterator[Drift]:
    rows = Membership.objects.values_list("group__name", "person__subject", "person__is_active")
    table = {f"{group} · {then.name(str(subject))}": True for group, subject, active in rows if active}
    log = {
        f"{group} · {then.name(subject)}": True
        for group, subjects in then.authority.members.items()
        for subject in subjects - then.closed
    }
    yield from both("membership", table, log)


def _duties(then: Standing, at: datetime) -> Iterator[Drift]:
    rows = DutyAssignment.objects.filter(ended_at__isnull=True).select_related("person", "group")
    table = {
        f"{row.duty} · person:{row.person.subject}" if row.person else f"{row.duty} · group:{row.group.name}": True  # type: ignore[union-attr]
        for row in rows
        if row.person is None or row.person.is_active
    }
    gone = {f"person:{subject}" for subject in then.closed}
    log = {f"{duty} · {who}": True for duty, holders in then.authority.duties.items() for who in holders - gone}
    yield from both("duty", table, log)


def _keys(then: Standing, at: datetime) -> Iterator[Drift]:
    rows = EnrolledKey.objects.filter(revoked_at__isnull=True, person__is_active=True).select_related("person")
    table = {row.fingerprint: str(row.person.subject) for row in rows}
    log = {mark: key["subject"] for mark, key in then.authority.keys.items() if key["subject"] not in then.closed}
    yield from both("key", table, log)


def _environments(then: Standing, at: datetime) -> Iterator[Drift]:
    rows = Environment.objects.all()
    table = {row.name: {rule: getattr(row, rule) for rule in (*RULES, *UNSAID)} | _freeze(row) for row in rows}
    rules = (*RULES, *UNSAID, "frozen_until")
    log = {
        n: {rule: said.get(rule, UNSAID.get(rule)) for rule in rules} for n, said in then.authority.environments.items()
    }
    yield from both("environment", table, log)


def _freeze(row: Environment) -> dict[str, str | None]:
    return {"frozen_until": moment(row.frozen_until_at) if row.frozen_until_at else None}


def _bindings(then: Standing, at: datetime) -> Iterator[Drift]:
    fields = ("provider", "role", "ceiling", "max_ttl_s", "reach")
    rows = CredentialBinding.objects.filter(ended_at__isnull=True)
    table = {f"{row.environment_id}/{row.name}": {f: getattr(row, f) for f in fields} for row in rows}
    log = {f"{where}/{name}": {f: said[f] for f in fields} for (where, name), said in then.authority.bindings.items()}
    yield from both("binding", table, log)


def _targets(then: Standing, at: datetime) -> Iterator[Drift]:
    fields = ("address", "port", "host_key", "host_authority", "trust", "tags")
    rows = Target.objects.filter(ended_at__isnull=True)
    table = {row.name: {"environment": row.environment_id} | {f: getattr(row, f) for f in fields} for row in rows}
    log = {
        name: {"environment": said["environment"]} | {f: said.get(f, "") for f in fields}
        for name, said in then.authority.targets.items()
        if said.get("action", "set") == "set"
    }
    yield from both("target", table, log)


def _labels(then: Standing, at: datetime) -> Iterator[Drift]:
    table = {row.name: sorted(row.labels) for row in Procedure.objects.exclude(labels=[])}
    log = {name: sorted(labels) for name, labels in then.authority.labels.items() if labels}
    yield from both("labels", table, log)


def _spaces(then: Standing, at: datetime) -> Iterator[Drift]:
    fields = ("title", "leads", "procedures", "environments", "verbs", "days", "risk")
    rows = Space.objects.filter(ended_at__isnull=True)
    more = ("labels", "targets", "at_once")
    table = {row.name: {f: getattr(row, f) or None for f in (*fields, *more)} for row in rows}
    log = {name: {f: said.get(f) or None for f in (*fields, *more)} for name, said in then.authority.spaces.items()}
    yield from both("space", table, log)


def _workloads(then: Standing, at: datetime) -> Iterator[Drift]:
    kinds = (("trusted_issuer", TrustedIssuer), ("workload_rule", WorkloadRule))
    rows = [
        (control, kind.objects.filter(ended_at__isnull=True).values_list("pk", "object")) for control, kind in kinds
    ]
    table = {f"{control} {name}": object for control, found in rows for name, object in found}
    live = {key: row for key, row in then.authority.workloads.items() if row["stands"]}
    log = {f"{control} {name}": {f: row[f] for f in row if f != "stands"} for (control, name), row in live.items()}
    yield from both("workload", table, log)


def _stops(then: Standing, at: datetime) -> Iterator[Drift]:
    table = {str(row.pk): row.what for row in Stop.objects.filter(lifted_at__isnull=True).select_related("procedure")}
    log = {id: row["environment"] or row["procedure"] or "the whole portal" for id, row in then.authority.stops.items()}
    yield from both("stop", table, log)


def _legal_holds(then: Standing, at: datetime) -> Iterator[Drift]:
    rows = LegalHold.objects.filter(ended_at__isnull=True).select_related("procedure")
    table = {str(row.pk): row.named() for row in rows}
    log = {id: {f: one[f] for f in legal_holds.NAMES if f in one} for id, one in then.authority.legal_holds.items()}
    yield from both("legal hold", table, log)


def _others(then: Standing, at: datetime) -> Iterator[Drift]:
    profile = PortalSetting.objects.filter(pk="profile").values_list("value", flat=True).first()
    if profile != then.authority.profile:
        yield Drift("profile", "profile", f"the table says {profile!r}, the evidence {then.authority.profile!r}")
    if (floor := floor_in_force()) != then.authority.floor:
        yield Drift("retention", "floor", f"the table says {floor} days, the evidence {then.authority.floor}")
    for row in Person.objects.filter(Q(is_superuser=True) | Q(is_staff=True)):
        yield Drift("person", row.username, "is marked as staff or superuser, which nothing of this portal does")
    for row in Person.objects.filter(subject__in=list(then.closed), is_active=True):
        yield Drift("person", row.username, "was closed in the evidence and is active in the table")
    for runner in Runner.objects.filter(ended_at__isnull=True):
        said = then.runners.get(str(runner.pk))
        if (
            said is None
            or said["public"] != runner.public
            or sorted(said["environments"]) != sorted(runner.environments)
        ):
            yield Drift("runner", runner.name, "differs from what was enrolled in the evidence")
    for id, why in then.authority.asserted.items():
        yield Drift("asserted", id, why)
