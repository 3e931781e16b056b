"""The tables of states know what may follow what."""

from __future__ import annotations

import pytest

from procedures.domain.states import (
    RUN_MOVES,
    TASK_MOVES,
    TERMINAL_RUN_STATES,
    TERMINAL_TASK_STATES,
    RunState,
    StateConflict,
    TaskState,
    require_move,
)


def test_waiting_run_may_go_back_into_the_queue() -> None:
    require_move(RUN_MOVES, RunState.WAITING, RunState.QUEUED, who="the gate")


def test_requested_run_cannot_run_without_its_queue() -> None:
    with pytest.raises(StateConflict, match=r"RunState requested cannot become running \(asked by a test\)"):
        require_move(RUN_MOVES, RunState.REQUESTED, RunState.RUNNING, who="a test")


@pytest.mark.parametrize("ended", sorted(TERMINAL_RUN_STATES))
def test_nothing_follows_a_terminal_run_state(ended: RunState) -> None:
    for state in RunState:
        with pytest.raises(StateConflict):
            require_move(RUN_MOVES, ended, state, who="a test")


@pytest.mark.parametrize("ended", sorted(TERMINAL_TASK_STATES))
def test_nothing_follows_a_terminal_task_state(ended: TaskState) -> None:
    for state in TaskState:
        with pytest.raises(StateConflict):
            require_move(TASK_MOVES, ended, state, who="a test")


def test_every_run_state_can_be_reached_from_requested() -> None:
    reached, ahead = {RunState.REQUESTED}, [RunState.REQUESTED]
    while ahead:
        following = RUN_MOVES.get(ahead.pop(), frozenset()) - reached
        reached |= following
        ahead += following
    assert reached == set(RunState)
