"""What a grant may not say, given who and what is there: terms, labels nobody set, parameters nobody declared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from procedures.domain import filters, forms, grants, narrower, parameters, uploads
from procedures.domain.clock import now
from procedures.domain.errors import OpsError
from procedures.models import Environment, Grant, Person, Procedure, Version
from procedures.queries.labels import labelled
from procedures.services import terms
from procedures.services.given import object_of

Problems = list[tuple[str, str]]


def problems(grant: Mapping[str, Any]) -> Problems:
    """Everything that is wrong with a grant of the right shape, with pointers."""
    found = _filter(grant) + _principal(grant) + _selector(grant) + _constraint(grant) + _narrowed(grant)
    production = set(Environment.objects.filter(production=True).values_list("name", flat=True))
    if why := grants.too_long(grant, terms.in_force(), production):
        found.append(("/object/expires_at", why))
    return found


def _narrowed(grant: Mapping[str, Any]) -> Problems:
    """What says of itself that it narrows another by what was used must do so."""
    if not narrower.marked(grant["reason"]):
        return []
    if "replaces" not in grant:
        return [("/object/replaces", "is required: this says that it narrows another access")]
    old = Grant.objects.filter(pk=str(grant["replaces"]), revoked_at__isnull=True).first()
    if old is None:
        return [("/object/replaces", "names no access that holds, and this says that it narrows one")]
    if _filter(grant):
        return []
    return narrower.wider(object_of(old, now()), grant)


def _filter(grant: Mapping[str, Any]) -> Problems:
    try:
        bound = filters.parse(grant.get("target_filter", "*"))
    except OpsError as problem:
        return [("/object/target_filter", problem.message)]
    return [("/object/target_filter", "names a parameter: write a value")] if bound.expressions() else []


def _principal(grant: Mapping[str, Any]) -> Problems:
    """Software asks; it neither reviews nor approves nor grants (issue 4.8)."""
    kind, _, name = grant["principal"].partition(":")
    never = sorted(grants.SOFTWARE_NEVER & set(grant["verbs"]))
    rows = Person.objects.filter(kind__in=[Person.Kind.SERVICE, Person.Kind.AGENT])
    if kind != "person" or not never or not rows.filter(subject=name).exists():
        return []
    return [("/object/verbs", f"software is never given {', '.join(never)}")]


def _selector(grant: Mapping[str, Any]) -> Problems:
    if "selector" not in grant or grant.get("grows") or labelled(grant["selector"]):
        return []
    return [("/object/selector", "no procedure carries these labels today, and this grant does not grow")]


def _constraint(grant: Mapping[str, Any]) -> Problems:
    if "constraint" not in grant:
        return []
    constraint, place = grant["constraint"], "/object/constraint"
    if why := parameters.check_schema(constraint):
        return [(place, f"is no JSON Schema: {why}")]
    named = constraint.get("properties")
    if not isinstance(named, Mapping):
        return [(f"{place}/properties", "is required: name the parameters that it limits")]
    shapes = [row.definition for row in _versions(grant)]
    if not shapes:
        return []
    whose = grant.get("procedure") or "any of these procedures"
    files = {name for shape in shapes for name in uploads.file_parameters(shape.get("parameters") or {})}
    known = {name for shape in shapes for name in forms.every_property(shape.get("parameters") or {})}
    hidden = {name for shape in shapes for name in forms.every_property(shape.get("secrets") or {})}
    found = []
    for name in named:
        at = f"{place}/properties/{name.replace('~', '~0').replace('/', '~1')}"
        if name in files:
            found.append((at, "is a file: leave it out, or name it under unconstrained"))
        elif name not in known:
            found.append((at, f"is not a parameter of {whose}"))
    for index, name in enumerate(grant.get("unconstrained", [])):
        if name not in files | hidden:
            found.append((f"/object/unconstrained/{index}", f"is no file and no secret of {whose}"))
    return found


def _versions(grant: Mapping[str, Any]) -> list[Version]:
    """What stands accepted of the procedures that a grant names, else the newest of each; none for every procedure."""
    if "procedure" in grant:
        procedures = list(Procedure.objects.filter(name=grant["procedure"]))
    else:
        procedures = labelled(grant["selector"]) if "selector" in grant else []
    rows = [
        p.versions.filter(state="accepted").first() or p.versions.filter(draft=False).order_by("-number").first()
        for p in procedures[:200]
    ]
    return [row for row in rows if row is not None]
