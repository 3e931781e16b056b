"""Break-glass (H25): loud, signed, four hours, three a day, reviewed by somebody outside; and nothing else is skipped.

The attackers: a bearer token, the one who broke it, the one who gave the permission, and whoever writes the database.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction

from procedures.domain import break_glass as rules
from procedures.domain.canonical import canon, moment
from procedures.domain.clock import now
from procedures.domain.errors import NotAllowed, NotFound
from procedures.domain.ids import uuid7
from procedures.domain.statements import StatementMismatch, TooWeak
from procedures.evidence import verify
from procedures.evidence.record import record
from procedures.issuer.refusals import LeaseRefused
from procedures.models import Environment, GlassBreak, Notice, Person, Run, Runner, Stop
from procedures.runner.drive import drive
from procedures.runner.identity import load_identity
from procedures.services import break_glass, deciding_late, life, moments, runs
from procedures.services.claims import claim_run
from procedures.services.unit import SecondPersonRequired
from tests.evidence.test_passkeys import Office, opened
from tests.factories.transitions import unevidenced
from tests.fixtures.settled import Settled


@pytest.fixture
def office(db: None, settled: Settled, tmp_path: Path) -> Office:
    return settled(on_call, tmp_path)


def on_call(tmp_path: Path) -> Office:
    """Mira's production run waits for Jonas; Nora gave her break-glass."""
    office = opened(tmp_path)
    world = office.log.world
    nora = world.person("nora", "security", key=True)
    world.may(nora, "manage_access", "view")
    given = {
        "principal": f"person:{world.mira.subject}",
        "verbs": ["break_glass"],
        "environments": [],
        "not_before": moment(now() - timedelta(days=5)),
        "expires_at": moment(now() + timedelta(days=5)),
        "reason": "on call",
    }
    world.propose("grant", given, by=nora)
    return office


def broken(office: Office, person: Person | None = None, *, run: Run | None = None, at: datetime | None = None) -> Any:
    person, run, at = person or office.log.world.mira, run or office.run, at or now()
    value = break_glass.statement_for(actor=person, run=run, reason="the shop is down", at=at)
    signature = office.log.world.signed(person.username, canon(value))
    return break_glass.break_the_glass(
        actor=person, run=run.id, plan_digest=run.plan_digest, reason="the shop is down", signature=signature, at=at
    )


def reviewed(office: Office, person: Person, use: GlassBreak, verdict: str = "justified") -> GlassBreak:
    value = break_glass.review_statement_for(actor=person, use=use, verdict=verdict, comment="seen")
    signature = office.log.world.signed(person.username, canon(value))
    return break_glass.review_glass(
        actor=person, use=use.pk, verdict=verdict, comment="seen", signature=signature, at=now()
    )


def asked(office: Office) -> Run:
    return office.log.world.ask(office.log.world.mira, procedure="clear-cache", environment="production")


def test_a_run_goes_ahead_unapproved_everybody_is_told_and_the_pack_says_so_until_it_is_reviewed(
    office: Office,
) -> None:
    use = broken(office)
    assert {n.person for n in Notice.objects.filter(kind="break_glass.used")} == set(
        Person.objects.filter(username__in=["mira", "jonas", "nora"])
    )
    office.run.refresh_from_db()
    assert office.run.state == "queued"
    assert office.judged() == ()
    drive(office.run.id)
    office.run.refresh_from_db()
    assert office.run.state == "succeeded", office.run.message
    found = verify.verify(office.log.pack(), office.log.key)
    assert found["break_glass"] == {"used": 1, "unreviewed": 1}
    assert found["asserted"] == []
    reviewed(office, office.jonas, use)
    found = verify.verify(office.log.pack(), office.log.key)
    assert found["break_glass"] == {"used": 1, "unreviewed": 0}
    with pytest.raises(break_glass.ReviewedAlready):
        reviewed(office, office.jonas, use, "unjustified")


def test_neither_a_token_nor_a_session_nor_a_code_breaks_it(office: Office) -> None:
    mira, run = office.log.world.mira, office.run
    value = canon(break_glass.statement_for(actor=mira, run=run, reason="x", at=now()))
    same: dict[str, Any] = {"actor": mira, "run": run.id, "plan_digest": run.plan_digest, "reason": "x", "at": now()}
    with pytest.raises(NotAllowed, match="bearer token"):
        break_glass.break_the_glass(**same, signature=office.log.world.signed("mira", value), bearer=True)
    for weak in (None, {"totp": "123456"}):
        with pytest.raises(TooWeak):
            break_glass.break_the_glass(**same, signature=weak)
    assert not GlassBreak.objects.exists()


