"""Values on their way to a child process and back: JSON that keeps bytes, secrets and moments apart from texts.

Every object is tagged, so that no key of an input can pass for a secret or a class. What comes back is a child's word:
`result` believes nothing of it before it has the type that it must have.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

from procedures.domain.definition import ArtifactNeed
from procedures.domain.errors import OpsError
from procedures.domain.ports import ActionCall, ActionResult, Lease, Outcome, Target
from procedures.domain.secrets import Secret

DEEPEST = 100
CLASSES: Mapping[str, type[Any]] = {one.__name__: one for one in (ActionCall, ArtifactNeed, Lease, Target)}


class Malformed(OpsError):
    """A child said what is no answer."""

    code = "action.malformed"
    next_step = "Report it to whoever made the package of this action; nothing of its answer was believed."


def packed(value: Any) -> Any:
    """A value as JSON. Raises Malformed for what has no form."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [packed(item) for item in value]
    if isinstance(value, Mapping):
        return {"map": {str(key): packed(item) for key, item in value.items()}}
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, Secret):
        return {"secret": base64.b64encode(value.reveal()).decode()}
    if isinstance(value, UUID):
        return {"uuid": str(value)}
    if isinstance(value, datetime):
        return {"moment": value.isoformat()}
    return _packed_object(value)


def _packed_object(value: Any) -> Any:
    name = type(value).__name__
    if type(value) is CLASSES.get(name):
        kept = {one.name: getattr(value, one.name) for one in fields(value) if one.name != "workspace"}
        return {name: packed(kept)}
    if name == "Unresolved":
        return {"unresolved": value.step}
    raise Malformed(f"A {name} cannot be handed to another process.")


def unpacked(value: Any, depth: int = DEEPEST) -> Any:
    """What `packed` was given; tuples come back as lists. Raises Malformed."""
    if depth < 0:
        raise Malformed("An answer that is nested too deeply.")
    if isinstance(value, list):
        return [unpacked(item, depth - 1) for item in value]
    if not isinstance(value, dict):
        return value
    try:
        [(tag, inner)] = value.items()
        if tag == "map":
            return {key: unpacked(item, depth - 1) for key, item in inner.items()}
        if tag in CLASSES:
            return CLASSES[tag](**unpacked(inner, depth - 1))
        return _unpacked_plain(tag, inner)
    except (TypeError, ValueError, KeyError, AttributeError) as problem:
        raise Malformed(f"An answer in no known form: {type(problem).__name__}.") from problem


def _unpacked_plain(tag: str, inner: Any) -> Any:
    if tag == "bytes":
        return base64.b64decode(inner, validate=True)
    if tag == "secret":
        return Secret(base64.b64decode(inner, validate=True))
    if tag == "uuid":
        return UUID(inner)
    if tag == "moment":
        return datetime.fromisoformat(inner)
    if tag == "unresolved":
        from procedures.domain.expressions import Unresolved  # brings a grammar along, which most children never need

        return Unresolved(inner)
    raise ValueError(tag)


def told(result: ActionResult) -> Any:
    """A result as a child says it. Entities for the catalogue are not carried."""
    return packed(
        {one.name: getattr(result, one.name) for one in fields(result) if one.name != "described"}
        | {"message": str(result.message)}
    )


def result(said: Any) -> ActionResult:
    """The result that a child told. Raises Malformed unless every part of it has the type that it must have."""
    found = unpacked(said)
    if not isinstance(found, dict) or set(found) != {one.name for one in fields(ActionResult)} - {"described"}:
        raise Malformed("The result lacks a part, or has one too many.")
    status, files = found["exit_status"], found["files"]
    fine = (
        found["outcome"] in get_args(Outcome)
        and (status is None or type(status) is int)
        and found["remote"] in (None, "dead", "unknown")
        and isinstance(found["message"], str)
        and isinstance(files, dict)
        and all(isinstance(content, bytes) for content in files.values())
        and is_json(found["output"])
        and is_json(found["facts"])
        and isinstance(found["output"], dict)
        and isinstance(found["facts"], dict)
    )
    if not fine:
        raise Malformed("A part of the result has a type that it may not have.")
    return ActionResult(**found)


def is_json(value: Any) -> bool:
    """Whether a value is JSON alone: no bytes, no secret, no class."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_json(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(is_json, value))
    return value is None or isinstance(value, bool | int | float | str)
