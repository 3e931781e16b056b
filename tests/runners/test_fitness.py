"""A run waits for a runner that can do all of it: what was signed of it and what it reports."""

from __future__ import annotations

import pytest
from django.conf import settings

from procedures.domain.clock import now
from procedures.evidence.models import Event
from procedures.models import Environment, Run, Runner
from procedures.queries import runners
from procedures.queries.capabilities import need_of, no_runner_for
from procedures.runner import reporting
from procedures.services import claims
from procedures.services.runner_reports import report
from tests.factories.machines import Machine
from tests.factories.portal import World

pytestmark = pytest.mark.ordinary


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
