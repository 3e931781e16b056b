"""Who goes next, and what a run needs to itself: over all queues that fit, not over a few examples."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procedures.domain import holds
from procedures.domain.definition import Concurrency, Definition, Step, Targets, of_json
from procedures.domain.queue_order import GLASS, GROWS_AFTER, Head, order, urgency

pytestmark = pytest.mark.once
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TEAMS = st.sampled_from(["", "payments", "platform", "web"])
HEADS = st.lists(
    st.builds(
        Head,
        team=TEAMS,
        priority=st.integers(0, GLASS),
        since=st.integers(0, 3600).map(lambda s: NOW - timedelta(seconds=s)),
    ),
    min_size=1,
    max_size=12,
)
LOADS = st.dictionaries(TEAMS, st.integers(0, 9))
SHARES = st.dictionaries(TEAMS, st.integers(1, 9))


@given(heads=HEADS, running=LOADS, shares=SHARES)
def test_the_next_is_the_most_urgent_of_the_team_with_the_least_running_per_share(
    heads: list[Head], running: dict[str, int], shares: dict[str, int]
) -> None:
    first, *rest = order(heads, running, shares, NOW)
    assert Counter([first, *rest]) == Counter(heads)
    for other in rest:
        assert urgency(first, NOW) >= urgency(other, NOW)
        if urgency(first, NOW) == urgency(other, NOW):
            loads = [running.get(one.team, 0) / shares.get(one.team, 1) for one in (first, other)]
            assert loads[0] <= loads[1]
            assert loads[0] < loads[1] or first.since <= other.since


@given(heads=HEADS, running=LOADS, shares=SHARES)
def test_broken_glass_goes_before_everything(
    heads: list[Head], running: dict[str, int], shares: dict[str, int]
) -> None:
    glass = Head("web", GLASS, NOW)
    first = order([*heads, glass], running, shares, NOW)[0]
    assert first.priority == GLASS


@given(
    slots=st.integers(1, 4),
    shares=SHARES,
    lengths=st.lists(st.integers(1, 5), min_size=4, max_size=4),
    urgent=st.sampled_from(["payments", "web"]),
)
def test_no_team_starves_though_every_other_one_always_has_something_more_urgent(
    slots: int, shares: dict[str, int], lengths: list[int], urgent: str
) -> None:
    """Each team asks without end, one of them always with high priority; every minute ended runs make room."""
    teams = ["", "payments", "platform", "web"]
    lasts = dict(zip(teams, lengths, strict=True))
    since = dict.fromkeys(teams, NOW)
    busy: list[tuple[str, int]] = []
    served: Counter[str] = Counter()
    for minute in range(120):
        at = NOW + timedelta(minutes=minute)
        busy = [(team, until) for team, until in busy if until > minute]
        while len(busy) < slots:
            heads = [Head(team, 2 if team == urgent else 1, since[team]) for team in teams]
            load = Counter(team for team, _ in busy)
            team = order(heads, load, shares, at)[0].team
            busy.append((team, minute + lasts[team]))
            since[team] = at
            served[team] += 1
    assert min(served[team] for team in teams) >= 2


def test_waiting_makes_more_urgent_but_never_as_urgent_as_broken_glass() -> None:
    assert [urgency(Head("", 0, NOW - GROWS_AFTER * n), NOW) for n in range(4)] == [0, 1, 2, 2]
    assert urgency(Head("", 1, NOW + GROWS_AFTER), NOW) == 1, "a clock that went back takes nothing away"


@given(mine=st.integers(1, 5), others=st.lists(st.sampled_from([1, 2, 3, holds.MANY]), max_size=6))
def test_a_name_is_full_when_one_more_is_too_many_for_anybody_who_holds_it(mine: int, others: list[int]) -> None:
    assert holds.full(mine, others) is any(len(others) + 1 > most for most in [mine, *others])


def definition(kind: str = "operation", action: str = "ssh:command", lock: str = "", **more: object) -> Definition:
    value = {
        "name": "x",
        "title": "x",
        "description": "",
        "owner": "x",
        "type": kind,
        "risk": "low",
        "parameters": {},
        "steps": [],
        **more,
    }
    made = of_json({**value, "targets": {"filter": "a=b", "strategy": {}, **({"lock": lock} if lock else {})}})
    object.__setattr__(made, "steps", (Step("s", "s", action, {}),))
    return made


@pytest.mark.parametrize(
    ("made", "lock"),
    [
        (definition(), "exclusive"),
        (definition("diagnostic"), "none"),
        (definition(action="local:command"), "none"),
        (definition(lock="shared"), "shared"),
        (definition(lock="none"), "none"),
        (definition("diagnostic", lock="exclusive"), "exclusive"),
    ],
)
def test_what_acts_on_targets_locks_them_unless_its_author_says_otherwise(made: Definition, lock: str) -> None:
    """Versions of before, whose stored definition does not know the word, have the default."""
    assert isinstance(made.targets, Targets)
    assert holds.lock_of(made, lambda action: action.startswith("ssh:")) == lock


def test_a_group_of_before_is_what_it_was_and_a_shared_one_belongs_to_nobody() -> None:
    assert Concurrency("restart") == Concurrency("restart", "queue", 1, "")
    old = definition(concurrency={"group": "restart", "on_conflict": "reject"})
    assert holds.group_of(old, "production", "restart") == "production/x/restart"
    shared = definition(concurrency={"group": "", "shared": "db"})
    assert holds.group_of(shared, "production", "") == "production//db/"
