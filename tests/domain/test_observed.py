"""Declared against seen: what nobody could see is never called unused, and less is never more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procedures.domain import filters, narrower
from procedures.domain.definition import CredentialNeed, Definition, Step, Targets
from procedures.domain.observed import FLOOR, Did, Line, Ran, Record, Told, observed

AT = datetime(2026, 11, 1, tzinfo=UTC)
HOST, OTHER = "api.example.com:443", "old.example.com:443"
STEP = Step("call", "Call", "local:script", {"script": "a.sh", "egress": [HOST, OTHER]}, credentials=("keys",))
ASK = Step("ask", "Ask", "sql:query", {"query": "SELECT 1", "writes": True}, condition="${{ parameters.x }}")
NOW = Definition(
    name="p",
    title="P",
    description="",
    owner="x",
    type="operation",
    risk="low",
    environments=("staging", "production"),
    steps=(STEP, ASK),
    parameters={},
    credentials={"keys": CredentialNeed("keys", "aws", {}, 600), "spare": CredentialNeed("spare", "aws", {}, 600)},
)
TOLD = Told(NOW, "files")
GOOD = {"network": "listed", "hosts": [HOST], "credential": "placed"}


def lines(
    count: int,
    seen: dict[str, Any],
    *,
    own: bool = False,
    then: Told = TOLD,
    good: bool = True,
    step: str = "call",
    more: tuple[dict[str, Any], ...] = (),
) -> dict[tuple[str, str], Line]:
    """The lines after so many runs in staging of which each was seen to use that."""
    version = uuid4()
    runs = [Ran(uuid4(), version, "staging", AT + timedelta(hours=n), own) for n in range(count)]
    did = [Did(run.id, step, "", good, seen) for run in runs]
    extra = Ran(uuid4(), version, "staging", AT, own=True)
    did += [Did(extra.id, step, "", good, one) for one in more]
    record = Record.of(TOLD, {version: then}, [*runs, *([extra] if more else [])], did)
    return {(one.kind, one.what): one for one in observed(record, [])}


def test_a_host_is_unused_once_enough_runs_came_to_its_very_step() -> None:
    for count, verdict in ((FLOOR - 1, "few"), (FLOOR, "unused")):
        found = lines(count, GOOD)
        assert (found["host", HOST].verdict, found["host", OTHER].verdict) == ("used", verdict)
        assert found["host", OTHER].cut is (verdict == "unused")
    assert lines(FLOOR, GOOD)["host", OTHER].runs == FLOOR


@pytest.mark.parametrize(
    "how",
    [
        {"own": True},
        {"good": False},
        {"then": Told(NOW, "other files")},
        {"then": Told(replace(NOW, steps=(replace(STEP, timeout_s=9), ASK)), "files")},
        {"seen": {"network": "all"}},
        {"seen": {**GOOD, "hosts_more": 3}},
        {"seen": {}},
    ],
    ids=["its authors", "failed", "other programs", "another step", "unseen", "cut off", "nothing said"],
)
def test_runs_that_prove_nothing_make_nothing_unused(how: dict[str, Any]) -> None:
    """An author who runs it often on a harmless way, an older script, a runner that says nothing."""
    found = lines(4 * FLOOR, how.pop("seen", GOOD), **how)
    assert found["host", OTHER].verdict != "unused"
    assert not found["host", OTHER].cut


def test_use_by_anybody_counts_even_once_and_even_where_it_failed() -> None:
    once = {"network": "listed", "hosts": [OTHER]}
    assert lines(FLOOR, GOOD, more=(once,))["host", OTHER].verdict == "used"


def test_a_credential_that_lay_there_is_neither_used_nor_unused() -> None:
    assert lines(3 * FLOOR, GOOD)["credential", "keys"].verdict == "unseen"
    away = lines(FLOOR, {"network": "listed", "credential": "not used"})["credential", "keys"]
    assert (away.verdict, away.cut) == ("unused", True)
    mixed = lines(FLOOR, {"network": "listed", "credential": "not used"}, more=({"credential": "unknown"},))
    assert mixed["credential", "keys"].verdict == "unseen"
    assert lines(0, GOOD)["credential", "spare"].cut, "no step names it"


def test_a_step_that_never_ran_is_idle_and_stays() -> None:
    """What a condition, a rollback or an `always` holds back is no unused right."""
    found = lines(3 * FLOOR, GOOD)["writes", "writes"]
    assert (found.verdict, found.cut) == ("idle", False)
    told = lines(FLOOR, {"credential": "used", "wrote": False}, step="ask")["writes", "writes"]
    assert (told.verdict, told.cut) == ("unused", True)
    silent = lines(FLOOR, {"credential": "used"}, step="ask")["writes", "writes"]
    assert silent.verdict == "unseen"


def test_an_environment_without_a_run_may_go_while_another_stays() -> None:
    found = lines(FLOOR, GOOD)
    assert (found["environment", "production"].cut, found["environment", "staging"].cut) == (True, False)
    assert not lines(FLOOR - 1, GOOD)["environment", "production"].cut


@dataclass(frozen=True)
class Host:
    name: str
    tags: dict[str, str]


TAGS = st.dictionaries(st.sampled_from(["role", "site", "tier"]), st.sampled_from(["a", "b", 'c"d', "e f"]), max_size=3)
HOSTS = st.lists(TAGS, max_size=8).map(lambda rows: [Host(f"h{n}", tags) for n, tags in enumerate(rows)])
TEXTS = st.sampled_from(
    ["*", "role=a", "role=a or site=b", "not tier=a", "role=a site=b", "role!=b (tier=a or tier=b)"]
)


@given(TEXTS, HOSTS, HOSTS, st.data())
def test_a_narrower_filter_never_lets_another_target_in(
    text: str, reach: list[Host], others: list[Host], data: st.DataObject
) -> None:
    used = set(data.draw(st.lists(st.sampled_from([h.name for h in reach]), max_size=4))) if reach else set()
    inside = [host for host in reach if filters.parse(text).bind({}).matches(host)]
    less = narrower.filter_of(text, used, inside)
    if not less:
        return
    assert narrower.within(less, text)
    for host in [*reach, *others]:
        if filters.parse(less).bind({}).matches(host):
            assert filters.parse(text).bind({}).matches(host)
    kept = {host.name for host in inside if filters.parse(less).bind({}).matches(host)}
    assert used & {host.name for host in inside} <= kept < {host.name for host in inside}


@pytest.mark.parametrize(
    "wide", ["*", "role=a or site=b", "role=b", "role=a or (role=a site=b)", "not (role=a site=b)", "site=b"]
)
def test_a_filter_that_lets_more_in_is_not_within(wide: str) -> None:
    assert not narrower.within(wide, "role=a site=b")
    assert not narrower.within("", "role=a")


CUTS = st.sampled_from(
    [("environment", "", "staging"), ("credential", "", "keys"), ("host", "call", OTHER), ("writes", "ask", "writes")]
)


@given(st.lists(CUTS, max_size=4, unique=True))
def test_a_definition_without_lines_holds_nothing_that_it_did_not_hold(cuts: list[tuple[str, str, str]]) -> None:
    found = NOW
    for kind, step, what in cuts:
        found = narrower.without(found, kind, step, what)
    assert set(found.environments) <= set(NOW.environments)
    assert set(found.credentials) <= set(NOW.credentials)
    for old, new in zip(NOW.steps, found.steps, strict=True):
        assert set(new.credentials) <= set(old.credentials)
        assert set(new.input.get("egress", ())) <= set(old.input.get("egress", ()))
        assert new.input.get("writes", False) <= old.input.get("writes", False)
        assert "network" not in new.input
        assert replace(new, input={}, credentials=()) == replace(old, input={}, credentials=())


def test_a_filter_that_widens_is_no_cut() -> None:
    there = replace(NOW, targets=Targets("role=a"))
    with pytest.raises(narrower.NotACut):
        narrower.without(there, "targets", "", "role=a", "*")
    assert narrower.without(there, "targets", "", "role=a", "role=a site=b").targets == Targets("role=a site=b")


GRANT: dict[str, Any] = {
    "principal": "person:x",
    "verbs": ["view", "run"],
    "environments": ["staging", "production"],
    "not_before": "2026-11-01T00:00:00.000000Z",
    "expires_at": "2026-12-01T00:00:00.000000Z",
    "reason": "r",
}


@pytest.mark.parametrize(
    "more",
    [
        {"principal": "person:y"},
        {"verbs": ["view", "run", "approve"]},
        {"environments": []},
        {"environments": ["staging", "development"]},
        {"expires_at": "2026-12-01T00:00:00.000001Z"},
        {"selector": ["web"]},
        {"window": {}},
        {"target_filter": "*"},
        {"procedure": "other"},
        {"constraint": {"properties": {}}},
    ],
)
def test_a_grant_that_gives_anything_more_is_wider(more: dict[str, Any]) -> None:
    old = {**GRANT, "procedure": "p", "target_filter": "role=a", "constraint": {"properties": {"x": {"const": 1}}}}
    assert narrower.wider(old, {**old, **more})
    assert not narrower.wider(old, old)


def test_a_grant_that_gives_less_is_not_wider() -> None:
    less = {**GRANT, "verbs": ["run"], "environments": ["staging"], "procedure": "p", "target_filter": "role=a"}
    assert not narrower.wider(GRANT, less | {"constraint": {"properties": {"x": {"const": 1}}}})
    assert not narrower.wider({**GRANT, "environments": []}, GRANT)


def test_the_digest_names_exactly_what_was_seen() -> None:
    from procedures.domain.observed import Observation

    base = Observation("p", "sha256:v", AT, AT, 3, 0, partial=False, lines=tuple(lines(3, GOOD).values()))
    assert base.digest == replace(base, called=1).digest
    assert base.digest != replace(base, runs=4).digest
    assert base.digest != replace(base, lines=base.lines[1:]).digest
    assert narrower.marked(f"Narrowed, observation {base.digest}.") == base.digest
    assert narrower.marked("observation sha256:abc") == ""
