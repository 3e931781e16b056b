"""Whoever stands in for the one who broke the glass does not review that use, whatever a table says afterwards."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from procedures.domain.clock import now
from procedures.evidence import verify
from procedures.evidence.queries import facts_of_kinds
from procedures.models import Deputy
from procedures.services import deputies
from procedures.services.unit import SecondPersonRequired
from tests.evidence.test_break_glass import broken, on_call, reviewed
from tests.evidence.test_passkeys import Office
from tests.fixtures.settled import Settled


@pytest.fixture
def office(db: None, settled: Settled, tmp_path: Path) -> Office:
    return settled(managing, tmp_path)


def managing(tmp_path: Path) -> Office:
    """Jonas manages access too, so that Mira can name him for it."""
    office = on_call(tmp_path)
    office.log.world.may(office.jonas, "manage_access")
    return office


def named(office: Office) -> Deputy:
    at, verbs = now(), ["manage_access"]
    given = {"verbs": verbs, "from_at": at, "until_at": at + timedelta(days=3), "at": at}
    return deputies.name_deputy(actor=office.log.world.mira, deputy=office.jonas.subject, **given)


def test_the_deputy_of_who_broke_it_cannot_review_it_nor_after_ending_that(office: Office) -> None:
    row = named(office)
    deputies.agree(actor=office.jonas, deputy=row.pk, at=now())
    use = broken(office)
    assert str(office.jonas.subject) not in {str(link.person.subject) for link in office.run.chain.all()}
    with pytest.raises(SecondPersonRequired, match="stood in for"):
        reviewed(office, office.jonas, use)
    deputies.end_deputy(actor=office.jonas, deputy=row.pk, at=now())
    with pytest.raises(SecondPersonRequired, match="stood in for"):
        reviewed(office, office.jonas, use)
    third = office.log.world.person("kim", "security", key=True)
    assert reviewed(office, third, use).reviewer == third


def test_nor_who_agreed_after_the_use_but_who_was_only_named_may(office: Office) -> None:
    first, second = (
        broken(office),
        broken(
            office, run=office.log.world.ask(office.log.world.mira, procedure="clear-cache", environment="production")
        ),
    )
    row = named(office)
    assert reviewed(office, office.jonas, first).reviewer == office.jonas
    deputies.agree(actor=office.jonas, deputy=row.pk, at=now())
    with pytest.raises(SecondPersonRequired, match="stood in for"):
        reviewed(office, office.jonas, second)


def test_a_deputy_whom_sql_forgot_reviews_it_for_the_table_alone(office: Office) -> None:
    deputies.agree(actor=office.jonas, deputy=named(office).pk, at=now())
    use = broken(office)
    (fact,) = facts_of_kinds("break_glass.used")
    assert str(office.jonas.subject) in fact.facts["chain"]
    Deputy.objects.all().delete()
    reviewed(office, office.jonas, use)
    assert verify.verify(office.log.pack(), office.log.key)["break_glass"] == {"used": 1, "unreviewed": 1}
