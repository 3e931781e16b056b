"""The page of each framework counts what the log holds in its period, and concludes nothing."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotFound
from procedures.evidence import controls
from procedures.evidence.models import Event
from procedures.queries import controls_shown
from tests.web.town import Town

pytestmark = pytest.mark.ordinary


def test_each_framework_has_a_page_with_live_counts_for_auditors_alone(town: Town) -> None:
    town.accept("hello")
    client = town.client("aisha")
    for name, framework in controls.FRAMEWORKS.items():
        text = client.get(f"/evidence/controls/{name}/").content.decode()
        assert framework.title in text
        assert "the auditor concludes" in text
        assert all(f">{control}<" in text for control in controls.controls(name))
    assert client.get("/evidence/controls/none/").status_code == 404
    assert client.get("/evidence/controls/soc2/?from=x").status_code == 422
    assert town.client("mira").get("/evidence/controls/soc2/").status_code == 403


def test_counts_are_those_of_the_period_and_of_the_file(town: Town) -> None:
    town.accept("hello")
    since, until = now() - timedelta(days=1), now() + timedelta(minutes=1)
    found = {one.name: one for one in controls_shown.operated("soc2", since=since, until=until)}
    [version] = [one for one in found["CC8.1"].support if one.says.startswith("Each procedure's version")]
    kinds = controls.kinds_of("version")
    assert version.count == Event.objects.filter(kind__in=kinds, at__gte=since).count() > 0
    assert not found["CC8.1"].silent
    assert found["CC6.5"].silent, "nothing was erased, and that is said"
    data = town.client("aisha").get("/evidence/controls/soc2/?as=csv").content.decode()
    rows = list(csv.DictReader(io.StringIO(data)))
    assert {row["control"] for row in rows} == set(controls.controls("soc2"))
    assert {row["events"] for row in rows if row["recorded fact"] == version.says} == {str(version.count)}
    [read] = Event.objects.filter(kind="evidence.read")
    assert b"controls of soc2 as csv" in bytes(read.body)


def test_an_empty_period_is_silent_and_a_turned_one_is_refused() -> None:
    with pytest.raises(NotFound):
        controls_shown.framework_of("other")
    with pytest.raises(InvalidInput):
        controls_shown.operated("soc2", since=now(), until=now() - timedelta(days=1))


def test_nothing_of_long_ago_is_counted(town: Town) -> None:
    long_ago = now() - timedelta(days=9000)
    found = controls_shown.operated("pci-dss", since=long_ago, until=long_ago + timedelta(days=1))
    assert found
    assert all(one.silent for one in found)


def test_events_are_found_by_the_control_that_they_support_and_by_who_acted(town: Town) -> None:
    town.accept("hello")
    web = town.client("aisha")
    found = web.get("/api/v1/evidence/events/", {"control": "ac-5"}).json()["results"]
    kinds = {row["kind"] for row in found}
    assert "version.accepted" in kinds
    assert kinds <= set(controls.kinds_for("AC-5"))
    assert web.get("/api/v1/evidence/events/", {"control": "AC-5", "kind": "heartbeat"}).json()["results"] == []
    assert web.get("/api/v1/evidence/events/", {"control": "nothing"}).json()["results"] == []
    [who] = {row["who"] for row in web.get("/api/v1/evidence/events/", {"person": "aisha"}).json()["results"]}
    page = web.get("/evidence/", {"control": "nothing", "person": "aisha"}).content.decode()
    assert who
    assert "No event fits" in page
    assert "version.accepted" in web.get("/evidence/", {"control": "AC-5"}).content.decode()
    assert town.client("stranger").get("/api/v1/evidence/events/").status_code == 403
