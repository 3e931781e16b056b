"""What requests may hold: their shapes, checked before a service sees them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import jsonschema_rs

from procedures.domain import limits
from procedures.domain.errors import InvalidInput
from procedures.domain.parameters import UNSAID, text_problem
from procedures.domain.shape_errors import told

TEXT = {"type": "string", "maxLength": 2000}
NAME = {"type": "string", "minLength": 1, "maxLength": 200}
OBJECT = {"type": "object"}
CONFIDENTIAL = {"secrets", "password", "token", "signature"}
SIGNATURE = {
    "type": ["object", "null"],
    "additionalProperties": False,
    "properties": {
        "statement": {"type": "string", "maxLength": 100_000},
        "signature": {"type": "string", "maxLength": 20_000},
        "totp": {"type": "string", "maxLength": 20},
        "passkey": {
            "type": "object",
            "required": ["credential", "authenticator_data", "client_data", "signature"],
            "additionalProperties": {"type": "string", "maxLength": 20_000},
            "maxProperties": 4,
        },
    },
    "oneOf": [
        {"type": "null"},
        {"type": "object", "required": ["statement", "signature"], "maxProperties": 2},
        {"type": "object", "required": ["statement", "passkey"], "maxProperties": 2},
        {"type": "object", "required": ["totp"], "maxProperties": 1},
    ],
}


def shape(required: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(required),
        "additionalProperties": False,
        "properties": {**required, **(optional or {})},
    }


SEEN = shape({"notices": {"type": "array", "items": NAME, "minItems": 1, "maxItems": 200}})
DEPUTY = shape(
    {
        "deputy": NAME,
        "until_at": {"type": "string"},
    },
    {"from_at": {"type": "string"}, "verbs": {"type": "array", "items": NAME, "minItems": 1, "maxItems": 3}},
)
AHEAD = shape(
    {"runs": {"type": "integer"}, "not_after": {"type": "string", "maxLength": 40}, "plan_digest": NAME},
    {"comment": TEXT, "signature": SIGNATURE},
)
STANDING = shape({"object": OBJECT}, {"signature": SIGNATURE})
PASS = shape({"to": NAME, "reason": TEXT})
RUN = shape(
    {"procedure": NAME, "environment": NAME},
    {
        "parameters": OBJECT,
        "secrets": {"type": "object", "additionalProperties": {"type": "string"}},
        "targets": {"type": "array", "items": NAME, "maxItems": limits.TARGETS_PER_RUN, "uniqueItems": True},
        "reason": {"type": "string"},
        "digest": {"type": ["string", "null"], "pattern": "^sha256:[0-9a-f]{64}$"},
        "draft": {"type": "boolean"},
        "break_glass": {"type": "boolean"},
        "priority": {"enum": ["low", "normal", "high"]},
    },
)
RERUN = shape(
    {},
    {
        "reason": {"type": "string"},
        "secrets": {"type": "object", "additionalProperties": {"type": "string"}},
        "failed_only": {"type": "boolean"},
        "latest": {"type": "boolean"},
    },
)
OPTIONS = shape({"environment": NAME, "parameter": NAME}, {"parameters": OBJECT})
LOGINS = shape({"log": {"type": "string", "maxLength": 4_000_000}})
MATCHING = shape({"environment": NAME}, {"parameters": OBJECT})
REVIEW = shape(
    {"version": {"type": "string", "format": "uuid"}, "digest": NAME, "verdict": NAME},
    {"comment": TEXT, "duties": {"type": "array", "items": NAME}, "signature": SIGNATURE},
)
COMMENT = shape(
    {"body": {"type": "string"}},
    {
        "path": {"type": "string", "maxLength": 500},
        "line": {"type": ["integer", "null"], "minimum": 1},
        "thread": {"type": ["string", "null"], "format": "uuid"},
    },
)
DECISION = shape({"plan_digest": NAME}, {"comment": TEXT, "signature": SIGNATURE})
REASON = shape({}, {"reason": TEXT, "cancel_running": {"type": "boolean"}})
BREAK = shape({"plan_digest": NAME, "reason": TEXT}, {"signature": SIGNATURE})
FOUND = shape({"verdict": NAME, "comment": TEXT}, {"signature": SIGNATURE})
STOP = shape({"reason": TEXT}, {"environment": NAME, "procedure": NAME})
WHY = shape({"reason": {"type": "string", "minLength": 1, "maxLength": 200}})
ANSWER = shape({}, {"values": OBJECT, "refuse": {"type": "boolean"}, "reason": TEXT})
REMARK = shape({"body": {"type": "string", "maxLength": 4_000}})
NOTE = shape({}, {"note": TEXT})
CONTROL = shape({"control": NAME, "object": OBJECT}, {"signature": SIGNATURE})
CONFIRM = shape({}, {"signature": SIGNATURE})
PERSON = shape({"username": NAME, "name": NAME}, {"email": {"type": "string", "maxLength": 254}, "kind": NAME})
NAMES = {"type": "array", "items": NAME, "maxItems": 200}
TOKEN = shape(
    {"name": NAME},
    {
        "days": {"type": "integer"},
        "of": {"type": "string", "format": "uuid"},
        "audience": {"enum": ["api", "mcp"]},
        "procedures": NAMES,
        "environments": NAMES,
        "verbs": NAMES,
    },
)
DIRECTORY = shape({"provider": NAME, "name": NAME}, {"days": {"type": "integer"}})
SUBJECT = {"type": "string", "format": "uuid"}
PAST = shape({"policy": {"type": "object"}, "days": {"type": "integer", "minimum": 1, "maximum": 90}})
ROTATE = shape({}, {"overlap_hours": {"type": "integer"}})
LOGIN = shape({"username": NAME, "password": {"type": "string", "maxLength": 1000}})
CODE = shape({"code": {"type": "string", "minLength": 1, "maxLength": 200}})
JOIN = shape({"token": NAME, "password": {"type": "string", "maxLength": 1000}})
WELCOME = shape(
    {"token": NAME, "username": NAME, "name": NAME, "password": {"type": "string", "maxLength": 1000}},
    {"public_key": {"type": "string", "maxLength": 4000}},
)
GRANT = shape(
    {
        "principal": NAME,
        "verbs": {"type": "array", "items": NAME, "minItems": 1},
        "environments": {"type": "array", "items": NAME},
        "expires_at": NAME,
        "reason": {**TEXT, "minLength": 1},
    },
    {
        "procedure": NAME,
        "selector": {"type": "array", "items": NAME},
        "grows": {"type": "boolean"},
        "constraint": OBJECT,
        "unconstrained": {"type": "array", "items": NAME},
        "window": OBJECT,
        "period": OBJECT,
        "target_filter": NAME,
        "not_before": NAME,
        "signature": SIGNATURE,
    },
)
WISH = shape(
    {"days": {"type": "integer"}, "reason": TEXT},
    {
        "procedure": NAME,
        "verbs": {"type": "array", "items": NAME},
        "environments": {"type": "array", "items": NAME},
        "group": {"type": "string", "maxLength": 150},
        "extends": {"type": "string", "format": "uuid"},
    },
)
ALLOW = shape({"object": OBJECT}, {"signature": SIGNATURE})
CAMPAIGN = shape(
    {"name": NAME, "due_at": NAME, "reviewers": {"type": "array", "items": NAME, "minItems": 1}},
    {"select": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 200}}},
)
KEEP = shape(
    {"grants": {"type": "array", "items": {"type": "string", "format": "uuid"}, "minItems": 1}, "reason": NAME},
    {"signature": SIGNATURE},
)
_BY_HEADER = ("from", "to", "procedure", "environment", "requester", "outcome", "risk")
POPULATION = shape({}, dict.fromkeys(_BY_HEADER, NAME))
EXPORT = shape({}, dict.fromkeys((*_BY_HEADER, "run", "digest", "door", "sample"), NAME))
SAMPLE = shape({"population": NAME, "nonce": NAME, "count": {"type": "integer"}}, {"strata": NAME})
RECURRING = shape({"name": NAME}, dict.fromkeys((*_BY_HEADER[2:], "period"), NAME))
AGAIN = shape({}, {"of": NAME})
LINES = shape({"lines": {"type": "array", "items": NAME, "minItems": 1, "maxItems": 50, "uniqueItems": True}}, {})


def number(data: Mapping[str, Any], name: str) -> int:
    """A count of a query, 0 where none is given. Raises InvalidInput."""
    text = str(data.get(name) or "0")
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise InvalidInput([(f"/{name}", "is no number such as 50")])
    return int(text)


def when(data: Mapping[str, Any], name: str) -> datetime:
    """A moment with its zone, as RFC 3339 has it. Raises InvalidInput."""
    try:
        found = datetime.fromisoformat(data[name])
    except ValueError as problem:
        raise InvalidInput([(f"/{name}", "is no moment like 2026-11-25T12:00:00Z")]) from problem
    if found.tzinfo is None:
        raise InvalidInput([(f"/{name}", "names no zone: end it with Z")])
    return found.astimezone(UTC)


def checked(schema: Mapping[str, Any], data: Any) -> dict[str, Any]:
    """`data` if it has the shape, else InvalidInput with a pointer per problem. Texts hold no NUL or lone surrogate.

    Where a request carries what is nobody else's business, no problem repeats a value.
    """
    if not isinstance(data, Mapping):
        raise InvalidInput([("", "the body must be a JSON object")])
    problems: list[tuple[str, str]] = []
    mask = UNSAID if CONFIDENTIAL & set(schema["properties"]) else None
    validator = jsonschema_rs.validator_for(dict(schema), mask=mask, validate_formats=True, offline=True)
    for error in validator.iter_errors(dict(data)):
        path = "".join(f"/{part}" for part in error.instance_path)
        kind: Any = error.kind
        name = getattr(kind, "name", "")
        if name == "required":
            problems.append((f"{path}/{kind.property}", "is required"))
        elif name == "additionalProperties":
            problems += [(f"{path}/{key}", "is not a field of this request") for key in kind.unexpected]
        else:
            problems.append((path, told(error)))
    for key, value in data.items():
        if isinstance(value, str) and (why := text_problem(value)):
            problems.append((f"/{key}", why))
    if problems:
        raise InvalidInput(problems)
    return dict(data)
