"""Policies as control objects: what one may not say, and what a confirmed one does to the table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import jsonschema_rs

from procedures.domain.canonical import NotCanonical, canon, digest
from procedures.domain.clock import now
from procedures.domain.policies import SETTINGS_BYTES, SOURCE_BYTES, lasting
from procedures.domain.policies import Policy as Value
from procedures.domain.shape_errors import told
from procedures.models import ControlChange, Policy
from procedures.policy import problems_of, shipped

Problems = list[tuple[str, str]]


def problems(object: Mapping[str, Any]) -> Problems:
    """What is wrong with a proposed policy: one that cannot be evaluated is refused here, not found out by a denial."""
    found = [("/object/warn_until", why)] if (why := lasting(object, now())) else []
    found += _settings(object)
    if len(object["source"].encode()) > SOURCE_BYTES:
        found.append(("/object/source", f"is longer than {SOURCE_BYTES:,} bytes"))
    if found:
        return found
    return [("/object/source", why) for why in problems_of(Value.of(object))]


def _settings(object: Mapping[str, Any]) -> Problems:
    try:
        size = len(canon(object["settings"]))
    except NotCanonical as problem:
        return [("/object/settings", str(problem))]
    if size > SETTINGS_BYTES:
        return [("/object/settings", f"are longer than {SETTINGS_BYTES:,} bytes")]
    name = object.get("shipped")
    if name is None:
        return []
    one = shipped.policies().get(name)
    if one is None:
        return [("/object/shipped", f"there is no shipped policy {name!r}")]
    found = [] if one.source == object["source"] else [("/object/source", f"is not the text of the shipped {name}")]
    found += [("/object/stages", f"{name} has no rule for {s}") for s in object["stages"] if s not in one.stages]
    errors = jsonschema_rs.validator_for(dict(one.schema), validate_formats=True, offline=True).iter_errors(
        object["settings"]
    )
    for error in errors:
        path = "".join(f"/{part}" for part in error.instance_path)
        found.append((f"/object/settings{path}", told(error)))
    return found


def put_in_force(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    """The confirmed object takes the place of what stood under that name."""
    same = Policy.objects.filter(name=object["name"])
    revision = same.count() + 1
    same.filter(ended_at__isnull=True).update(ended_at=at)
    Policy.objects.create(
        name=object["name"],
        revision=revision,
        mode=object["mode"],
        object=dict(object),
        digest=digest(dict(object)),
        since_at=at,
    )
