"""What policies are asked about: three small documents, of a version, a request and a plan (handbook, "Policies").

They hold no secret value. A parameter that forms hide stands as `{"masked": true}`, a file as its hash and size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from procedures.domain import forms, uploads
from procedures.domain.bundle import PHASES
from procedures.domain.canonical import moment
from procedures.domain.definition import Definition, Step
from procedures.domain.plan import plain

LISTED = 200  # targets by name; their number, tags and levels of trust are always told of all
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MASKED = {"masked": True}


@dataclass(frozen=True, slots=True)
class Person:
    """Who submitted or asks, as policies see them."""

    subject: str
    kind: str
    groups: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {"subject": self.subject, "kind": self.kind, "groups": list(self.groups)}


@dataclass(frozen=True, slots=True)
class Place:
    """An environment; `targets` is how many live ones it has."""

    name: str
    production: bool
    targets: int = 0

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "production": self.production, "targets": self.targets}


def clock(at: datetime, zones: Iterable[str]) -> dict[str, Any]:
    """`input.now`: the only time there is. Zones are those that some policy's settings name."""
    known = {zone: told for zone in sorted(set(zones)) if (told := _local(at, zone)) is not None}
    return {"at": moment(at), **_day(at.astimezone(UTC)), "zones": known}


def _local(at: datetime, zone: str) -> dict[str, str] | None:
    try:
        return _day(at.astimezone(ZoneInfo(zone)))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _day(at: datetime) -> dict[str, str]:
    return {"date": f"{at:%Y-%m-%d}", "time": f"{at:%H:%M}", "weekday": DAYS[at.weekday()]}


def version_document(
    definition: Definition,
    *,
    facts: Mapping[str, Any],
    files: Mapping[str, int],
    places: Sequence[Place],
    bindings: Sequence[Mapping[str, Any]],
    submitter: Person,
    now: Mapping[str, Any],
) -> dict[str, Any]:
    """`facts`: number, digest, risk, risk_reasons, calls. `bindings`: what the environments make of credentials."""
    strategy = definition.targets.strategy if definition.targets else None
    version = {
        **{key: getattr(definition, key) for key in ("title", "description", "owner", "type", "timeout_s")},
        **facts,
        "declared_risk": definition.risk,
        "tags": list(definition.tags),
        "links": [str(link.get("url", "")) for link in definition.links],
        "environments": [place.as_dict() for place in places],
        "targets": None
        if definition.targets is None or strategy is None
        else {"filter": definition.targets.filter, "strategy": strategy.mode, "batch": strategy.batch},
        "credentials": [
            {"name": need.name, "kind": need.kind, "scope": plain(need.scope), "ttl_s": need.ttl_s}
            for need in definition.credentials.values()
        ],
        "bindings": [dict(row) for row in bindings],
        "parameters": _declared(definition.parameters),
        "secrets": sorted(forms.every_property(definition.secrets)) if definition.secrets else [],
        "steps": [_step(step, phase) for phase in PHASES for step in definition.branch(phase)],
        "files": [{"path": path, "bytes": files[path]} for path in sorted(files)],
    }
    return {
        "stage": "submit",
        "now": dict(now),
        "procedure": {"name": definition.name},
        "version": version,
        "submitter": submitter.as_dict(),
    }


