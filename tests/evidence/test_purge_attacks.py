"""Runs purged behind the portal's back, too early, by the wrong people or past a hold: every verifier says so."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from procedures.answers.drift import drift
from procedures.domain.canonical import canon
from procedures.domain.clock import now
from procedures.evidence import check, verify
from procedures.evidence.models import Disclosure, Event
from procedures.evidence.verify import Failed
from procedures.models import Person, PortalSetting, Purge, Run
from procedures.services import controls
from tests.evidence.conftest import Log
from tests.evidence.test_asserted import written
from tests.evidence.test_packs import repaired
from tests.evidence.test_purges import all_say, object_of, old, page, purged
from tests.factories.damage import unguarded
from tests.factories.transitions import unevidenced
from tests.fixtures.offline_verifier import Engine

__all__ = ["old", "page"]
pytestmark = pytest.mark.ordinary


def test_sql_purges_nothing_that_two_people_did_not_agree_to(old: Log) -> None:
    early = Run.objects.exclude(pk=old.run.pk).get()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Event.objects.filter(run=old.run.pk).update(body=b"")
    with pytest.raises(DatabaseError, match="evidence"):
        without_evidence(old.run)
    with pytest.raises(DatabaseError, match="once its time is over"), transaction.atomic():
        Purge.objects.create(run=early, change=old.run.pk, agreed_at=now())
    purged(old)
    for act in (lambda: Purge.objects.update(change=early.pk), lambda: Purge.objects.all().delete()):
        with pytest.raises(DatabaseError, match="cannot be rewritten"), transaction.atomic():
            act()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Event.objects.filter(run=old.run.pk).update(body=b"{}")


def without_evidence(run: Run) -> None:
    """A purge by SQL, as far as its commit."""
    with transaction.atomic(), connection.cursor() as cursor:
        Purge.objects.create(run=run, change=run.pk, agreed_at=now())
        if connection.vendor != "sqlite":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            return
        cursor.execute("SELECT count(*) FROM evidence_owed")
        if cursor.fetchone()[0]:
            raise DatabaseError("an evidence event is owed")


def by_hand(run: Run) -> None:
    """What whoever owns the schema can do: every trigger aside, the bodies go."""
    with unguarded():
        Event.objects.filter(run=run.pk).update(body=b"")
        Disclosure.objects.filter(event__run=run.pk).update(sealed=None)


def test_bodies_that_went_without_an_agreement_fail_check_and_pack(old: Log, page: Engine) -> None:
    by_hand(old.run)
    assert any("is missing" in text for text in check.check())
    with pytest.raises(Failed, match="withheld without a redaction event"):
        old.pack()
    assert all_say(page, old, old.pack(careless=True)) == "refused"


def test_an_agreement_before_the_date_by_two_who_hold_the_database_fails_the_pack(old: Log, page: Engine) -> None:
    """Both sign, past the portal: what it would have refused is refused by every verifier."""
    early = Run.objects.exclude(pk=old.run.pk).get()
    signed(old, object_of(early))
    by_hand(early)
    with pytest.raises(Failed, match="purged while they were to be kept"):
        old.pack()
    assert all_say(page, old, old.pack(careless=True)) == "refused"


def test_an_agreement_by_one_who_stands_behind_the_run_counts_for_nothing(old: Log) -> None:
    signed(old, object_of(old.run), who=("nathan", "quinn"))
    by_hand(old.run)
    with pytest.raises(Failed, match="withheld without a redaction event"):
        old.pack()


def test_an_agreement_under_a_hold_fails_the_pack(old: Log, page: Engine) -> None:
    old.world.propose("legal_hold", {"procedure": "hello", "basis": "Lawsuit 7", "requested_by": "case 7"})
    signed(old, object_of(old.run))
    by_hand(old.run)
    with pytest.raises(Failed, match="purged while they were under a legal hold"):
        old.pack()
    assert all_say(page, old, old.pack(careless=True)) == "refused"


def signed(log: Log, object: dict[str, Any], who: tuple[str, str] = ("mira", "nathan")) -> str:
    """The control event that the portal would not write, with two signatures that hold; its change's id."""
    for name in who:
        if name not in log.world.keys:
            log.world.keys[name] = log.world.keys["mira"]
    one, other = (Person.objects.get(username=name) for name in who)

    statement = canon(controls.statement_for(actor=one, control="redaction", object=object))
    rows = tuple(
        {"by": str(by.subject), "method": "ssh", "role": role, "strength": "signed"}
        | {"sig": log.world.signed(by.username, statement)["signature"]}
        for by, role in ((one, "proposer"), (other, "confirmer"))
    )
    return written("redaction", object, statement, rows)


def test_a_pack_that_hides_one_body_of_a_purged_run_or_another_run_beside_it_is_refused(old: Log, page: Engine) -> None:
    """The exporter has a purge to point at, and withholds what it does not cover."""
    whole = old.pack()
    purged(old)
    members = verify.unzip(old.pack())
    early = Run.objects.exclude(pk=old.run.pk).get()
    manifest = verify.parse("m", members["manifest.json"])
    hidden = str(Event.objects.filter(run=early.pk).order_by("n")[1].pk)
    [bundle] = [name for name in members if name.startswith("bodies/")]
    digest = hashlib.sha256
    wanted = verify.parse("h", bytes(Event.objects.get(pk=hidden).header))["b"]
    lines = [line for line in members[bundle].splitlines(keepends=True) if digest(line[:-1]).hexdigest() != wanted]
    changed = dict(manifest, withheld=sorted([*manifest["withheld"], hidden]))
    changed["counts"] = dict(manifest["counts"], bodies=manifest["counts"]["bodies"] - 1)
    members["manifest.json"] = verify.canon(changed)
    with pytest.raises(Failed, match="is withheld without a redaction event"):
        verify.verify(repaired(members, **{bundle: b"".join(lines)}), old.key)
    assert all_say(page, old, whole) == "SIGNED"


def test_the_floor_lowered_behind_the_portals_back_is_drift_and_shortens_no_pack(old: Log) -> None:
    with unevidenced():
        PortalSetting.objects.filter(pk="retention").update(value={"days": 1})
    assert any(row.kind == "retention" for row in drift(now()))
