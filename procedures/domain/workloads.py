"""Workload identity: whose tokens are trusted, what a rule must name to mean one workload, and when a token fits it.

Claims as their issuers document them: GitHub (OpenID Connect reference), GitLab (ID token authentication), Kubernetes
(service account tokens). A name that somebody else can take after a rename never suffices; ids do (H32).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from procedures.domain.errors import NotAllowed
from procedures.domain.providers import LONG, NAMED, encrypted
from procedures.domain.tokens import VERBS

CONTROLS = ("trusted_issuer", "workload_rule")
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA")
SHORTEST_S, LONGEST_S = 60, 900
PARTS = {"procedures": "procedure", "environments": "environment", "verbs": "verb"}
KINDS: Mapping[str, tuple[str, ...]] = {
    "github": ("repository_id", "repository_owner_id", "ref", "event_name"),
    "gitlab": ("project_id", "namespace_id", "ref", "ref_type", "pipeline_source"),
    "kubernetes": ("sub", "/kubernetes.io/namespace", "/kubernetes.io/serviceaccount/uid"),
    "other": ("sub",),
}
# What only somebody with the right to write there can set off: no pull request, no comment, no fork.
ONLY: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("github", "event_name"): ("push", "workflow_dispatch", "schedule", "release", "deployment", "repository_dispatch"),
    ("gitlab", "pipeline_source"): ("push", "web", "schedule", "api"),
}
HOSTS = {"token.actions.githubusercontent.com": "github", "gitlab.com": "gitlab"}
IN_ANY_CASE = frozenset({"iss", "aud", "exp", "iat", "nbf", "jti"})
PUBLIC_PARTS = ("kty", "kid", "use", "alg", "n", "e", "crv", "x", "y")
NAME = {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"}
ACTION = {"enum": ["set", "end"]}
Problems = list[tuple[str, str]]


def _several(items: Mapping[str, Any], most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1, "maxItems": most, "uniqueItems": True}


ISSUER: dict[str, Any] = {
    "type": "object",
    "required": ["name", "title", "kind", "issuer", "algorithms", "action"],
    "additionalProperties": False,
    "properties": {
        "name": NAME,
        "title": NAMED,
        "kind": {"enum": list(KINDS)},
        "issuer": LONG,
        "algorithms": _several({"enum": list(ALGORITHMS)}, len(ALGORITHMS)),
        "jwks_uri": LONG,
        "keys": _several(
            {
                "type": "object",
                "required": ["kty", "kid"],
                "additionalProperties": False,
                "properties": {part: {"type": "string", "minLength": 1, "maxLength": 2000} for part in PUBLIC_PARTS}
                | {"kty": {"enum": ["RSA", "EC", "OKP"]}},
            },
            20,
        ),
        "action": ACTION,
    },
    "oneOf": [{"required": ["jwks_uri"]}, {"required": ["keys"]}],
}
RULE_FIELDS: Mapping[str, Any] = {
    "name": NAME,
    "issuer": NAME,
    "account": {"type": "string", "format": "uuid"},
    "claims": {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 20,
        "propertyNames": {"minLength": 1, "maxLength": 200},
        "additionalProperties": {"type": ["string", "boolean", "integer"], "minLength": 1, "maxLength": 500},
    },
    "procedures": _several(NAME, 100),
    "environments": _several(NAME, 50),
    "verbs": _several({"enum": list(VERBS)}, len(VERBS)),
    "seconds": {"type": "integer", "minimum": SHORTEST_S, "maximum": LONGEST_S},
    "action": ACTION,
}
RULE = {
    "type": "object",
    "required": list(RULE_FIELDS),
    "additionalProperties": False,
    "properties": dict(RULE_FIELDS),
}


class WorkloadRefused(NotAllowed):
    """A workload's token is not exchanged. `error` is RFC 6749's word for it, `proved` whether the issuer signed it."""

    code = "workload.refused"
    next_step = "Look at the rule of this workload with an access manager: every claim is compared letter by letter."

    def __init__(
        self, message: str, *, error: str = "invalid_request", status: int = 400, proved: bool = False
    ) -> None:
        super().__init__(message)
        self.error, self.status, self.proved = error, status, proved


def issuer_problems(object: Mapping[str, Any]) -> Problems:
    """What the shape of an issuer cannot say: encrypted addresses, and a kind that is the issuer's own."""
    found = [
        (f"/object/{name}", "is not an https address (http is for this machine alone)")
        for name in ("issuer", "jwks_uri")
        if name in object and not encrypted(object[name])
    ]
    parts = urlsplit(object["issuer"])
    if parts.query:
        found.append(("/object/issuer", "has a query, which no issuer's name has"))
    kind = HOSTS.get((parts.hostname or "").lower())
    if kind is not None and object["kind"] != kind:
        found.append(("/object/kind", f"is {kind} for {parts.hostname}: its rules must name what cannot be renamed"))
    return found


