"""Session policies: what a run may do at AWS, as the procedure declares it, below what the environment allows."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from procedures.ssh.accounts import NotIssuable

LONGEST = 2_048  # AWS's limit for a session policy that is given with the call
ACTION = re.compile(r"^[a-z0-9-]+:[A-Za-z0-9*?]+$")
LOOKS = re.compile(r"^[a-z0-9-]+:(Describe|Get|List|Head)[A-Za-z0-9*?]*$")
KNOWN = frozenset({"Sid", "Effect", "Action", "Resource", "Condition"})


def session_policy(wanted: Any, ceiling: Any) -> str:
    """The policy to send: the procedure's, each statement within one of the ceiling's; without it the ceiling's.

    Either may be None, not both. Raises NotIssuable, which names the statement.
    """
    above = None if ceiling is None else statements(ceiling, "ceiling.policy")
    below = None if wanted is None else statements(wanted, "scope.policy")
    if above is None and below is None:
        raise NotIssuable("ceiling.policy: without a policy a run would get the whole role.")
    if above is not None and below is not None:
        for number, row in enumerate(below):
            if not any(_within(row, other) for other in above):
                raise NotIssuable(f"scope.policy, statement {number + 1}: it reaches beyond what the binding allows.")
    text = json.dumps({"Version": "2012-10-17", "Statement": below or above}, separators=(",", ":"), sort_keys=True)
    if len(text) > LONGEST:
        raise NotIssuable(f"The session policy has {len(text)} characters; AWS takes {LONGEST}.")
    return text


def statements(policy: Any, place: str) -> list[dict[str, Any]]:
    """The statements of a policy, each with lists of actions and resources. Raises NotIssuable."""
    rows = policy.get("Statement") if isinstance(policy, Mapping) else None
    rows = [rows] if isinstance(rows, Mapping) else rows
    if not isinstance(rows, Sequence) or isinstance(rows, str) or not rows:
        raise NotIssuable(f"{place}: a policy has a list of statements.")
    return [_sound(row, f"{place}, statement {number + 1}") for number, row in enumerate(rows)]


def _sound(row: Any, place: str) -> dict[str, Any]:
    if not isinstance(row, Mapping) or set(row) - KNOWN:
        raise NotIssuable(f"{place}: it may have Effect, Action, Resource and Condition alone.")
    if row.get("Effect") != "Allow":
        raise NotIssuable(f"{place}: its Effect is Allow; what is not allowed is denied.")
    actions, resources = _words(row.get("Action"), place, "Action"), _words(row.get("Resource"), place, "Resource")
    for action in actions:
        if not ACTION.fullmatch(action) or action.partition(":")[2] == "*":
            raise NotIssuable(f"{place}: {action!r} is no action, or every action, of a service.")
    if "*" in resources and not all(map(LOOKS.fullmatch, actions)):
        raise NotIssuable(f"{place}: every resource is for actions that only look (Describe, Get, List, Head).")
    sound = {"Effect": "Allow", "Action": actions, "Resource": resources}
    return {**sound, "Condition": row["Condition"]} if row.get("Condition") else sound


def _words(value: Any, place: str, name: str) -> list[str]:
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not words or not all(isinstance(word, str) and word for word in words):
        raise NotIssuable(f"{place}: {name} is a word or a list of words.")
    return words


def _within(row: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a statement allows nothing that the other does not. A condition of the other must stand here as well."""
    if other.get("Condition") and row.get("Condition") != other["Condition"]:
        return False
    return all(any(covers(b, a) for b in other["Action"]) for a in row["Action"]) and all(
        any(covers(b, a) for b in other["Resource"]) for a in row["Resource"]
    )


def covers(wide: str, narrow: str) -> bool:
    """Whether every word that `narrow` stands for is one that `wide` stands for; `?` covers no `*`."""
    signs = {"*": ".*", "?": "[^*]"}
    return re.fullmatch("".join(signs.get(sign, re.escape(sign)) for sign in wide), narrow, re.DOTALL) is not None
