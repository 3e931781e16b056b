"""A freeze is a signed rule of its environment: it holds whatever the table says; a broken glass is reported."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from procedures.answers.drift import drift
from procedures.answers.separation import separation_report
from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.evidence import verify
from procedures.evidence.record import record
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.models import Environment, Person, Run
from procedures.runner.drive import drive
from procedures.services.run_states import note
from tests.evidence.test_break_glass import broken, on_call, reviewed
from tests.evidence.test_passkeys import Office
from tests.fixtures.settled import Settled

pytestmark = pytest.mark.once


@pytest.fixture
def office(db: None, settled: Settled, tmp_path: Path) -> Office:
    return settled(on_call, tmp_path)


def rules_of_production() -> dict[str, Any]:
    kept = replay().environments["production"]
    return {name: value for name, value in kept.items() if name != "stands"}


def frozen_drift() -> list[str]:
    return [one.what for one in drift(now()) if one.kind == "environment"]


def test_a_signed_freeze_holds_at_the_claim_and_for_the_issuer_whatever_the_table_says(office: Office) -> None:
    """The database forgets the freeze: the run is claimed, gets no lease, and the pack tells."""
    office.approve()
    world, until = office.log.world, moment(now() + timedelta(hours=2))
    rules = rules_of_production()
    world.confirmed("environment", {**rules, "frozen_until": until})
    assert Environment.objects.get(pk="production").frozen_until_at is not None
    assert frozen_drift() == []
    Environment.objects.filter(pk="production").update(frozen_until_at=None)
    assert frozen_drift() == ["production"]
    with pytest.raises(LeaseRefused, match="production is frozen until"):
        office.judged()
    facts = {"runner": "x", "digest": office.run.digest, "plan_digest": office.run.plan_digest}
    with transaction.atomic():
        note("run.claimed", office.run, at=now(), actor=None, facts=facts)
    found = verify.verify(office.log.pack(), office.log.key)
    assert [(row["control"], row["why"]) for row in found["asserted"]] == [
        ("freeze", "was claimed while its environment was frozen")
    ]


def test_new_rules_without_a_freeze_end_it_and_a_broken_glass_goes_through_one(office: Office) -> None:
    world, until = office.log.world, moment(now() + timedelta(hours=2))
    rules = rules_of_production()
    world.confirmed("environment", {**rules, "frozen_until": until})
    use = broken(office, run=Run.objects.get(pk=office.run.pk))
    assert use.skips == ["approval", "freeze"]
    assert office.judged() == ()
    drive(office.run.id)
    office.run.refresh_from_db()
    assert office.run.state == "succeeded", office.run.message
    assert verify.verify(office.log.pack(), office.log.key)["asserted"] == []
    world.confirmed("environment", dict(rules))
    assert Environment.objects.get(pk="production").frozen_until_at is None
    assert frozen_drift() == []


def test_the_report_on_separation_of_duties_names_each_use_and_who_looked_at_it(office: Office) -> None:
    use = broken(office)
    told = [one for one in separation_report(now()) if "broke the glass" in one.what]
    assert [(one.kind, one.who, one.what) for one in told] == [
        ("exception", "mira", "broke the glass in production, past approval; not reviewed")
    ]
    reviewed(office, office.jonas, use)
    [told] = [one for one in separation_report(now()) if "broke the glass" in one.what]
    assert told.what == "broke the glass in production, past approval; reviewed by jonas: justified"
    nora = Person.objects.get(username="nora")
    for reviewer in (office.log.world.mira, nora):  # by SQL: who used it, and who gave the permission
        facts = {"use": str(use.pk), "run": str(use.run_id), "verdict": "justified"}
        with transaction.atomic():
            record("break_glass.reviewed", actor=reviewer.subject, at=now(), facts=facts)
    found = [one.who for one in separation_report(now()) if one.kind == "violation"]
    assert sorted(found) == ["mira", "nora"]
    assert not [one for one in separation_report(now(), since=now()) if "broke the glass" in one.what]
