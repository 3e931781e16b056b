"""What a pack says of software: an effect in production that no person approved fails it (H38)."""

from __future__ import annotations

import pytest

from procedures.domain import software
from procedures.domain.canonical import canon
from procedures.domain.clock import now
from procedures.evidence import verify
from procedures.models import Person, Run
from procedures.runner.drive import drive
from procedures.services import approvals, plans
from tests.evidence.conftest import Log
from tests.factories.agents import new_agent
from tests.factories.portal import World

pytestmark = pytest.mark.once


@pytest.fixture
def bot(log: Log) -> Person:
    """An agent that may run hello in a production where nobody has to approve."""
    rules = {"name": "staging", "title": "S", "position": 2, "production": True, "drafts": False, "approvals": {}}
    rest = {"min_strength": "signed", "approval_expiry_s": 3600, "reason_required": True}
    log.world.confirmed("environment", {**rules, **rest})
    bot = new_agent(log.world, log.world.person("olga"))
    log.world.may(bot, "run", procedure="hello", environments=["staging"])
    return bot


def approved(world: World, run: Run) -> None:
    value = approvals.statement_for(actor=world.mira, run=run, verdict="approve", at=now())
    approvals.decide_run(
        actor=world.mira,
        run=run.pk,
        verdict="approve",
        plan_digest=run.plan_digest,
        comment="",
        signature=world.signed("mira", canon(value)),
        at=now(),
    )


def test_what_a_person_approved_stands(log: Log, bot: Person) -> None:
    run = log.world.ask(bot, environment="staging")
    approved(log.world, run)
    drive(run.pk)
    found = verify.verify(log.pack(), log.key)
    assert (found["verdict"], found["asserted"]) == ("SIGNED", [])


def test_what_no_person_approved_fails_the_pack(log: Log, bot: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """A portal that was changed so that software needs nobody, and whose exporter looks away."""
    for room in (plans, software):
        monkeypatch.setattr(room, "with_a_person", lambda needed, **_: dict(needed))
    run = log.world.ask(bot, environment="staging")
    drive(run.pk)
    run.refresh_from_db()
    assert run.state == "succeeded"
    with pytest.raises(verify.Failed, match="software had an effect in production that no person approved"):
        verify.verify(log.pack(careless=True), log.key)
