"""The shape of each control object, as it is signed and replayed: JSON Schema, one per kind."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from procedures.domain import (
    campaigns,
    grants,
    inventories,
    providers,
    queue_rules,
    redaction_shape,
    runners,
    software,
    spaces,
    standing,
    stops,
    windows,
    workloads,
)
from procedures.domain.canonical import NotCanonical, canon
from procedures.domain.capabilities import SANDBOXES
from procedures.domain.controls import CONTROLS
from procedures.domain.definition import DUTIES, RISKS
from procedures.domain.errors import InvalidInput
from procedures.domain.policies import MODES, SOURCE_BYTES, STAGES
from procedures.domain.profiles import PROFILES
from procedures.domain.shape_errors import told

MOMENT = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"}
NAME = {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"}
UUID = {"type": "string", "format": "uuid"}
LABEL = {"type": "string", "minLength": 1, "maxLength": 200}
USERNAME = {"type": "string", "pattern": "^[A-Za-z0-9._@+-]{1,150}$"}
MARK = {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9._:/-]{0,61}[a-z0-9])?$"}  # a label on a procedure
DAYS = {"type": "integer", "minimum": 1, "maximum": 3650}
PRINCIPAL = {"type": "string", "pattern": "^(person:[0-9a-f-]{36}|group:.{1,150})$"}
NETWORK = {"type": "string", "pattern": r"^[0-9a-fA-F.:]{2,43}/[0-9]{1,3}$"}
HOST_AUTHORITY = {"type": "string", "pattern": "^((ssh-ed25519|ecdsa-sha2-nistp256|ssh-rsa) [A-Za-z0-9+/=]+)?$"}
HOST_KEY = {"type": "string", "pattern": "^(ssh-ed25519|ecdsa-sha2-nistp256|ssh-rsa|x509-ca) [A-Za-z0-9+/=]+$"}
VERB = {
    "enum": [
        "discover",
        "view",
        "run",
        "cancel",
        "read_output",
        "author",
        "review",
        "approve",
        "manage_access",
        "operate",
        "break_glass",
        "audit",
    ]
}
QUORUM = {
    "type": "object",
    "propertyNames": {"enum": list(DUTIES)},
    "additionalProperties": {"type": "integer", "minimum": 1, "maximum": 9},
}
PASSKEY = {
    "method": {"const": "passkey"},
    "credential": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,1364}$"},
    "algorithm": {"enum": ["ES256", "EdDSA", "RS256"]},
    "rp": LABEL,
    "origin": LABEL,
    "sign_count": {"type": "integer", "minimum": 0, "maximum": 4_294_967_295},
}


def _object(required: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "required": sorted(required),
        "additionalProperties": False,
        "properties": {**required, **(optional or {})},
    }


SCHEMAS: Mapping[str, dict[str, Any]] = {
    "grant": {
        **_object(
            {
                "principal": PRINCIPAL,
                "verbs": {"type": "array", "items": VERB, "minItems": 1, "uniqueItems": True},
                "environments": {"type": "array", "items": NAME, "uniqueItems": True},
                "not_before": MOMENT,
                "expires_at": MOMENT,
                "reason": {"type": "string", "minLength": 1, "maxLength": 2000},
            },
            {
                "procedure": NAME,
                "selector": {"type": "array", "items": MARK, "minItems": 1, "maxItems": 20, "uniqueItems": True},
                "grows": {"type": "boolean"},
                "constraint": {"type": "object"},
                "unconstrained": {"type": "array", "items": LABEL, "minItems": 1, "maxItems": 50, "uniqueItems": True},
                "target_filter": {"type": "string", "minLength": 1, "maxLength": 1000},
                "window": windows.SCHEMA,
                "period": windows.PERIOD,
                "replaces": UUID,
            },
        ),
        "dependentRequired": {"grows": ["selector"], "unconstrained": ["constraint"]},
    },
    "labels": _object(
        {"procedure": NAME, "labels": {"type": "array", "items": MARK, "maxItems": 20, "uniqueItems": True}}
    ),
    "space": spaces.SCHEMA,
    "stop_lift": stops.SCHEMA,
    "terms": _object({"days": DAYS, "production_run_days": DAYS, "break_glass_days": DAYS}),
    "campaign": _object(
        {
            "campaign": UUID,
            "name": LABEL,
            "select": {
                "type": "object",
                "additionalProperties": False,
                "properties": {name: {**LABEL} for name in campaigns.SELECTS},
            },
            "grants": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
            "count": {"type": "integer", "minimum": 1, "maximum": 100_000},
            "due_at": MOMENT,
            "reviewers": {"type": "array", "items": UUID, "minItems": 1, "maxItems": 50, "uniqueItems": True},
            "undecided": {"const": "lapses"},
        }
    ),
    "campaign_keep": _object(
        {
            "campaign": UUID,
            "grants": {
                "type": "array",
                "items": UUID,
                "minItems": 1,
                "maxItems": campaigns.MOST_KEPT,
                "uniqueItems": True,
            },
            "reason": LABEL,
        }
    ),
    "grant_end": _object({"grant": UUID, "reason": LABEL}),
    "key_end": _object({"fingerprint": LABEL, "reason": LABEL}),
    "membership": _object({"person": UUID, "group": LABEL, "action": {"enum": ["add", "remove"]}}),
    "duty": _object({"principal": PRINCIPAL, "duty": {"enum": list(DUTIES)}, "action": {"enum": ["add", "remove"]}}),
    "environment": _object(
        {
            "name": NAME,
            "title": LABEL,
            "position": {"type": "integer", "minimum": 0, "maximum": 999},
            "production": {"type": "boolean"},
            "drafts": {"type": "boolean"},
            "approvals": {
                "type": "object",
                "propertyNames": {"enum": list(RISKS)},
                "additionalProperties": QUORUM,
            },
            "min_strength": {"enum": ["session", "totp", "signed"]},
            "approval_expiry_s": {"type": "integer", "minimum": 60, "maximum": 604_800},
            "reason_required": {"type": "boolean"},
        },
        {
            "networks": {"type": "array", "items": NETWORK, "maxItems": 100, "uniqueItems": True},
            "frozen_until": MOMENT,
            "queue": queue_rules.SCHEMA,
            "tier": {"enum": ["", *SANDBOXES]},
            "pause_limit_s": {"type": "integer", "minimum": 60, "maximum": 604_800},
            "ahead_up_to": {"enum": list(RISKS)},
        },
    ),
    "binding": _object(
        {
            "environment": NAME,
            "name": NAME,
            "provider": LABEL,
            "role": LABEL,
            "ceiling": {"type": "object"},
            "max_ttl_s": {"type": "integer", "minimum": 10, "maximum": 86_400},
            "reach": {"type": "object"},
        }
    ),
    "inventory": inventories.SCHEMA,
    "target": _object(
        {
            "environment": NAME,
            "name": {"type": "string", "pattern": "^[A-Za-z0-9]([A-Za-z0-9._-]{0,198})$"},
            "address": LABEL,
            "port": {"type": "integer", "minimum": 1, "maximum": 65_535},
            "host_key": HOST_KEY,
            "trust": {"enum": ["key", "restricted", "certificate"]},
            "tags": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 200}},
            "attributes": {"type": "object", "additionalProperties": {"type": ["string", "integer", "boolean"]}},
            "action": {"enum": ["set", "end"]},
        },
        {"owner": {"type": "string", "maxLength": 200}, "inventory": NAME, "host_authority": HOST_AUTHORITY},
    ),
    "secret": _object(
        {
            "environment": NAME,
            "name": NAME,
            "pool_key_id": LABEL,
            "ciphertext": {"type": "string", "maxLength": 40_000},
            "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        }
    ),
    "profile": _object({"profile": {"enum": list(PROFILES)}}),
    "key": {
        **_object({"subject": UUID, "public": {"type": "string", "maxLength": 4000}, "fingerprint": LABEL}, PASSKEY),
        "dependentRequired": {name: sorted(PASSKEY) for name in PASSKEY},
    },
    **redaction_shape.SCHEMAS,
    "source": _object(
        {
            "name": NAME,
            "url": {"type": "string", "minLength": 1, "maxLength": 500},
            "branch": {"type": "string", "minLength": 1, "maxLength": 200},
            "path": {"type": "string", "maxLength": 300, "pattern": "^([^/.][^/]*(/[^/]+)*)?$"},
            "owner": UUID,
            "group": {"type": "string", "maxLength": 150},
            "action": {"enum": ["set", "end"]},
        }
    ),
    "action": _object(
        {
            "id": {"type": "string", "pattern": "^[a-z][a-z0-9-]{0,40}(:[a-z][a-z0-9-]{0,60}){1,2}$"},
            "mark": {"type": "string", "pattern": "^[^:]{1,100}:[^:]{1,60}:[0-9a-f]{64}$"},
            "action": {"enum": ["set", "end"]},
        }
    ),
    "identity_provider": providers.SCHEMA,
    "trusted_issuer": workloads.ISSUER,
    "workload_rule": workloads.RULE,
    **standing.SCHEMAS,
    "local_sign_in": _object({"local": {"enum": list(providers.LOCAL)}}),
    "policy": _object(
        {
            "name": NAME,
            "source": {"type": "string", "minLength": 1, "maxLength": SOURCE_BYTES},
            "settings": {"type": "object"},
            "mode": {"enum": list(MODES)},
            "stages": {"type": "array", "items": {"enum": list(STAGES)}, "minItems": 1, "uniqueItems": True},
        },
        {
            "shipped": NAME,
            "environments": {"type": "array", "items": NAME, "uniqueItems": True},
            "warn_until": MOMENT,
        },
    ),
    "service_account": _object({"account": UUID, "username": USERNAME, "name": LABEL, "owner": UUID}),
    "agent": _object(
        {
            "agent": UUID,
            "username": USERNAME,
            "name": LABEL,
            "owner": UUID,
            "runs_an_hour": {"type": "integer", "minimum": 1, "maximum": software.MOST_AN_HOUR},
        }
    ),
    "runner": dict(runners.RUNNER),
    "runner_end": dict(runners.RUNNER_END),
}
_VALIDATORS = {
    name: jsonschema_rs.validator_for(schema, validate_formats=True, offline=True) for name, schema in SCHEMAS.items()
}


def check(control: str, object: Any, *, prefix: str = "/object") -> None:
    """Raise InvalidInput with a pointer per problem unless `object` has the shape of that control."""
    if control not in CONTROLS:
        raise InvalidInput([("/control", f"{control!r} is not one of {', '.join(CONTROLS)}")])
    problems = []
    for error in _VALIDATORS[control].iter_errors(object):
        path = "".join(f"/{part}" for part in error.instance_path)
        problems.append((prefix + path, told(error)))
    if problems:
        raise InvalidInput(problems)
    try:
        canon(object)
    except NotCanonical as problem:
        where, _, why = str(problem).partition(": ")
        raise InvalidInput([(prefix + where.rstrip("/"), why)]) from problem
    if control == "environment":
        _networks(object.get("networks", []), prefix)
        if object["production"] and object.get("ahead_up_to") == RISKS[-1]:
            raise InvalidInput([(f"{prefix}/ahead_up_to", "is never high in production")])
    if control == "grant" and (problems := grants.problems(object, prefix)):
        raise InvalidInput(problems)


def _networks(given: list[str], prefix: str) -> None:
    """Private ranges that steps may reach: whole networks, no host bits."""
    for index, text in enumerate(given):
        try:
            ipaddress.ip_network(text)
        except ValueError as problem:
            raise InvalidInput([(f"{prefix}/networks/{index}", str(problem))]) from problem
