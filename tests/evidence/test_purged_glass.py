"""A run that broke the glass is purged once somebody has looked at it; the register of break-glass counts on."""

from __future__ import annotations

import pytest

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.evidence import check, verify
from procedures.evidence.models import Event
from procedures.runner.drive import drive
from procedures.runner.erasing import Erasing
from procedures.services import controls, purges
from tests.evidence.test_break_glass import asked, broken, office, reviewed
from tests.evidence.test_passkeys import Office
from tests.evidence.test_purges import object_of
from tests.fixtures.later import move

__all__ = ["office"]


@pytest.mark.ordinary
def test_the_use_of_break_glass_stays_when_its_run_is_purged(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    world = office.log.world
    world.confirmed("retention", {"days": 30})
    seen, unseen = asked(office), asked(office)
    reviewed(office, office.jonas, broken(office, run=seen))
    broken(office, run=unseen)
    for run in (seen, unseen):
        drive(run.id)
    office.log.sequence()
    move(monkeypatch, 31)
    nathan, nadia = world.manager("nathan"), world.manager("nadia")
    with pytest.raises(InvalidInput, match="broke the glass, and nobody has reviewed that"):
        world.propose("redaction", object_of(seen, unseen), by=nathan)
    assert purges.due("", now())["runs"] == [str(seen.pk)]
    change = world.propose("redaction", object_of(seen), by=nathan)
    signed = world.signed("nadia", bytes(change.statement))
    controls.confirm(actor=nadia, change=change.id, signature=signed, at=now())
    assert Erasing().round(at=now())["purged"] == 1
    assert not Event.objects.filter(run=seen.pk).exclude(body=b"").exists()
    glass = Event.objects.filter(kind__startswith="break_glass.")
    assert all(bytes(event.body) for event in glass)
    assert set(glass.values_list("run", flat=True)) == {None}, "no event of a run, and so nothing that goes with one"
    found = verify.verify(office.log.pack(), office.log.key)
    assert found["break_glass"] == {"used": 2, "unreviewed": 1}
    assert found["purged"][0]["bodies"] == Event.objects.filter(run=seen.pk).count()
    assert check.check() == []