def test_without_the_permission_or_outside_its_limits_it_holds(office: Office) -> None:
    with pytest.raises(NotAllowed, match="break glass"):
        broken(office, office.jonas)
    stranger = office.log.world.person("sam", key=True)
    with pytest.raises(NotFound):
        broken(office, stranger)
    office.log.world.may(stranger, "break_glass", environments=["development"])
    with pytest.raises(NotFound):
        broken(office, stranger)


def test_another_reason_another_plan_or_a_longer_time_than_was_signed_is_refused(office: Office) -> None:
    mira, run = office.log.world.mira, office.run
    value = break_glass.statement_for(actor=mira, run=run, reason="x", at=now())
    late = {**value, "not_after": f"{now() + timedelta(hours=5):%Y-%m-%dT%H:%M:%S.%f}Z"}
    for statement, reason in ((value, "y"), ({**value, "plan_digest": "sha256:" + "0" * 64}, "x"), (late, "x")):
        with pytest.raises(StatementMismatch):
            break_glass.break_the_glass(
                actor=mira,
                run=run.id,
                plan_digest=run.plan_digest,
                reason=reason,
                signature=office.log.world.signed("mira", canon(statement)),
                at=now(),
            )


def test_who_broke_it_who_asked_and_who_gave_the_permission_cannot_review_it(office: Office) -> None:
    world = office.log.world
    mira, jonas = world.mira, office.jonas
    use = broken(office)
    with pytest.raises(SecondPersonRequired, match="stand behind"):
        reviewed(office, mira, use)
    with pytest.raises(IntegrityError), transaction.atomic():
        GlassBreak.objects.filter(pk=use.pk).update(reviewer=mira, reviewed_at=now(), verdict="justified")
    with pytest.raises(SecondPersonRequired, match="gave the permission"):
        reviewed(office, Person.objects.get(username="nora"), use)
    with pytest.raises(NotAllowed, match="security duty"):
        reviewed(office, world.person("max", key=True), use)
    assert reviewed(office, jonas, use, "unjustified").verdict == "unjustified"


def test_the_fourth_of_a_day_is_refused_and_so_is_the_next_while_an_old_one_is_unreviewed(office: Office) -> None:
    for _ in range(rules.A_DAY):
        broken(office, run=asked(office))
    with pytest.raises(break_glass.GlassHolds, match="3 times"):
        broken(office)
    GlassBreak.objects.update(at=now() - timedelta(hours=73))
    with pytest.raises(break_glass.GlassHolds, match="not reviewed"):
        broken(office)
    for use in GlassBreak.objects.all():
        reviewed(office, office.jonas, use)
    assert broken(office).run == office.run


def test_the_issuer_counts_for_itself_what_the_table_forgot(office: Office) -> None:
    for _ in range(rules.A_DAY):
        broken(office, run=asked(office))
    over = {"reviewed_at": now(), "reviewer": office.jonas, "verdict": "justified"}
    with unevidenced():
        GlassBreak.objects.update(at=now() - timedelta(days=2), **over)
    broken(office)
    with pytest.raises(LeaseRefused, match="3 times within a day"):
        office.judged()
    found = verify.verify(office.log.pack(), office.log.key)
    assert [row["why"] for row in found["asserted"]] == ["it is the fourth within a day"]


def forged(office: Office, statement: bytes, row: dict[str, str]) -> None:
    """Row and event, exactly as whoever owns the database would write them."""
    run, mira, at = office.run, office.log.world.mira, now()
    until = at + timedelta(hours=3)
    facts = {
        "use": str(uuid7()),
        "run": str(run.id),
        "plan_digest": run.plan_digest,
        "digest": run.digest,
        "skips": ["approval"],
        "not_after": f"{until:%Y-%m-%dT%H:%M:%S.%f}Z",
        "grant": str(uuid7()),
        "chain": [],
        "environment": "production",
    }
    given = {"grant": uuid7(), "nonce": "n", "at": at, "not_after_at": until}
    with transaction.atomic(), unevidenced():
        GlassBreak.objects.create(
            run=run,
            person=mira,
            plan_digest=run.plan_digest,
            reason="x",
            skips=["approval"],
            statement=statement,
            signatures=[row],
            **given,
        )
        Run.objects.filter(pk=run.pk).update(state="queued")
    with transaction.atomic():
        record("break_glass.used", actor=mira.subject, at=at, statement=statement, signatures=[row], facts=facts)
        record("run.queued", actor=None, at=at, run=run.id, procedure=run.procedure_id, facts={"plan_digest": "x"})
    run.refresh_from_db()


