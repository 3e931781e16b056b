"""Schedules and hooks as control objects: what they may not say, and what a confirmed change does to the tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from procedures.definitions.load import definition_of
from procedures.domain import deliveries, parameters, planned, standing, uploads
from procedures.domain.canonical import parse_moment
from procedures.domain.clock import now
from procedures.domain.definition import Definition
from procedures.domain.errors import InvalidInput, OpsError
from procedures.domain.states import VersionState
from procedures.models import ControlChange, Environment, Person, Procedure, Standing, Version
from procedures.services import plans
from procedures.services.versions import stored_files

Object = Mapping[str, Any]
Problems = list[tuple[str, str]]


def problems(kind: str) -> Callable[[Object], Problems]:
    """What the object of a schedule or hook may not say beside its shape, by kind."""
    return lambda object: _problems(kind, object)


def _problems(kind: str, object: Object) -> Problems:
    at = now()
    found = [("/object/expires_at", why)] if (why := standing.expiry_problem(object, at)) else []
    row = Standing.objects.select_related("procedure").filter(kind=kind, name=object["name"]).first()
    if row is not None and (row.procedure.name, row.environment_id) != (object["procedure"], object["environment"]):
        found.append(("/object/name", f"belongs to {row.procedure.name} in {row.environment_id}: choose another"))
    account = Person.objects.filter(subject=object["account"], kind=Person.Kind.SERVICE, is_active=True).first()
    if account is None or account.owner is None or not account.owner.is_active:
        found.append(("/object/account", "is no open service account with an owner"))
    version = version_of(object, at)
    environment = Environment.objects.filter(name=object["environment"]).first()
    if version is None:
        return [*found, ("/object/digest", "is not the accepted version of this procedure")]
    if environment is None:
        return found  # said already
    definition = definition_of(stored_files(version))
    if environment.name not in definition.environments:
        found.append(("/object/environment", f"{definition.name} does not run in {environment.name}"))
    found += _secrets(definition)
    more = _schedule if kind == standing.SCHEDULE else _hook
    return found + more(object, definition, environment, at)


def version_of(object: Object, at: datetime) -> Version | None:
    """The version that the object pins, if it is the accepted one now."""
    rows = Version.objects.filter(procedure__name=object["procedure"], state=VersionState.ACCEPTED.value)
    return rows.filter(digest=object["digest"], expires_at__gt=at, procedure__retired_at__isnull=True).first()


def _secrets(definition: Definition) -> Problems:
    try:
        parameters.resolve(definition.secrets or {}, {}, prefix="/secrets", secret=True)
    except InvalidInput:
        return [("/object/procedure", "asks for secrets, which nobody is there to hand in")]
    return []


def _schedule(object: Object, definition: Definition, environment: Environment, at: datetime) -> Problems:
    found = _when(object, environment, at)
    try:
        resolved = parameters.resolve(definition.parameters, object["parameters"], prefix="/object/parameters")
    except InvalidInput as problem:
        return found + list(problem.problems)
    if resolved != object["parameters"]:
        lacking = ", ".join(sorted(set(resolved) - set(object["parameters"])))
        found.append(("/object/parameters", f"are signed whole, defaults too: {lacking} is missing"))
    if uploads.taken(definition.parameters, resolved).facts:
        found.append(("/object/parameters", "hold a file: name it in the procedure instead"))
    return found + _targets(object, definition, environment, resolved)


def _targets(object: Object, definition: Definition, environment: Environment, resolved: Object) -> Problems:
    try:
        plans.require_narrowable(definition, object["targets"])
        plans.targets_for(definition, environment, resolved, object["targets"])
    except OpsError as problem:
        return [("/object/targets", problem.message)]
    return []


def _when(object: Object, environment: Environment, at: datetime) -> Problems:
    when = object["when"]
    if "at" in when:
        until = min(when["at"], object["expires_at"])
        late = parse_moment(until) <= at or when["at"] >= object["expires_at"]
        return [("/object/when/at", "is over, or not before it expires")] if late else []
    if "after" in when:
        return _after(object, environment)
    found = [("/object/when/cron", why)] if (why := planned.problem(when["cron"])) else []
    if planned.zone_of(when["zone"]) is None:
        wrong = f"{when['zone']!r} is no time zone; write one like Europe/Berlin, or UTC"
        found.append(("/object/when/zone", wrong))
    return found


def _after(object: Object, environment: Environment) -> Problems:
    """What follows a run must lead back to no schedule before it, and not further than five."""
    if not Procedure.objects.filter(name=object["when"]["after"]).exists():
        return [("/object/when/after", f"there is no procedure {object['when']['after']!r}")]
    rows = Standing.objects.filter(kind=standing.SCHEDULE, environment=environment, ended_at__isnull=True)
    rows = rows.filter(after__isnull=False).exclude(name=object["name"])
    edges = {(row.after.name, row.procedure.name) for row in rows.select_related("after", "procedure") if row.after}
    edges.add((object["when"]["after"], object["procedure"]))
    longest = _longest(edges)
    if longest is None:
        return [("/object/when/after", "would go round in a circle")]
    if longest > standing.DEPTH:
        return [("/object/when/after", f"makes a row of {longest}; {standing.DEPTH} schedules may follow each other")]
    return []


def _longest(edges: Iterable[tuple[str, str]]) -> int | None:
    """How many edges the longest way has, None if one goes round."""
    follows: dict[str, set[str]] = {}
    for before, then in edges:
        follows.setdefault(before, set()).add(then)
    level, steps = set(follows), 0
    while level:
        level = {then for name in level for then in follows.get(name, ())}
        steps += 1 if level else 0
        if steps > len(follows):
            return None
    return steps


def _hook(object: Object, definition: Definition, environment: Environment, at: datetime) -> Problems:
    found = _mapping(object["mapping"], definition)
    keys = [one["key"] for one in object["keys"]]
    if object["proof"] == standing.ED25519 and not keys:
        found.append(("/object/keys", "needs the public key of whoever sends; `opsportal hook keys` makes a pair"))
    if object["proof"] != standing.ED25519 and keys:
        found.append(("/object/keys", "belong to the proof ed25519 alone"))
    if object["proof"] != standing.ED25519 and environment.production:
        found.append(("/object/proof", "is ed25519 in production: the portal holds no key that starts something there"))
    for index, one in enumerate(object["keys"]):
        if why := deliveries.key_problem(one["key"]):
            found.append((f"/object/keys/{index}/key", why))
        if not Person.objects.filter(subject=one["holder"], kind=Person.Kind.PERSON, is_active=True).exists():
            found.append((f"/object/keys/{index}/holder", "is no person with an open account"))
    if len(set(keys)) < len(keys):
        found.append(("/object/keys", "name one key twice"))
    if object["targets"]:
        try:
            plans.require_narrowable(definition, object["targets"])
        except InvalidInput as problem:
            found.append(("/object/targets", problem.message))
    return found


def _mapping(mapping: Object, definition: Definition) -> Problems:
    """Every mapped name is a parameter, every literal fits it, and none that must be given is left out."""
    schema = definition.parameters
    known, found = schema.get("properties", {}), []
    for name, rule in mapping.items():
        pointer = f"/object/mapping/{name.replace('~', '~0').replace('/', '~1')}"
        if name not in known:
            found.append((pointer, f"{definition.name} has no parameter {name!r}"))
        elif "value" in rule:
            try:
                parameters.resolve(
                    {"properties": {name: known[name]}}, {name: rule["value"]}, prefix=f"{pointer}/value"
                )
            except InvalidInput as problem:
                found += [(f"{pointer}/value", why) for _, why in problem.problems]
    lacking = [name for name in schema.get("required", ()) if name not in mapping and "default" not in known[name]]
    return found + [("/object/mapping", f"gives no {name}, which must be given") for name in lacking]


def end_problems(object: Object) -> Problems:
    """An end names one that stands, where it stands."""
    row = Standing.objects.select_related("procedure").filter(kind=object["kind"], name=object["name"]).first()
    if row is None or row.ended_at is not None:
        return [("/object/name", f"there is no {object['kind']} {object['name']!r}")]
    if (row.procedure.name, row.environment_id) != (object["procedure"], object["environment"]):
        return [("/object/procedure", f"it is of {row.procedure.name} in {row.environment_id}")]
    return []


def take(change: ControlChange, object: Object, at: datetime, event: UUID) -> None:
    """A schedule or hook stands in these words from now on, and asks again if it was paused."""
    when = object.get("when", {})
    first, until = planned.next_time(when, at), parse_moment(object["expires_at"])
    fields: dict[str, Any] = {
        "account": Person.objects.get(subject=object["account"]),
        "object": dict(object),
        "change": change.pk,
        "after": Procedure.objects.filter(name=when["after"]).first() if "after" in when else None,
        "edited_by": change.proposer,
        "confirmed_by": change.confirmer,
        "set_at": at,
        "expires_at": until,
        "ended_at": None,
        "paused_at": None,
        "paused_why": "",
        "next_at": first if first is not None and first < until else None,
        "refusals": 0,
    }
    made = {
        "procedure": Procedure.objects.get(name=object["procedure"]),
        "environment_id": object["environment"],
        "made_by": change.proposer,
    }
    Standing.objects.update_or_create(
        kind=change.control, name=object["name"], defaults=fields, create_defaults={**fields, **made}
    )


def take_end(change: ControlChange, object: Object, at: datetime, event: UUID) -> None:
    """It asks for nothing more; what it asked for before goes on."""
    row = Standing.objects.filter(kind=object["kind"], name=object["name"])
    row.update(ended_at=at, next_at=None, secret=b"", secret_holder=None)