def _declared(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", [])
    rows = forms.every_property(schema)
    return [
        {"name": name, "type": rules.get("type", ""), "required": name in required, "masked": hidden(rules)}
        for name, rules in rows.items()
        if isinstance(rules, Mapping)
    ]


def _step(step: Step, phase: str) -> dict[str, Any]:
    return {
        "phase": phase,
        "id": step.id,
        "action": step.action,
        "credentials": list(step.credentials),
        "timeout_s": step.timeout_s or 0,
        "attempts": step.retry.attempts,
        "on_failure": step.on_failure,
        "network": bool(step.input.get("network")),
        **hosts([step.input]),
    }


def hosts(inputs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Hosts that a step's addresses name, and whether one of them is only known at run time."""
    found: set[str] = set()
    unknown = False
    for given in inputs:
        for value in given.values():
            if not isinstance(value, str) or not value.lower().startswith(("http://", "https://", "${{")):
                continue
            host = _host(value)
            unknown = unknown or not host
            found |= {host} - {""}
    return {"hosts": sorted(found), "host_unknown": unknown}


def _host(url: str) -> str:
    """The host of a URL, or nothing where an expression stands for it."""
    try:
        parts = urlsplit(url)
        name = parts.hostname or ""
    except ValueError:
        return ""
    return "" if "${{" in parts.netloc or "{" in name else name.lower()


def hidden(rules: Mapping[str, Any]) -> bool:
    """Whether forms hide what is typed into a parameter."""
    options = rules.get("ui:options")
    widget = rules.get("ui:widget") or (options.get("widget") if isinstance(options, Mapping) else "")
    return widget == "password" or rules.get("format") == "password"


def given(schema: Mapping[str, Any], resolved: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as policies see them."""
    rows = forms.every_property(schema)
    files = uploads.taken(schema, resolved).facts
    masked = {name for name, rules in rows.items() if isinstance(rules, Mapping) and hidden(rules)}
    return {
        name: MASKED if name in masked else {"file": files[name]} if name in files else value
        for name, value in plain(resolved).items()
    }


def request_document(
    definition: Definition,
    *,
    version: Mapping[str, Any],
    place: Place,
    requester: Person,
    door: str,
    reason: str,
    parameters: Mapping[str, Any],
    secrets: Iterable[str],
    targets: Sequence[Mapping[str, Any]],
    now: Mapping[str, Any],
) -> dict[str, Any]:
    """`version`: digest and risk. `targets`: rows with name, tags, trust."""
    return {
        "stage": "request",
        "now": dict(now),
        "procedure": {"name": definition.name, "owner": definition.owner, "type": definition.type},
        "version": dict(version),
        "environment": place.as_dict(),
        "requester": requester.as_dict(),
        "door": door,
        "reason": reason,
        "parameters": given(definition.parameters, parameters),
        "secrets": sorted(secrets),
        "targets": reached(targets, place),
    }


def reached(rows: Sequence[Mapping[str, Any]], place: Place) -> dict[str, Any]:
    """Targets in small: how many, what share of the environment (in whole percent, rounded up), and what marks them."""
    tags: dict[str, set[str]] = {}
    for row in rows:
        for key, value in row.get("tags", {}).items():
            tags.setdefault(key, set()).add(str(value))
    share = -(-100 * len(rows) // place.targets) if place.targets else 0
    return {
        "count": len(rows),
        "percent": min(share, 100),
        "names": sorted(str(row["name"]) for row in rows)[:LISTED],
        "tags": {key: sorted(values)[:LISTED] for key, values in sorted(tags.items())},
        "trust": sorted({str(row.get("trust", "")) for row in rows} - {""}),
    }


def plan_document(request: Mapping[str, Any], plan: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """The request with what would be done: every step, of called procedures too, as the plan froze it."""
    return {
        **request,
        "stage": "plan",
        "targets": reached(plan["targets"], place),
        "plan": {
            "risk": plan["risk"],
            "approvals": dict(plan["approvals"]),
            "min_strength": plan["min_strength"],
            "timeout_s": plan["timeout_s"],
            "strategy": plan["strategy"]["mode"],
            "batches": [len(batch) for batch in plan["batches"]],
            "credentials": [{"name": name, **row} for name, row in sorted(plan["credentials"].items())],
            "calls": [{"procedure": row["procedure"], "digest": row["digest"]} for row in plan.get("calls", [])],
            "steps": [_planned(row) for row in plan["steps"]],
        },
    }


def _planned(row: Mapping[str, Any]) -> dict[str, Any]:
    does = [effect["does"] for effect in row["effects"]]
    return {
        **{key: row[key] for key in ("phase", "id", "action", "credentials", "timeout_s", "attempts", "on_failure")},
        "network": any(isinstance(one, Mapping) and one.get("network") for one in does),
        **hosts([one for one in does if isinstance(one, Mapping)]),
    }
