"""What was asked for at a run's launch: sealed for that run, and gone with it however it ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from procedures.domain.canonical import parse
from procedures.domain.clock import now
from procedures.domain.sealing import WillNotOpen
from procedures.issuer.sealed import secrets_of_run
from procedures.models import Run
from procedures.runner.drive import stock_here
from procedures.services import endings
from procedures.services.continuing import NothingToGoOnWith
from procedures.services.launch_secrets import forget_secrets
from tests.engine.going_on import SAFE, Story, driven, failed, lost, on, quorum, row, story
from tests.engine.test_runs import procedure
from tests.engine.test_strategies import town
from tests.factories.portal import World

pytestmark = pytest.mark.ordinary
__all__ = ["story", "town"]
VALUE = "hunter22-hunter22"


@pytest.fixture
def ask(world: World) -> Callable[..., Run]:
    def asked(*rows: str, name: str = "whole", value: str = VALUE) -> Run:
        quinn = procedure(world, name, *rows)
        return world.ask(quinn, procedure=name, secrets={"token": value})

    return asked


def left(run: Run) -> dict[str, object]:
    """Their sealed values as the database holds them after the sweeper's round."""
    forget_secrets(at=now())
    run.refresh_from_db()
    return dict(run.sealed_secrets)


def test_they_are_gone_with_a_good_end_and_with_a_cancel(ask: Callable[..., Run], story: Story, world: World) -> None:
    run = ask(row("a"))
    assert run.sealed_secrets
    assert driven(run).state == "succeeded"
    assert not run.sealed_secrets, "in the very transaction that ended it"
    other = world.ask(run.requester, procedure="whole", secrets={"token": VALUE})
    endings.cancel_run(actor=run.requester, run=other.pk, reason="no", at=now())
    other.refresh_from_db()
    assert (other.state, other.sealed_secrets) == ("canceled", {})


def test_they_are_gone_where_nobody_decides_in_time(ask: Callable[..., Run], story: Story, world: World) -> None:
    quorum(world)
    run = ask(row("a"))
    assert run.state == "awaiting_approval"
    assert run.sealed_secrets
    endings.expire_overdue(at=now() + timedelta(days=2))
    run.refresh_from_db()
    assert (run.state, run.sealed_secrets) == ("expired", {})


def test_after_a_lost_runner_they_go_at_once_unless_somebody_may_go_on(ask: Callable[..., Run], story: Story) -> None:
    assert not left(lost(ask(row("a"), row("b")), story, "b")), "b cannot be done twice: nobody goes on"
    run = lost(ask(row("a"), row("b", SAFE), name="safe"), story, "b")
    assert left(run), "it goes on"
    later = on(run)
    assert left(run), "the one that goes on may still be denied"
    assert driven(later).state == "succeeded"
    assert not later.sealed_secrets
    assert not left(run)


def test_after_a_failure_too_and_an_hour_later_in_any_case(ask: Callable[..., Run], story: Story) -> None:
    assert not left(failed(ask(row("a"), row("b")), story, "b"))
    run = failed(ask(row("a"), row("b", SAFE), name="safe"), story, "b")
    assert left(run)
    assert forget_secrets(at=now() + timedelta(minutes=61)) == 1
    run.refresh_from_db()
    assert not run.sealed_secrets
    with pytest.raises(NothingToGoOnWith, match="asked for at the launch of run"):
        on(run)


def test_one_that_was_sealed_for_another_run_opens_for_none(
    ask: Callable[..., Run], story: Story, world: World
) -> None:
    """Whoever writes to the database moves the value of one run into another: its plan holds another mark."""
    mine = ask(row("a"))
    other = world.ask(mine.requester, procedure="whole", secrets={"token": VALUE})
    assert parse(bytes(mine.plan))["secrets"] != parse(bytes(other.plan))["secrets"], "salted: the same value differs"
    Run.objects.filter(pk=mine.pk).update(sealed_secrets=other.sealed_secrets)
    mine.refresh_from_db()
    with pytest.raises(WillNotOpen):
        secrets_of_run(stock_here().keys, mine)
    assert secrets_of_run(stock_here().keys, other)["token"].reveal().decode() == VALUE
