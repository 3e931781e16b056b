"""One table of hostile values, and what each action did with one: it arrives exactly as it was sent, or is refused."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from procedures.definitions import registry
from procedures.definitions.load import load
from procedures.domain import parameters, plan
from procedures.domain.definition import Step
from procedures.domain.errors import InvalidInput, OpsError
from procedures.domain.ports import ActionCall, ActionResult, Target

OWNED = f"/tmp/opsportal-owned-{os.getpid()}"
TOUCH = f"touch {OWNED}"
VALUES: Mapping[str, str] = {
    "empty": "",
    "quote": f"'; {TOUCH}; '",
    "double quote": f'"; {TOUCH}; "',
    "semicolon": f"; {TOUCH};",
    "pipe": f"| {TOUCH} & && {TOUCH} ||",
    "substitution": f"$({TOUCH})",
    "arithmetic": f"$((1+1))${{IFS}}`{TOUCH}`",
    "newline": f"a\n{TOUCH}\n",
    "newline first": f"\n{TOUCH}",
    "carriage return": f"a\r{TOUCH}\r",
    "header": "a\r\nX-Evil: 1\r\n\r\nGET /evil HTTP/1.1\r\n",
    "dash": "-rf",
    "option": f"--upload-pack={TOUCH}",
    "dashes": "--",
    "bang": "!! !$ ^a^b",
    "glob": "* ? [a-z] {a,b}",
    "tilde": "~root/x",
    "assignment": "PATH=/nowhere LD_PRELOAD=/x.so",
    "redirection": f"> {OWNED} < /etc/passwd",
    "backslash": "a\\nb\\",
    "percent": "%s%n%00%2e%2e%2f%0d%0a",
    "dots": "../../../../etc/passwd",
    "absolute": "/etc/passwd",
    "git folder": ".git/hooks/post-commit",
    "template": f"{{{{ lookup('pipe','{TOUCH}') }}}}{{% raw %}}",
    "expression": "${{ secrets.x }}${{ parameters.s }}",
    "dollar": "${x:-$HOME} $0 $1 $$",
    "SQL": "'; DROP TABLE app.users; --",
    "SQL comment": "1/**/OR/**/1=1;$$",
    "JSON": '"}],"x":[{"a":"b',
    "YAML": "!!python/object/apply:os.system ['id']\n- &a *a",
    "XML": "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><script>&e;",
    "address": "@evil.example:80/?a=b&c=d#e",
    "word": "javascript:alert(1)",
    "unicode": "ü – 日本 \U0001f600 e\u0301",
    "bidi": "abc\u202egnp.exe\u2066\u2069\u200b\ufeff",
    "lines": "a\u2028b\u2029c\x85d\x0bc\x0cd",
    "beside NUL": "\x01\x02a\x1fb\x7f",
    "terminal": "\x1b[2J\x1b]0;owned\x07\x9b31m\x08\x08",
    "blanks": "  a \t b  ",
    "huge": "x" * 60_000,
}
# What a gate tries of the slow rows, each of which meets a host or git; `--all` tries every value of every row.
SOME = (
    "quote",
    "substitution",
    "newline",
    "header",
    "option",
    "dots",
    "expression",
    "SQL",
    "bidi",
    "beside NUL",
    "huge",
)
NOBODY_CARRIES: Mapping[str, str] = {"NUL": "a\x00b", "half a character": "a\ud800b"}
E = "${{ parameters.s }}"
BASE = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: hostile}
spec:
  owner: group:default/x
  type: diagnostic
  risk: low
  environments: [staging]
  parameters: {required: [s], properties: {s: {type: string, title: S}}}
  steps: [{id: one, action: 'local:command', timeout: 9s, input: {argv: [echo, --, "${{ parameters.s }}"]}}]
"""
DEFINITION = load({"procedure.yaml": BASE.encode(), "README.md": b"x"}, registry.actions()).definition


class Refused(Exception):
    """The value did not go anywhere, and this is what was said."""


Send = Callable[[Any, str], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Row:
    """One field, or some, of one action. `send` gives what arrived by field; `refuses` names the values that are not
    sent at all. `reads` turns the value into what an honest reader gets of it, where a format has no other way.
    """

    fields: str
    send: Send
    refuses: frozenset[str] = frozenset()
    reads: Callable[[str], str] = field(default=lambda value: value)


def resolved(value: str) -> dict[str, Any]:
    assert DEFINITION is not None
    return parameters.resolve(DEFINITION.parameters, {"s": value})


def rendered(
    action: str,
    input: Mapping[str, Any],
    value: str,
    *,
    files: Mapping[str, bytes] | None = None,
    target: Target | None = None,
) -> ActionCall:
    """The call as the engine makes it of a request. Raises Refused."""
    assert DEFINITION is not None
    try:
        ask = plan.Ask(
            run=uuid4(),
            run_no=1,
            procedure="hostile",
            digest="d",
            environment="staging",
            requester="quinn",
            reason="",
            parameters=resolved(value),
            secret_marks={},
            targets=[target] if target else [],
            bindings={},
            approvals={},
            min_strength="session",
            risk="low",
            profile="team",
        )
        step = Step(id="one", name="one", action=action, input=input)
        scope = plan.scope_for(DEFINITION, ask)
        call = plan.call_for(files or {}, ask, step, target, scope=scope, nonce=uuid4().hex, seconds_left=30.0)
        registry.actions()[action].plan(call)
    except OpsError as problem:
        raise Refused(problem.message) from problem
    return call


def good(result: ActionResult) -> ActionResult:
    """A result that is none of a refusal. Raises Refused."""
    if result.outcome != "succeeded":
        raise Refused(result.message)
    return result


def wrong(row: Row, place: Any, values: Iterable[tuple[str, str]] = VALUES.items()) -> list[str]:
    """What is not as the row says, in words: too much refused, too little, changed on the way, or executed."""
    found = []
    for name, value in values:
        try:
            arrived = row.send(place, value)
        except Refused as problem:
            if name not in row.refuses or not str(problem).strip():
                found.append(f"{name}: refused with {str(problem)[:200]!r}")
        else:
            if name in row.refuses:
                found.append(f"{name}: should be refused, arrived as {str(arrived)[:200]!r}")
            else:
                wanted = row.reads(value)
                found += [f"{name}: {key} is {got[:80]!a}" for key, got in arrived.items() if got != wanted]
        if os.path.lexists(OWNED):
            Path(OWNED).unlink()
            found.append(f"{name}: it ran")
    return found


def problem_of(value: str) -> str:
    """What a request with this value is told before anything else looks at it."""
    try:
        resolved(value)
    except InvalidInput as problem:
        return ", ".join(pointer for pointer, _ in problem.problems)
    return ""
