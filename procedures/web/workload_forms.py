"""Trusted issuers and rules of workloads on pages: what a form becomes, and what a change does, in a sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.http import QueryDict

from procedures.domain.errors import InvalidInput
from procedures.web import identity_forms
from procedures.web.form_texts import whole

Object = dict[str, Any]


def issuer(posted: QueryDict) -> Object:
    """An issuer from its fields, or the whole object of one that ends. Raises InvalidInput."""
    if "object_text" in posted:
        return identity_forms.provider(posted)
    made: Object = {name: posted.get(name, "").strip() for name in ("name", "title", "kind", "issuer")}
    made |= {"algorithms": posted.getlist("algorithms"), "action": "set"}
    if address := posted.get("jwks_uri", "").strip():
        made["jwks_uri"] = address
    if text := posted.get("keys", "").strip():
        try:
            found = json.loads(text)
        except ValueError as problem:
            raise InvalidInput([("/object/keys", f"is not JSON: {problem}")]) from problem
        made["keys"] = found.get("keys") if isinstance(found, dict) else found
    return made


def rule(posted: QueryDict) -> Object:
    """A rule from its fields, or the whole object of one that ends. Raises InvalidInput."""
    if "object_text" in posted:
        return identity_forms.provider(posted)
    made: Object = {name: posted.get(name, "").strip() for name in ("name", "issuer", "account")}
    reach = {name: posted.getlist(name) for name in ("procedures", "environments", "verbs")}
    return {**made, **reach, "claims": _claims(posted), "seconds": whole(posted, "minutes") * 60, "action": "set"}


def _claims(posted: QueryDict) -> dict[str, str]:
    """`name = value`, one a line; a value is a text, whatever it looks like."""
    found: dict[str, str] = {}
    for line in filter(str.strip, posted.get("claims", "").splitlines()):
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not name or name in found:
            raise InvalidInput([("/object/claims", f"{line.strip()[:100]!r} is not name = value, each name once")])
        found[name] = value
    return found


def told_issuer(made: Object) -> str:
    if made["action"] == "end":
        return f"Tokens of {made['issuer']} are exchanged no more; its rules and what was given by them end at once"
    proof = f"keys from {made['jwks_uri']}" if "jwks_uri" in made else f"{len(made['keys'])} keys that are signed here"
    return f"{made['title']} ({made['issuer']}) vouches for workloads, by {proof}; rules say for which"


def told_rule(made: Object, names: Mapping[str, str]) -> str:
    who = names.get(made["account"], "a service account")
    if made["action"] == "end":
        return f"No workload becomes {who} by the rule {made['name']} any more; tokens given by it end at once"
    claims = ", ".join(f"{name} is {value}" for name, value in sorted(made["claims"].items()))
    return (
        f"A workload of {made['issuer']} whose {claims} becomes {who} for {made['seconds'] // 60} minutes, to "
        f"{', '.join(made['verbs']).replace('_', ' ')} {', '.join(made['procedures'])} in "
        f"{', '.join(made['environments'])}"
    )
