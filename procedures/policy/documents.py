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

from procedures.domain import forms
from procedures.domain.canonical import moment
from procedures.domain.definition import PHASES, Definition, Step
from procedures.domain.plan import plain
from procedures.domain.policies import PolicySet
from procedures.domain.ports import Target

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


def clock(at: datetime, policies: PolicySet) -> dict[str, Any]:
    """`input.now`: the only time there is. Zones are those that some policy's settings name."""
    zones = {str(one.settings["zone"]) for one in policies.policies if "zone" in one.settings}
    known = {zone: told for zone in sorted(zones) if (told := _local(at, zone)) is not None}
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
    """Hosts that a step's addresses and its list name, and whether one of them is only known at run time."""
    found: set[str] = set()
    unknown = False
    for given in inputs:
        found |= {str(place).rpartition(":")[0] for place in given.get("egress") or ()}
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


def given(schema: Mapping[str, Any], values: Mapping[str, Any], files: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as policies see them; `files` are the facts of those that are files."""
    rows = forms.every_property(schema)
    masked = {name for name, rules in rows.items() if isinstance(rules, Mapping) and hidden(rules)}
    return {
        name: MASKED if name in masked else {"file": dict(files[name])} if name in files else value
        for name, value in plain(values).items()
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
    files: Mapping[str, Any] | None = None,
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
        "parameters": given(definition.parameters, parameters, files or {}),
        "secrets": sorted(secrets),
        "targets": reached(targets, place),
    }


def target(one: Target) -> dict[str, Any]:
    return {"name": one.name, "tags": dict(one.tags), "trust": one.trust}


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


def plan_documents(
    plan: Mapping[str, Any],
    definitions: Mapping[str, Definition],
    *,
    place: Place,
    requester: Person,
    door: str,
    now: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """One for the run, and one for each procedure that it calls, as if that had been run by itself (rule 13).

    `definitions` by the prefix of the call, "" for the run's own. Everything else is taken from the plan, so that
    whoever holds the approved plan asks the same.
    """
    found = []
    for prefix, part in [("", plan), *((row["at"], _part(plan, row)) for row in plan.get("calls", []))]:
        asked = request_document(
            definitions[prefix],
            version={"digest": part["digest"], "risk": plan["risk"]},
            place=place,
            requester=requester,
            door=door,
            reason=plan["reason"],
            parameters=part["parameters"],
            secrets=part["secrets"],
            targets=part["targets"],
            now=now,
            files=part.get("uploads"),
        )
        found.append({**asked, "stage": "plan", "plan": _planned(part)})
    return found


def as_request(document: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for, without what would be done."""
    return {**{key: value for key, value in document.items() if key != "plan"}, "stage": "request"}


def _part(plan: Mapping[str, Any], call: Mapping[str, Any]) -> dict[str, Any]:
    """What of a plan lies below one call, with the call's own parameters, targets and order."""
    names = set(call["targets"])
    return {
        **{key: plan[key] for key in ("risk", "approvals", "min_strength")},
        **{key: call[key] for key in ("digest", "parameters", "secrets", "batches", "strategy", "timeout_s")},
        "targets": [row for row in plan["targets"] if row["name"] in names],
        "steps": [row for row in plan["steps"] if row["id"].startswith(call["at"])],
        "credentials": {name: row for name, row in plan["credentials"].items() if name.startswith(call["at"])},
        "calls": [row for row in plan["calls"] if row["at"].startswith(call["at"]) and row["at"] != call["at"]],
    }


def _planned(part: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{key: part[key] for key in ("risk", "min_strength", "timeout_s")},
        "approvals": dict(part["approvals"]),
        "strategy": part["strategy"]["mode"],
        "batches": [len(batch) for batch in part["batches"]],
        "credentials": [{"name": name, **row} for name, row in sorted(part["credentials"].items())],
        "calls": [{"procedure": row["procedure"], "digest": row["digest"]} for row in part.get("calls", [])],
        "steps": [_planned_step(row) for row in part["steps"]],
    }


def _planned_step(row: Mapping[str, Any]) -> dict[str, Any]:
    does = [effect["does"] for effect in row["effects"]]
    return {
        **{key: row[key] for key in ("phase", "id", "action", "credentials", "timeout_s", "attempts", "on_failure")},
        "network": any(isinstance(one, Mapping) and one.get("network") for one in does),
        **hosts([one for one in does if isinstance(one, Mapping)]),
    }