def rule_problems(object: Mapping[str, Any], kind: str) -> Problems:
    """Why a rule does not mean one workload of an issuer of this kind, or means one that anybody can start."""
    claims = object["claims"]
    lacking = [name for name in KINDS[kind] if name not in claims]
    found = [("/object/claims", f"must name {name}: without it a rule fits more than one workload") for name in lacking]
    for name, value in claims.items():
        pointer = "/object/claims/" + name.replace("~", "~0").replace("/", "~1")
        only = ONLY.get((kind, name))
        if name in IN_ANY_CASE:
            found.append((pointer, "is checked in any case: name claims that say who the workload is"))
        elif name in KINDS[kind] and not isinstance(value, str):
            found.append((pointer, "is a text in every token of such an issuer; write it in quotes"))
        elif only and value not in only:
            found.append((pointer, f"is {', '.join(only)}: anything else runs what people outside can propose"))
        elif isinstance(value, str) and "*" in value:
            found.append((pointer, "holds a *: claims are compared letter by letter, there are no wildcards"))
    return found


def changed(table: MutableMapping[tuple[str, str], dict[str, Any]], control: str, fact: dict[str, Any]) -> None:
    """Fold a confirmed change into what stands; an issuer that ends takes its rules with it."""
    key = (control, fact["name"])
    if fact["action"] == "set" and (fact["stands"] or not table.get(key, {}).get("stands")):
        table[key] = fact
    elif fact["action"] == "end" and fact["stands"]:
        table.pop(key, None)
        for rule in [one for one, row in table.items() if control == CONTROLS[0] and row.get("issuer") == fact["name"]]:
            table.pop(rule)


def said(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by a JSON pointer (`/kubernetes.io/namespace`) for one inside another; None if absent."""
    if not name.startswith("/"):
        return claims.get(name)
    found: Any = claims
    for part in name[1:].split("/"):
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found


def fits(rule: Mapping[str, Any], claims: Mapping[str, Any]) -> bool:
    """Whether every claim of the rule is in the token, of the same type and letter by letter."""
    wanted = rule["claims"]
    return all(
        type(value) is type(said(claims, name)) and value == said(claims, name) for name, value in wanted.items()
    )


@dataclass(frozen=True, slots=True)
class Reach:
    """What an exchanged token is for; never empty, never more than its rule says."""

    procedures: Sequence[str]
    environments: Sequence[str]
    verbs: Sequence[str]

    def scope(self) -> str:
        """As OAuth writes it: `verb:run procedure:hello environment:staging`."""
        return " ".join(f"{word}:{one}" for part, word in PARTS.items() for one in getattr(self, part))


def narrowed(rule: Mapping[str, Any], scope: str) -> Reach:
    """What was asked for, if the rule gives it; a part that was not asked for is the rule's. Raises WorkloadRefused."""
    asked: dict[str, list[str]] = {part: [] for part in PARTS}
    words = {word: part for part, word in PARTS.items()}
    for text in scope.split():
        word, _, value = text.partition(":")
        if word not in words or not re.fullmatch(r"[a-z0-9_-]{1,63}", value):
            why = "A scope is written as procedure:NAME, environment:NAME or verb:NAME."
            raise WorkloadRefused(why, error="invalid_scope", proved=True)
        if value not in rule[words[word]]:
            why = f"The rule {rule['name']} does not give {word}:{value}."
            raise WorkloadRefused(why, error="invalid_scope", proved=True)
        asked[words[word]].append(value)
    return Reach(**{part: sorted(set(asked[part] or rule[part])) for part in PARTS})
