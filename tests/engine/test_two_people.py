"""Two people are enough for everything, one is not: without break-glass, on every door."""

from __future__ import annotations

from pathlib import Path

import pytest

from procedures.domain.canonical import canon
from procedures.domain.clock import now
from procedures.evidence import verify
from procedures.evidence.models import Event
from procedures.models import Person, Run
from procedures.runner.drive import drive
from procedures.services import approvals, controls, versions
from procedures.services.runs import NotRunnable
from procedures.services.unit import SecondPersonRequired
from tests.evidence.conftest import Log
from tests.factories.portal import World

YAML = b"""\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: clear-cache}
spec:
  owner: group:default/x
  type: operation
  risk: low
  environments: [production]
  timeout: 1m
  steps:
    - {id: clear, action: "local:command", timeout: 10s, input: {argv: [echo, cleared]}}
"""


def both(world: World, other: Person, control: str, object: dict[str, object]) -> None:
    """Proposed by Mira and, where the profile asks for it, confirmed by the other."""
    change = world.propose(control, object)
    if change.state != "confirmed":
        controls.confirm(
            actor=other, change=change.id, signature=world.signed(other.username, bytes(change.statement)), at=now()
        )


def furnished(world: World) -> Person:
    """Jonas beside Mira: enrolled, granted and given a duty by her, as she was by nobody but the link."""
    jonas = world.person("jonas", key=True)
    world.may(jonas, "manage_access", "operate", "author", "approve", "view")
    both(world, jonas, "duty", {"principal": f"person:{jonas.subject}", "duty": "operations", "action": "add"})
    both(
        world,
        jonas,
        "environment",
        {
            "name": "production",
            "title": "Production",
            "position": 3,
            "production": True,
            "drafts": False,
            "approvals": {"low": {"operations": 1}},
            "min_strength": "signed",
            "approval_expiry_s": 3600,
            "reason_required": True,
        },
    )
    return jonas


def approved(world: World, approver: Person, run: Run) -> None:
    value = approvals.statement_for(actor=approver, run=run, verdict="approve", at=now())
    approvals.decide_run(
        actor=approver,
        run=run.id,
        verdict="approve",
        plan_digest=run.plan_digest,
        comment="",
        signature=world.signed(approver.username, canon(value)),
        at=now(),
    )


def test_two_accounts_reach_an_approved_production_run(world: World, tmp_path: Path) -> None:
    from procedures.evidence.notes import load_key
    from procedures.evidence.sequence import Sequencer

    jonas = furnished(world)
    version = versions.submit_version(actor=jonas, files={"procedure.yaml": YAML, "README.md": b"x"}, note="", at=now())
    world.review(world.mira, version, "operations", signed=True)
    run = world.ask(world.mira, procedure="clear-cache", environment="production")
    assert run.state == "awaiting_approval"
    approved(world, jonas, run)
    drive(run.id)
    run.refresh_from_db()
    assert run.state == "succeeded", run.message
    assert not Event.objects.filter(kind__startswith="break_glass").exists()
    log = Log(world, Sequencer(load_key(tmp_path / "log.key", "test/log"), tmp_path / "log.published"), run)
    found = verify.verify(log.pack(), log.key)
    assert (found["verdict"], found["asserted"]) == ("SIGNED", [])


def test_one_account_is_refused_at_each_door(world: World) -> None:
    mira = world.mira
    version = versions.submit_version(actor=mira, files={"procedure.yaml": YAML, "README.md": b"x"}, note="", at=now())
    with pytest.raises(SecondPersonRequired):
        world.review(mira, version, "operations", signed=True)
    with pytest.raises(NotRunnable):
        world.ask(mira, procedure="clear-cache", environment="production")
    with pytest.raises(SecondPersonRequired):
        controls.propose(
            actor=mira,
            control="duty",
            object={"principal": f"person:{mira.subject}", "duty": "security", "action": "add"},
            signature=None,
            at=now(),
        )
    change = world.propose("profile", {"profile": "separate"})
    assert change.state == "proposed"
    with pytest.raises(SecondPersonRequired):
        controls.confirm(
            actor=mira, change=change.id, signature=world.signed("mira", bytes(change.statement)), at=now()
        )


def test_one_account_cannot_approve_what_it_asked_for(world: World) -> None:
    jonas = furnished(world)
    version = versions.submit_version(actor=jonas, files={"procedure.yaml": YAML, "README.md": b"x"}, note="", at=now())
    world.review(world.mira, version, "operations", signed=True)
    run = world.ask(world.mira, procedure="clear-cache", environment="production")
    with pytest.raises(SecondPersonRequired):
        approved(world, world.mira, run)
