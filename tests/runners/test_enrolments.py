"""Runners that come and go after installation; an attacker with the database or a runner's key gets nothing."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from procedures.domain.canonical import canon
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed
from procedures.domain.ids import uuid7
from procedures.domain.lending import Open
from procedures.domain.runners import fingerprint, is_card
from procedures.domain.statements import StatementMismatch
from procedures.evidence.models import Event
from procedures.issuer.keys import pool_key
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.issuer.runners import judge_runner, proved_by
from procedures.models import Claim, LeaseRecord, Notice, Person, PoolKey, PortalSetting, Run, Runner
from procedures.queries import runners
from procedures.services import claims, controls, endings
from procedures.services.holding import hold_part, holder_of
from procedures.services.runner_reports import still_mine
from tests.factories.machines import Machine
from tests.factories.portal import World
from tests.factories.transitions import unevidenced

pytestmark = pytest.mark.ordinary


def judged(machine: Machine, environment: str = "development") -> None:
    judge_runner(replay(), machine.me.id, environment, proved_by(machine.me.sign), asked=Open(uuid4(), uuid4()))


def refusals(run: Run) -> list[Event]:
    return list(Event.objects.filter(run=run.pk, kind="run.claim_refused"))


def test_a_runner_is_enrolled_by_two_people_then_works_and_everybody_in_security_is_told(
    world: World, machine: Machine, run: Run
) -> None:
    assert is_card(machine.card)
    assert "seed" not in str(machine.card), "the private half stays on its machine"
    change = world.propose("runner", machine.object)
    assert change.state == "proposed"
    with pytest.raises(LeaseRefused, match="nobody enrolled it"):
        judged(machine)
    nora = Person.objects.get(username="nora")
    controls.confirm(actor=nora, change=change.id, signature=world.signed("nora", bytes(change.statement)), at=now())
    judged(machine)
    claimed = claims.claim_run(run=run.pk, runner=machine.row, at=now())
    assert claimed is not None
    assert Notice.objects.filter(kind="runner.enrolled", person=world.mira).exists()
    (mine,) = [one for one in runners.listed(world.mira, now()) if one.row.pk == machine.me.id]
    assert (mine.state, mine.busy, mine.fingerprint) == ("new", 1, fingerprint(machine.me.public))


def test_whoever_does_not_operate_enrols_and_ends_nothing(world: World, machine: Machine) -> None:
    tom = world.person("tom", key=True)
    for control, object in (
        ("runner", machine.object),
        ("runner_end", {"runner": str(Runner.objects.get(disposable=False).pk), "reason": "mine"}),
    ):
        with pytest.raises(NotAllowed):
            world.propose(control, object, by=tom)


def test_a_card_that_was_altered_on_its_way_enrols_somebody_elses_key_under_no_signature_of_ours(
    world: World, machine: Machine, tmp_path: Path
) -> None:
    """What is signed is the key itself: the fingerprint differs from what the machine printed, and it gets nothing."""
    thief = Machine(tmp_path / "thief")
    altered = {**machine.object, "public": thief.card["public"]}
    assert fingerprint(altered["public"]) != fingerprint(machine.card["public"])
    statement = canon(controls.statement_for(actor=world.mira, control="runner", object=machine.object))
    signature = world.signed("mira", statement)
    with pytest.raises(StatementMismatch):
        controls.propose(actor=world.mira, control="runner", object=altered, signature=signature, at=now())
    world.confirmed("runner", altered)
    assert not Runner.objects.filter(pk=machine.me.id, public=machine.me.public).exists()
    with pytest.raises(LeaseRefused, match="does not hold the key"):
        judged(machine)


def test_a_row_that_was_forged_by_sql_claims_nothing_and_gets_no_credential(
    world: World, machine: Machine, run: Run
) -> None:
    """Once without an event, once pointing at the enrolment of another runner."""
    honest = Runner.objects.get(disposable=False)
    for event in (None, honest.event):
        Runner.objects.filter(pk=machine.me.id).delete()
        Runner.objects.create(
            id=machine.me.id,
            name="evil",
            public=machine.me.public,
            environments=["development", "production"],
            event=event,
            enrolled_at=now(),
        )
        assert claims.claim_run(run=run.pk, runner=machine.row, at=now()) is None
    run.refresh_from_db()
    assert run.state == "queued", "and it denies nobody's run by asking for it"
    assert len(refusals(run)) == 1, "however often it asks"
    assert Notice.objects.filter(kind="runner.refused", person=world.mira).count() == 1
    with pytest.raises(LeaseRefused, match="nobody enrolled it"):
        judged(machine)


def test_a_runner_that_widens_its_own_row_claims_nothing(world: World, machine: Machine, run: Run) -> None:
    staging = {**machine.object, "environments": ["staging"]}
    world.confirmed("runner", staging)
    assert claims.claim_run(run=run.pk, runner=machine.row, at=now()) is None
    Runner.objects.filter(pk=machine.me.id).update(environments=["staging", "development"], zones=["dmz"])
    assert claims.claim_run(run=run.pk, runner=machine.row, at=now()) is None
    run.refresh_from_db()
    assert run.state == "queued"
    with pytest.raises(LeaseRefused, match="another pool"):
        judged(machine)
    honest = Runner.objects.exclude(pk=machine.me.id).get(disposable=False)
    assert claims.claim_run(run=run.pk, runner=honest, at=now()) is not None


def test_an_ended_runner_loses_what_it_holds_and_may_not_go_on(world: World, machine: Machine, run: Run) -> None:
    world.confirmed("runner", machine.object)
    claimed = claims.claim_run(run=run.pk, runner=machine.row, at=now())
    assert claimed is not None
    with unevidenced():
        lease = LeaseRecord.objects.create(
            id=uuid7(),
            run=run,
            step="s",
            attempt=1,
            credential="c",
            provider="ssh-key",
            state="issued",
            intended_at=now(),
        )
    change = world.propose("runner_end", {"runner": str(machine.me.id), "reason": "stolen from the rack"})
    assert change.state == "confirmed", "one person ends it at once"
    for write in (claims.hold, hold_part, holder_of):
        with pytest.raises(claims.ClaimLost, match="was ended"):
            write(run.pk, claimed.token)
    with pytest.raises(claims.ClaimLost):
        claims.beat(run=run.pk, token=claimed.token)
    assert endings.interrupt_lost(at=now(), deaf=True) == [run.pk], "silence proves nothing then, an end does"
    run.refresh_from_db()
    lease.refresh_from_db()
    assert (run.state, run.message, lease.state) == (
        "interrupted",
        "Its runner was ended: the outcome is unknown.",
        "revoked",
    )
    assert not Claim.objects.filter(run=run).exists()
    with pytest.raises(LeaseRefused, match="it was ended"):
        judged(machine)
    assert still_mine(runner=machine.me.id, process="x") == "This runner was ended."
    assert Notice.objects.filter(kind="runner.ended", person=world.mira).exists()
    (mine,) = [one for one in runners.listed(world.mira, now()) if one.row.pk == machine.me.id]
    assert (mine.state, mine.replace) == ("ended", ["development"])
    another = world.ask(run.requester)
    assert claims.claim_run(run=another.pk, runner=machine.row, at=now()) is None
    Runner.objects.filter(pk=machine.me.id).update(ended_at=None)
    with pytest.raises(LeaseRefused, match="it was ended"):
        judged(machine)


def test_what_an_ended_runner_still_holds_by_sql_is_interrupted_by_the_sweeper(
    world: World, machine: Machine, run: Run
) -> None:
    world.confirmed("runner", machine.object)
    assert claims.claim_run(run=run.pk, runner=machine.row, at=now()) is not None
    Runner.objects.filter(pk=machine.me.id).update(ended_at=now())
    assert endings.interrupt_lost(at=now()) == [run.pk]


def test_a_key_is_one_runners_and_an_ended_one_never_comes_back(world: World, machine: Machine, tmp_path: Path) -> None:
    world.confirmed("runner", machine.object)
    twin = {**machine.object, "runner": str(uuid7()), "name": "twin"}
    with pytest.raises(InvalidInput, match="is the key of another runner"):
        world.propose("runner", twin)
    with pytest.raises(InvalidInput, match="is the name of another runner"):
        world.propose("runner", {**Machine(tmp_path / "third").object, "name": machine.card["name"]})
    with pytest.raises(InvalidInput, match="is not the key with which"):
        world.propose("runner", {**machine.object, "public": Machine(tmp_path / "fourth").card["public"]})
    world.propose("runner_end", {"runner": str(machine.me.id), "reason": "put away"})
    with pytest.raises(InvalidInput, match="was ended"):
        world.propose("runner", machine.object)
    with pytest.raises(InvalidInput, match="was: each runner makes a key"):
        world.propose("runner", twin)
    with pytest.raises(InvalidInput, match="no such living runner"):
        world.propose("runner_end", {"runner": str(machine.me.id), "reason": "again"})


def test_a_second_process_with_the_same_key_takes_over_and_the_first_one_hears_of_it(world: World) -> None:
    row = Runner.objects.get(disposable=False)
    Runner.objects.filter(pk=row.pk).update(reported={"process": "second"})
    assert "Another process began" in still_mine(runner=row.pk, process="first")
    assert still_mine(runner=row.pk, process="second") == ""


def test_the_first_runner_of_a_new_environment_brings_its_pool_and_a_further_one_brings_the_same(
    world: World, tmp_path: Path
) -> None:
    rules = {"name": "lab", "title": "Lab", "position": 4, "production": False, "drafts": False, "approvals": {}}
    rules |= {"min_strength": "session", "approval_expiry_s": 3600, "reason_required": False, "tier": "B"}
    world.confirmed("environment", rules)
    without = Machine(tmp_path / "without", "lab")
    with pytest.raises(InvalidInput, match="has no pool key yet"):
        world.propose("runner", without.object)
    first = Machine(tmp_path / "first", "lab", new_pool=True)
    wrong = {**first.object["pool"], "key_id": "0" * 32}
    with pytest.raises(InvalidInput, match="is not the id of this public key"):
        world.propose("runner", {**first.object, "pool": wrong})
    world.confirmed("runner", first.object)
    assert PoolKey.objects.get(environment="lab").key_id == pool_key(first.folder, "lab")[0]
    assert PortalSetting.objects.get(pk="ssh-authorities").value["lab"] == first.card["authority"]
    stranger = Machine(tmp_path / "stranger", "lab", new_pool=True)
    with pytest.raises(InvalidInput, match="is not the pool key of lab"):
        world.propose("runner", stranger.object)
    elsewhere = {**first.object, "runner": str(uuid7()), "environments": ["development"], "name": "x"}
    with pytest.raises(InvalidInput, match="is not the pool key of development"):
        world.propose("runner", {**elsewhere, "public": stranger.card["public"]})
    for file in ("pool-lab.key", "ssh-ca-lab"):
        (without.folder / file).write_bytes((first.folder / file).read_bytes())
    again = Machine(without.folder, "lab")
    assert again.object["pool"] == first.object["pool"]
    world.confirmed("runner", again.object)
    judged(again, "lab")


def test_an_enrolment_that_is_not_whole_is_no_object(world: World, machine: Machine) -> None:
    good = machine.object
    changes: tuple[dict[str, Any], ...] = (
        {"environments": []},
        {"environments": ["nowhere"]},
        {"public": base64.b64encode(b"short").decode()},
        {"software": ["latest"]},
        {"zones": ["Not A Name"]},
        {"seed": "00"},
        {"pool": {"key_id": "x"}},
        {"environments": ["development", "staging"], "pool": {}},
    )
    for change in changes:
        with pytest.raises(InvalidInput):
            world.propose("runner", {**good, **change})
    assert not is_card({**machine.card, "seed": "00"})
    assert not is_card([machine.card])
