"""What a namespace needs before tokens can be lent there: its manifest, and whether an identity has just that.

The issuer may make an empty Secret and delete one, and ask for tokens of the accounts that are named. It may read no
Secret: whoever may make and read them gets lasting tokens of every account of the namespace.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from procedures.credentials.kubernetes_api import NAME

ISSUER = "opsportal-issuer"
Right = tuple[str, str, str, str]  # group, resource, name ("" for any), verb
# What everybody who is signed in may, wherever nobody took it away (system:basic-user): questions about oneself.
ABOUT_ONESELF = frozenset(
    (group, resource, "", "create")
    for group, resource in (
        ("authorization.k8s.io", "selfsubjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectrulesreviews"),
        ("authentication.k8s.io", "selfsubjectreviews"),
    )
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One right that was looked at. `state`: ok, missing, or more, where it is not needed."""

    state: str
    what: str
    next_step: str = ""


def rules(accounts: Sequence[str]) -> list[dict[str, Any]]:
    """The rules of the issuer's Role, and nothing beside them."""
    return [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "delete"]},
        {
            "apiGroups": [""],
            "resources": ["serviceaccounts/token"],
            "resourceNames": sorted(accounts),
            "verbs": ["create"],
        },
    ]


def manifest(namespace: str, accounts: Sequence[str], issuer: str = ISSUER) -> list[dict[str, Any]]:
    """Objects for `kubectl apply -f -`: the issuer's identity, its Role, and who holds it. Names are checked before."""
    here = {"name": issuer, "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": issuer}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": here, "automountServiceAccountToken": False},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": here, "rules": rules(accounts)},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": here,
            "roleRef": role,
            "subjects": [{"kind": "ServiceAccount", **here}],
        },
    ]


def text(objects: Sequence[Mapping[str, Any]]) -> str:
    """JSON is YAML, and kubectl reads a list of objects."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}, indent=2) + "\n"


def is_name(word: str) -> bool:
    return NAME.fullmatch(word) is not None


def seen(said: Mapping[str, Any], accounts: Sequence[str]) -> Iterator[Seen]:
    """What a SelfSubjectRulesReview says (its `status`), against what is needed."""
    wanted = set(_rights(rules(accounts)))
    given = set(_rights(said.get("resourceRules") or []))
    for right in sorted(wanted):
        if _covered(right, given):
            yield Seen("ok", _words(right))
        else:
            yield Seen("missing", _words(right), "apply what `opsportal cluster onboard` prints")
    for right in sorted(given - wanted - ABOUT_ONESELF):
        yield Seen("more", _words(right), "take it away: the issuer does not need it, and who stole its token would")
    if said.get("incomplete"):
        yield Seen("missing", "the whole list of rights", "the authorizer cannot say all: look at its own policy too")


def _rights(rows: Sequence[Mapping[str, Any]]) -> Iterator[Right]:
    for row in rows:
        for group in row.get("apiGroups") or [""]:
            for resource in row.get("resources") or []:
                for name in row.get("resourceNames") or [""]:
                    for verb in row["verbs"]:
                        yield (group, resource, name, verb)


def _covered(right: Right, given: Collection[Right]) -> bool:
    group, resource, name, verb = right
    return any(
        one[0] in {group, "*"} and one[1] in {resource, "*"} and one[2] in {name, ""} and one[3] in {verb, "*"}
        for one in given
    )


def _words(right: Right) -> str:
    group, resource, name, verb = right
    return f"{verb} {resource}{f' {name}' if name else ''}{f' ({group})' if group else ''}"