def unsigned(office: Office) -> tuple[bytes, dict[str, str]]:
    value = break_glass.statement_for(actor=office.log.world.mira, run=office.run, reason="x", at=now())
    return canon(value), {"by": str(office.log.world.mira.subject), "strength": "signed", "method": "ssh", "sig": ""}


def of_another_run(office: Office) -> tuple[bytes, dict[str, str]]:
    world = office.log.world
    value = canon(break_glass.statement_for(actor=world.mira, run=asked(office), reason="x", at=now()))
    sig = world.signed("mira", value)["signature"]
    return value, {"by": str(world.mira.subject), "strength": "signed", "method": "ssh", "sig": sig}


def by_somebody_else(office: Office) -> tuple[bytes, dict[str, str]]:
    world = office.log.world
    value = canon(break_glass.statement_for(actor=world.mira, run=office.run, reason="x", at=now()))
    sig = world.signed("jonas", value)["signature"]
    return value, {"by": str(world.mira.subject), "strength": "signed", "method": "ssh", "sig": sig}


@pytest.mark.parametrize("forge", [unsigned, of_another_run, by_somebody_else], ids=lambda f: f.__name__)
def test_one_that_sql_wrote_gives_no_claim_and_no_lease_and_the_pack_names_it(
    office: Office, forge: Callable[[Office], tuple[bytes, dict[str, str]]]
) -> None:
    forged(office, *forge(office))
    with pytest.raises(LeaseRefused, match="Break-glass: "):
        office.judged()
    drive(office.run.id)
    office.run.refresh_from_db()
    assert (office.run.state, "Approvals are missing" in office.run.message) == ("denied", True)
    found = verify.verify(office.log.pack(), office.log.key)
    assert [row["control"] for row in found["asserted"]] == ["break_glass"]
    assert found["break_glass"] == {"used": 1, "unreviewed": 1}


def test_after_four_hours_it_is_over(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(office)
    office.run.refresh_from_db()
    runner = Runner.objects.get(pk=load_identity(Path(settings.OPSPORTAL_KEYS_DIR)).id)
    monkeypatch.setattr(moments, "agreed", lambda at: at)
    assert claim_run(run=office.run.id, runner=runner, at=now() + timedelta(hours=4, seconds=1)) is None
    office.run.refresh_from_db()
    assert office.run.state == "expired"


@pytest.mark.parametrize("obstacle", ["stopped", "revoked"])
def test_neither_the_stop_switch_nor_a_revocation_is_skipped(office: Office, obstacle: str) -> None:
    broken(office)
    if obstacle == "stopped":
        Stop.objects.create(environment_id="production", thrown_by=office.log.world.mira, thrown_at=now())
    else:
        life.revoke_version(actor=office.log.world.mira, version=office.run.version_id, reason="bad", at=now())
    drive(office.run.id)
    office.run.refresh_from_db()
    assert office.run.state == ("queued" if obstacle == "stopped" else "denied")
    assert not office.run.leases.exists()


def test_in_a_freeze_a_run_that_needs_no_approval_waits_for_the_glass_and_then_goes(office: Office) -> None:
    world, until = office.log.world, now() + timedelta(hours=2)
    world.accepted()
    Environment.objects.filter(pk="development").update(frozen_until_at=until)
    wish = runs.Wish(procedure="hello", environment="development", reason="x", break_glass=True)
    run = runs.request_run(actor=world.mira, wish=wish, at=now())
    assert run.state == "awaiting_approval"
    use = broken(office, run=run)
    assert use.skips == ["freeze"]
    drive(run.id)
    run.refresh_from_db()
    assert run.state == "succeeded", run.message
    plain = world.ask(world.mira)
    drive(plain.id)
    plain.refresh_from_db()
    assert plain.state == "queued", "it waits until the freeze is over"


def test_security_is_reminded_of_what_nobody_reviewed_before_the_72_hours_are_over(office: Office) -> None:
    use = broken(office)
    deciding_late.remind_deciders(at=use.at + timedelta(hours=50))
    assert not Notice.objects.filter(kind="break_glass.unreviewed").exists()
    for hours in (55, 56):
        deciding_late.remind_deciders(at=use.at + timedelta(hours=hours))
    people = Notice.objects.filter(kind="break_glass.unreviewed").values_list("person__username", flat=True)
    assert sorted(people) == ["mira", "nora"]  # what Jonas manages by has ended since
