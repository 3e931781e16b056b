"""The JSON Schema of the format: what every document is checked against."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, get_args

import jsonschema_rs

from procedures.domain import limits, results
from procedures.domain.alarms import WHEN
from procedures.domain.capabilities import SANDBOXES
from procedures.domain.definition import RISKS
from procedures.domain.duration import PATTERN
from procedures.domain.narrower import CUTS

NAME = {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"}
ID = {"type": "string", "pattern": "^[a-zA-Z][a-zA-Z0-9_-]{0,62}$"}
TEXT = {"type": "string", "maxLength": 20_000}
LINE = {"type": "string", "minLength": 1, "maxLength": 200}
DURATION = {"type": "string", "pattern": PATTERN}
SHARE = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": limits.TARGETS_PER_RUN},
        {"type": "string", "pattern": "^(100|[1-9]?[0-9])%$"},
    ]
}
OPEN = {"type": "object"}


def closed(properties: Mapping[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": dict(properties), "required": list(required)}


LINK = closed({"title": LINE, "url": {"type": "string", "maxLength": 2000}, "icon": LINE}, ("url",))
ARTIFACT = closed(
    {
        "name": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"},
        "path": {"type": "string", "minLength": 1, "maxLength": 300, "pattern": r"^[^/\\\x00][^\\\x00]*$"},
        "type": {"type": "string", "pattern": "^[a-z]+/[a-z0-9.+-]{1,80}$"},
        "maxBytes": {"type": "integer", "minimum": 1, "maximum": limits.ARTIFACT_BYTES},
        "retention": DURATION,
    },
    ("name", "path"),
)
STEP = closed(
    {
        "id": ID,
        "name": LINE,
        "action": {"type": "string", "pattern": "^[a-z0-9]+(:[a-zA-Z0-9-]+)+$"},
        "input": OPEN,
        "credentials": {"type": "array", "items": NAME, "maxItems": 1, "uniqueItems": True},
        "if": {"type": ["string", "boolean"]},
        "each": {"type": "string"},
        "timeout": DURATION,
        "retry": closed(
            {
                "attempts": {"type": "integer", "minimum": 1, "maximum": 20},
                "delay": DURATION,
                "backoff": {"type": "integer", "minimum": 1, "maximum": 10},
            }
        ),
        "idempotent": {"type": "boolean"},
        "onFailure": {"enum": ["fail", "continue", "rollback"]},
        "safeAfterStop": {"type": "boolean"},
        "artifacts": {"type": "array", "items": ARTIFACT, "maxItems": limits.ARTIFACTS_PER_STEP},
        "makesSecrets": {"type": "boolean"},
        "sensitive": {"type": "array", "items": ID, "minItems": 1, "maxItems": 20, "uniqueItems": True},
    },
    ("action",),
)
DELIVERED = {"type": "string", "minLength": 1, "maxLength": 500}
SECRET_RESULT = {
    "type": "object",
    "required": ["value", "deliver"],
    "properties": {
        "value": {"type": "string", "pattern": results.SOURCE},
        "deliver": {"enum": list(get_args(results.Deliver))},
    },
    "oneOf": [
        closed({"value": True, "deliver": {"const": "once"}, "expires": DURATION}),
        closed(
            {
                "value": True,
                "deliver": {"const": "readers"},
                "classification": {"enum": ["personal", "confidential"]},
                "keep": DURATION,
            },
            ("classification",),
        ),
        *(
            closed(
                {
                    "value": True,
                    "deliver": {"const": deliver},
                    "credential": NAME,
                    **dict.fromkeys(places, DELIVERED),
                },
                ("credential", places[0]),
            )
            for deliver, places in results.PLACES.items()
        ),
    ],
}
FORM = {
    "type": "object",
    "properties": {"properties": OPEN, "required": {"type": "array", "items": {"type": "string"}}},
}
URL = {"type": "string", "minLength": 1, "maxLength": 2000}
STATUS = {"type": "integer", "minimum": 100, "maximum": 599}
ALARM = {
    **closed(
        {
            "http": closed(
                {
                    "url": URL,
                    "expect": closed(
                        {
                            "status": {"anyOf": [STATUS, {"type": "array", "items": STATUS, "minItems": 1}]},
                            "contains": {"type": "string", "maxLength": 2000},
                        }
                    ),
                },
                ("url",),
            ),
            "prometheus": closed(
                {
                    "url": URL,
                    "query": {"type": "string", "minLength": 1, "maxLength": 4000},
                    "when": {"type": "string", "pattern": WHEN},
                },
                ("url", "query", "when"),
            ),
            "for": DURATION,
            "every": DURATION,
        }
    ),
    "oneOf": [{"required": ["http"]}, {"required": ["prometheus"]}],
}
STRATEGY = {
    **closed(
        {
            "mode": {"enum": ["parallel", "sequential", "rolling"]},
            "batch": SHARE,
            "maxFailures": SHARE,
            "order": {"enum": ["name", "random", "reverse"]},
            "canary": SHARE,
            "ramp": {"type": "number", "exclusiveMinimum": 1, "maximum": 10},
            "alarms": {"type": "array", "items": ALARM, "minItems": 1, "maxItems": 10},
            "onAlarm": {"enum": ["stop", "rollback"]},
        }
    ),
    "dependentRequired": {"onAlarm": ["alarms"]},
    "dependentSchemas": {"ramp": {"properties": {"mode": {"const": "rolling"}}, "required": ["mode"]}},
}
NARROWED = closed(
    {
        "took": {"enum": list(CUTS)},
        "step": ID,
        "what": {"type": "string", "minLength": 1, "maxLength": 4000},
        "runs": {"type": "integer", "minimum": 0},
        "until": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"},
        "observation": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
    },
    ("took", "what", "until", "observation"),
)
STEPS = {"type": "array", "items": STEP, "maxItems": limits.STEPS}
SPEC = closed(
    {
        "owner": LINE,
        "type": {"enum": ["operation", "provisioning", "scaffolding", "diagnostic"]},
        "risk": {"enum": list(RISKS)},
        "environments": {"type": "array", "items": NAME, "minItems": 1, "uniqueItems": True},
        "parameters": {"anyOf": [FORM, {"type": "array", "items": FORM}]},
        "secrets": closed({"schema": FORM}),
        "targets": closed(
            {
                "filter": {"type": "string", "minLength": 1, "maxLength": 4000},
                "strategy": STRATEGY,
                "narrow": {"type": "boolean"},
                "unreachable": {"enum": ["exclude", "fail"]},
                "lock": {"enum": ["exclusive", "shared", "none"]},
            },
            ("filter",),
        ),
        "credentials": {
            "type": "object",
            "propertyNames": NAME,
            "additionalProperties": {
                "type": "object",
                "required": ["kind"],
                "properties": {"kind": LINE, "ttl": DURATION},
                "additionalProperties": {"type": ["string", "integer", "boolean", "array", "object"]},
            },
        },
        "concurrency": {
            **closed(
                {
                    "group": LINE,
                    "onConflict": {"enum": ["queue", "reject", "cancel-running"]},
                    "limit": {"type": "integer", "minimum": 1, "maximum": 1000},
                    "shared": NAME,
                }
            ),
            "anyOf": [{"required": [name]} for name in ("group", "limit", "shared")],
        },
        "sandbox": closed({"minTier": {"enum": list(SANDBOXES)}}, ("minTier",)),
        "narrowed": {"type": "array", "items": NARROWED, "maxItems": limits.NARROWINGS},
        "timeout": DURATION,
        "steps": {**STEPS, "minItems": 1},
        "rollback": STEPS,
        "onCancel": STEPS,
        "always": STEPS,
        "output": closed(
            {
                "links": {"type": "array", "items": LINK},
                "values": OPEN,
                "secrets": {
                    "type": "object",
                    "propertyNames": ID,
                    "maxProperties": results.MOST,
                    "additionalProperties": SECRET_RESULT,
                },
            }
        ),
        "evidence": closed({"controls": {"type": "array", "items": LINE}, "retention": DURATION}),
        "callableBy": {
            "type": "array",
            "items": {"anyOf": [NAME, {"const": "*"}]},
            "maxItems": 100,
            "uniqueItems": True,
        },
    },
    ("owner", "type", "risk", "environments", "steps"),
)


def procedure_schema() -> dict[str, Any]:
    """The shape that every document is checked against; `published` adds what editors want."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "OpsPortal procedure",
        **closed(
            {
                "apiVersion": {"const": "opsportal/v1"},
                "kind": {"const": "Procedure"},
                "metadata": closed(
                    {
                        "name": NAME,
                        "title": LINE,
                        "description": TEXT,
                        "tags": {"type": "array", "items": LINE},
                        "links": {"type": "array", "items": LINK},
                    },
                    ("name",),
                ),
                "spec": SPEC,
            },
            ("apiVersion", "kind", "metadata", "spec"),
        ),
    }


@cache
def validator() -> Any:
    return jsonschema_rs.validator_for(procedure_schema(), validate_formats=True, offline=True)
