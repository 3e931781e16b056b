"""Alarms: what is asked while a run goes over its targets, and when an answer means that no further batch may begin."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

from procedures.domain import expressions
from procedures.domain.errors import OpsError

TRIES = 3
ASKED_S = 10.0
WHEN = r"^(>|>=|<|<=|==|!=) ?-?[0-9]{1,15}(\.[0-9]{1,9})?$"
PLAIN = re.compile(r"[A-Za-z0-9_.:-]{1,200}")
COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


class AlarmRefused(OpsError):
    """A value that cannot stand in the query of an alarm."""

    code = "alarm.query-refused"
    next_step = "Give letters, digits, and . _ : - alone where a parameter stands in the query of an alarm."


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing to ask: an `http` check, bad when it is not as expected, or a `prometheus` query, bad `when` so.

    It counts once it was bad for `for_s` seconds without a break; it is asked every `every_s`.
    """

    kind: Literal["http", "prometheus"]
    url: str
    query: str = ""
    when: str = ""
    expect: Mapping[str, Any] = field(default_factory=dict)
    for_s: int = 0
    every_s: int = 10

    @property
    def name(self) -> str:
        return f"{self.query} {self.when}" if self.kind == "prometheus" else self.url


@dataclass(frozen=True, slots=True)
class Said:
    """What one answer says: `value` in words, whether it is bad; `unasked` when nobody could be asked."""

    bad: bool
    value: str
    unasked: bool = False


def rendered(alarm: Alarm, scope: Mapping[str, Any]) -> dict[str, Any]:
    """An alarm as the plan names it: nothing of it is decided at run time. Raises AlarmRefused."""
    for path in expressions.names_used(alarm.query):
        value = scope["parameters"].get(path[1]) if path[0] == "parameters" and len(path) > 1 else scope["environment"]
        if not isinstance(value, str | int | float) or not PLAIN.fullmatch(str(value)):
            raise AlarmRefused(f"{'.'.join(path)} cannot stand in the query of an alarm.", pointer="/parameters")
    query = str(expressions.render(alarm.query, scope))
    common = {"kind": alarm.kind, "url": alarm.url, "for_s": alarm.for_s, "every_s": alarm.every_s}
    if alarm.kind == "prometheus":
        return {**common, "query": query, "when": alarm.when}
    return {**common, "expect": dict(alarm.expect)}


def planned(row: Mapping[str, Any]) -> Alarm:
    """An alarm back from the plan."""
    return Alarm(
        **{key: row[key] for key in ("kind", "url", "query", "when", "expect", "for_s", "every_s") if key in row}
    )


def request_of(alarm: Alarm) -> dict[str, Any]:
    """The input of the one request that asks it."""
    if alarm.kind == "http":
        return {"url": alarm.url, "expect": dict(alarm.expect)}
    return {
        "url": f"{alarm.url.rstrip('/')}/api/v1/query?query={quote(alarm.query, safe='')}",
        "expect": {"status": 200},
    }


def judged(alarm: Alarm, *, good: bool, output: Mapping[str, Any], message: str) -> Said:
    """What an answer says. `output` is that of the request, empty where nothing answered."""
    if "status" not in output:
        return Said(True, message or "no answer", unasked=True)
    if alarm.kind == "http":
        return Said(not good, f"{output['status']}" if good else message)
    if not good:
        return Said(True, message, unasked=True)
    value = _number(output.get("json"))
    if value is None:
        return Said(True, "the answer holds no single number", unasked=True)
    sign, limit = re.split(r" ?(?=-?[0-9])", alarm.when, maxsplit=1)
    return Said(math.isnan(value) or COMPARE[sign](value, float(limit)), f"{value:g}")


def _number(answer: Any) -> float | None:
    """The one value of an instant query: a scalar, or a vector of one sample."""
    data = answer.get("data") if isinstance(answer, Mapping) else None
    found = data.get("result") if isinstance(data, Mapping) else None
    if isinstance(data, Mapping) and data.get("resultType") == "vector":
        rows = found if isinstance(found, list) and len(found) == 1 else [{}]
        found = rows[0].get("value") if isinstance(rows[0], Mapping) else None
    if not isinstance(found, list) or len(found) != 2:
        return None
    try:
        return float(found[1])
    except (TypeError, ValueError):
        return None
