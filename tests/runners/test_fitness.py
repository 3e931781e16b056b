"""A run waits for a runner that can do all of it: what was signed of it and what it reports."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings

from procedures.definitions.archive import read_folder
from procedures.domain.canonical import canon, parse
from procedures.domain.clock import now
from procedures.domain.plan import plan_digest
from procedures.evidence.models import Event
from procedures.evidence.queries import facts_of_run
from procedures.models import Environment, Run, Runner, Version
from procedures.queries import runners
from procedures.queries.capabilities import need_before, need_of, no_runner_for
from procedures.runner import reporting
from procedures.services import claims, install
from procedures.services.runner_reports import report
from tests.factories.machines import Machine
from tests.factories.portal import RUNBOOKS, World

pytestmark = pytest.mark.ordinary
LONG_AGO = now() - timedelta(hours=1)


def asks_for_tier_a(world: World, folder: Path) -> Version:
    for path, data in read_folder(RUNBOOKS / "hello").items():
        place = folder / "hello" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data.replace(b"  timeout: 1m\n", b"  timeout: 1m\n  sandbox: {minTier: A}\n"))
    install.submit_runbook(folder / "hello", at=now())
    version = Version.objects.get(procedure__name="hello", state="in_review")
    return world.review(world.mira, version, "operations", "security", signed=True)


def nobody(run: Run) -> str:
    return no_runner_for(need_of(run), now())


def test_a_run_waits_for_a_runner_that_can_do_all_of_it_and_says_for_what(world: World, run: Run) -> None:
    """Zones are what was signed, tier and actions what is reported; a target's zone is part of its signed change."""
    row = Runner.objects.get(disposable=False)
    said = {**reporting.said(), "process": "x"}
    for wrong, words in (
        ({"actions": {}}, "No runner of development has the action"),
        ({"plan_format": 2}, "reads plans of format 1"),
        ({}, ""),
    ):
        report(runner=row.pk, tier="B", version="0.0.9", said={**said, **wrong}, at=now())
        row.refresh_from_db()
        run.refresh_from_db()
        assert words in nobody(run)
        assert bool(words) == bool(nobody(run))
        if words:
            assert claims.claim_run(run=run.pk, runner=row, at=now()) is None
            assert run.state == "queued"
    Environment.objects.filter(pk="development").update(tier="A")
    run = Run.objects.select_related("environment", "version").get(pk=run.pk)
    assert nobody(run) == "No runner of development offers tier A; one is there with B."
    assert claims.claim_run(run=run.pk, runner=row, at=now()) is None
    assert not Event.objects.filter(run=run.pk, kind="run.claim_refused").exists(), "no attempt on it"
    (mine,) = [one for one in runners.listed(world.mira, now()) if one.row.pk == row.pk]
    assert mine.skew == f"runs 0.0.9, this portal {settings.OPSPORTAL_VERSION}"
    report(runner=row.pk, tier="A", version="0.0.9", said=said, at=now())
    row.refresh_from_db()
    assert claims.claim_run(run=run.pk, runner=row, at=now()) is not None


def test_a_runner_whose_software_is_not_what_was_attested_takes_no_run(
    world: World, machine: Machine, run: Run
) -> None:
    attested = {**machine.object, "software": [reporting.software_digest()]}
    world.confirmed("runner", attested)
    said = reporting.said()
    report(runner=machine.me.id, tier="B", version="x", said={**said, "software": "sha256:other"}, at=now())
    assert claims.claim_run(run=run.pk, runner=machine.row, at=now()) is None
    Runner.objects.filter(pk=machine.me.id).update(attested=[])
    assert claims.claim_run(run=run.pk, runner=machine.row, at=now()) is None, "the log still says what was signed"
    Runner.objects.filter(pk=machine.me.id).update(attested=attested["software"])
    report(runner=machine.me.id, tier="B", version="x", said=said, at=now())
    assert claims.claim_run(run=run.pk, runner=machine.row, at=now()) is not None


def test_a_run_whose_procedure_asks_for_a_stronger_sandbox_waits_and_says_so(world: World, tmp_path: Path) -> None:
    """The strongest of what environment and procedure ask for; it stands in the plan, and the tier used in the log."""
    row = Runner.objects.get(disposable=False)
    report(runner=row.pk, tier="B", version="x", said={**reporting.said(), "process": "x"}, at=now())
    version = asks_for_tier_a(world, tmp_path)
    quinn = world.person("quinn")
    world.may(quinn, "run", procedure="hello")
    need = need_before(version, Environment.objects.get(pk="development"))
    assert no_runner_for(need, now()) == "No runner of development offers tier A; one is there with B."
    run = world.ask(quinn)
    assert parse(bytes(run.plan))["sandbox"] == {"min_tier": "A"}
    row.refresh_from_db()
    assert claims.claim_run(run=run.pk, runner=row, at=now()) is None
    assert nobody(run) == "No runner of development offers tier A; one is there with B."
    Environment.objects.filter(pk="development").update(tier="C")
    run = Run.objects.select_related("environment", "version").get(pk=run.pk)
    assert need_of(run).tier == "A", "the environment asks for less"
    report(runner=row.pk, tier="A", version="x", said=reporting.said(), at=now())
    row.refresh_from_db()
    assert claims.claim_run(run=run.pk, runner=row, at=now()) is not None
    (claimed,) = [fact.facts for fact in facts_of_run(run.pk) if fact.kind == "run.claimed"]
    assert (claimed["tier"], claimed["tier_asked"]) == ("A", "A"), "what the runner reported, and what was asked for"


def test_a_plan_that_asks_for_less_than_was_accepted_is_no_way_round(world: World, tmp_path: Path) -> None:
    """Whoever writes to the tables makes the run look modest: the claim makes the plan anew from accepted bytes."""
    row = Runner.objects.get(disposable=False)
    report(runner=row.pk, tier="B", version="x", said={**reporting.said(), "process": "x"}, at=now())
    asks_for_tier_a(world, tmp_path)
    quinn = world.person("quinn")
    world.may(quinn, "run", procedure="hello")
    run = world.ask(quinn)
    forged = {key: value for key, value in parse(bytes(run.plan)).items() if key != "sandbox"}
    Run.objects.filter(pk=run.pk).update(plan=canon(forged), plan_digest=plan_digest(canon(forged)))
    row.refresh_from_db()
    assert claims.claim_run(run=run.pk, runner=row, at=now()) is None
    run.refresh_from_db()
    assert run.state != "running"


def test_a_runner_that_was_told_to_stop_is_shown_so(world: World, run: Run) -> None:
    row = Runner.objects.get(disposable=False)
    for draining, state in ((False, "alive"), (True, "draining"), (False, "alive")):
        report(runner=row.pk, tier="B", version="0.0.9", said={**reporting.said(), "draining": draining}, at=now())
        row.refresh_from_db()
        assert runners.state_of(row, now()) == state
    report(runner=row.pk, tier="B", version="0.0.9", said={**reporting.said(), "draining": True}, at=LONG_AGO)
    row.refresh_from_db()
    assert runners.state_of(row, now()) == "silent"
