"""What an answer says of an alarm, and what may stand in a query."""

from __future__ import annotations

from typing import Any

import pytest

from procedures.domain import alarms
from procedures.domain.alarms import Alarm, AlarmRefused

pytestmark = pytest.mark.once
QUERY = Alarm("prometheus", "https://prometheus.example.com/", 'up{job="${{ parameters.job }}"}', "< 1")


def said(result: Any, kind: str = "vector", when: str = "> 0.05") -> tuple[bool, bool]:
    alarm = Alarm("prometheus", "https://p", "x", when)
    output = {"status": 200, "json": {"data": {"resultType": kind, "result": result}}}
    found = alarms.judged(alarm, good=True, output=output, message="")
    return found.bad, found.unasked


@pytest.mark.parametrize(
    ("result", "kind", "when", "bad", "unasked"),
    [
        ([{"value": [1, "0.05"]}], "vector", "> 0.05", False, False),
        ([{"value": [1, "0.06"]}], "vector", "> 0.05", True, False),
        ([{"value": [1, "-3"]}], "vector", "<= -3", True, False),
        ([1, "2"], "scalar", "!=2", False, False),
        ([{"value": [1, "+Inf"]}], "vector", "> 1", True, False),
        ([{"value": [1, "NaN"]}], "vector", "> 1", True, False),
        ([], "vector", "> 1", True, True),
        ([{"value": [1, "1"]}, {"value": [1, "2"]}], "vector", "> 1", True, True),
        ([{"value": [1, "x"]}], "vector", "> 1", True, True),
        ("lies", "vector", "> 1", True, True),
        ([{"values": []}], "matrix", "> 1", True, True),
        (None, "vector", "> 1", True, True),
    ],
)
def test_an_answer_is_good_bad_or_none(result: Any, kind: str, when: str, bad: bool, unasked: bool) -> None:
    assert said(result, kind, when) == (bad, unasked)


@pytest.mark.parametrize("json", [None, [], "x", {"data": None}, {"data": {"resultType": "vector"}}])
def test_what_is_no_answer_of_prometheus_counts_as_none(json: Any) -> None:
    found = alarms.judged(QUERY, good=True, output={"status": 200, "json": json}, message="")
    assert (found.bad, found.unasked) == (True, True)


def test_a_plain_value_may_stand_in_a_query_and_nothing_else() -> None:
    scope = {"parameters": {"job": "web-1.example:9100"}, "environment": "staging"}
    row = alarms.rendered(QUERY, scope)
    assert row["query"] == 'up{job="web-1.example:9100"}'
    asked = alarms.request_of(alarms.planned(row))
    assert asked["url"] == "https://prometheus.example.com/api/v1/query?query=up%7Bjob%3D%22web-1.example%3A9100%22%7D"
    for hostile in ('x"} or vector(0) #', "", "a b", "x" * 201, 'a"', ["a"], None):
        with pytest.raises(AlarmRefused):
            alarms.rendered(QUERY, {**scope, "parameters": {"job": hostile}})
