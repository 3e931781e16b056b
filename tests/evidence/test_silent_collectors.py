"""A collector that takes nothing is told to whoever watches there in vain, and in the figures."""

from __future__ import annotations

import re
from datetime import timedelta

from procedures.domain.clock import now
from procedures.models import Collector, Notice
from procedures.queries import eligible
from procedures.runner import streaming
from procedures.services.collector_alarms import alarm
from tests.evidence.conftest import Log
from tests.evidence.test_collectors import named, siem, size
from tests.evidence.test_populations import client
from tests.evidence.test_standards import fits
from tests.fixtures.collector import Listening
from tests.issuer.test_formless import added, formless_bodies

__all__ = ["siem"]


def test_security_hears_once_of_a_collector_that_takes_nothing(log: Log, siem: Listening) -> None:
    row = named(log, siem)
    siem.answers = [503]
    streaming.stream()
    assert alarm(at=now() + timedelta(minutes=14)) == 0
    late = now() + timedelta(minutes=16)
    assert [alarm(at=late) for _ in range(2)] == [1, 0]
    told = Notice.objects.filter(kind="collector.silent")
    assert {one.person.username for one in told} == {one.username for one in eligible.security(late)}
    assert told[0].facts["why"] == "answered 503"
    figures = client(log.world.mira).get("/metrics", REMOTE_ADDR="127.0.0.1").content.decode()
    assert f'opsportal_collector_behind{{collector="{row.name}"}} {size()}' in figures
    assert re.search(rf'^opsportal_collector_silent_seconds{{collector="{row.name}"}} \d+$', figures, re.MULTILINE)
    Collector.objects.update(next_at=now(), sent_at=late)  # it took some, and lacks the rest of a long log
    assert alarm(at=late + timedelta(minutes=14)) == 0
    streaming.stream()
    assert alarm(at=late + timedelta(days=1)) == 0


def test_an_event_of_no_form_is_no_hole_and_stops_no_stream(log: Log, siem: Listening) -> None:
    named(log, siem)
    ids = [added(kind, body) for kind, body in formless_bodies()]
    ids += [added("run.queued", b"{}", header=header) for header in (b"{}", b"not JSON", b"[]", b'{"k":5,"at":"then"}')]
    log.sequence()
    streaming.stream()
    assert siem.places == list(range(size()))
    assert {row["metadata"]["uid"] for row in siem.kept} >= set(ids)
    for row in siem.kept:
        fits(row)
