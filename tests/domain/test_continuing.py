"""What stands of an ended run, by its plan and its tasks alone."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest

from procedures.domain.continuing import Ended, left_over, place, same_work, unsafe

pytestmark = pytest.mark.once
TARGETS = ["web-1", "web-2", "web-3"]


def step(id: str, *labels: str, phase: str = "steps", action: str = "ssh:script", safe: bool = False) -> dict[str, Any]:
    row: dict[str, Any] = {"id": id, "phase": phase, "action": action, "effects": [{"targets": list(labels)}]}
    return row | ({"idempotent": True} if safe else {})


def plan(*steps: dict[str, Any], batches: list[list[str]] | None = None, **more: Any) -> dict[str, Any]:
    targets = [{"name": name} for name in TARGETS]
    return {"steps": list(steps), "targets": targets, "batches": batches or [TARGETS], **more}


def done(id: str, *labels: str, batch: int = 0, state: str = "succeeded", phase: str = "steps") -> list[Ended]:
    return [Ended(phase, id, batch, label, state) for label in labels or ("",)]


def again(value: dict[str, Any], *rows: list[Ended], **more: Any) -> list[tuple[str, str]]:
    return [(one.step, one.target) for one in left_over(value, chain(*rows), **more).again]


def test_what_succeeded_stands_and_what_did_not_is_owed() -> None:
    value = plan(step("a", *TARGETS), step("b", *TARGETS))
    assert again(value, done("a", *TARGETS), done("b", "web-1"), done("b", "web-2", state="interrupted")) == [
        ("b", "web-2")
    ]


def test_a_target_whose_branch_began_before_its_steps_were_done_is_owed_whole() -> None:
    value = plan(step("a", *TARGETS), step("b", *TARGETS), step("tidy", *TARGETS, phase="always"))
    rows = (done("a", *TARGETS), done("b", "web-1", "web-3"), done("b", "web-2", state="failed"))
    found = again(value, *rows, done("tidy", *TARGETS, phase="always"))
    assert sorted(found) == [("a", "web-2"), ("b", "web-2"), *(("tidy", name) for name in TARGETS)]


def test_a_branch_that_was_lost_after_all_steps_were_done_is_owed_alone() -> None:
    value = plan(step("a", *TARGETS), step("tidy", *TARGETS, phase="always"))
    rows = (done("a", *TARGETS), done("tidy", "web-1", phase="always"))
    assert again(value, *rows, done("tidy", "web-2", state="interrupted", phase="always")) == [("tidy", "web-2")]


def test_batches_that_are_over_stand_with_their_branches() -> None:
    value = plan(step("a", *TARGETS), step("tidy", *TARGETS, phase="always"), batches=[[name] for name in TARGETS])
    first = (done("a", "web-1"), done("tidy", "web-1", phase="always"))
    assert again(value, *first, done("a", "web-2", batch=1, state="interrupted")) == [("a", "web-2")]


def test_what_happens_once_is_owed_where_a_branch_may_have_undone_it() -> None:
    value = plan(step("lock", ""), step("a", *TARGETS), step("unlock", "", phase="always"))
    rows = (done("lock"), done("a", "web-1", "web-2"), done("a", "web-3", state="failed"))
    found = again(value, *rows, done("unlock", phase="always"))
    assert ("lock", "") in found
    assert ("a", "web-1") not in found


def test_a_gate_owes_nothing_and_a_call_that_ended_well_stands_with_all_in_it() -> None:
    value = plan(
        step("ask", "", action="gate:approval"),
        step("call", "", action="procedure:run"),
        step("call/x", ""),
        calls=[{"at": "call/", "batches": [[]]}],
    )
    inner = done("call/x", state="failed")
    assert again(value, done("call"), inner) == []
    assert again(value, inner) == [("call/x", "")]


def test_files_of_a_workspace_that_is_gone_are_made_again() -> None:
    value = plan(step("fetch", "", action="fetch:template"), step("push", "", action="publish:github"))
    rows = (done("fetch"), done("push", state="interrupted"))
    assert again(value, *rows, shares={"fetch:template", "publish:github"}) == [("fetch", ""), ("push", "")]


def test_safe_is_what_is_declared_or_never_touched_anything() -> None:
    value = plan(step("a", *TARGETS), step("b", *TARGETS, safe=True), step("c", *TARGETS))
    rows = [*done("a", *TARGETS, state="unreachable"), *done("b", "web-1", state="failed")]
    left = left_over(value, rows)
    assert unsafe(value, left, failed=False) == []
    assert unsafe(value, left, failed=True) == [("a", ""), ("c", "")]


def test_two_plans_are_the_same_work_whoever_asked_and_whatever_number_they_have() -> None:
    one = plan(step("a", *TARGETS), run="1", no=1, requester="x")
    other = one | {"run": "2", "no": 2, "requester": "y", "continues": {"run": "1"}}
    assert same_work(one, other)
    assert not same_work(one, other | {"targets": []})


def test_a_target_is_placed_where_the_new_plan_has_it() -> None:
    value = plan(step("a"), batches=[["web-2"], ["web-1"]], calls=[{"at": "c/", "batches": [["x"], ["web-2"]]}])
    assert [place(value, "a", "web-1"), place(value, "a", ""), place(value, "c/b", "web-2")] == [1, 0, 1]
