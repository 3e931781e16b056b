"""An engagement that is about one period's runs: nothing before it, nothing after it, and no page that names no run."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.http import QueryDict

from procedures import access
from procedures.answers.drift import drift
from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed, NotFound
from procedures.domain.narrower import wider
from procedures.models import Grant, Person, Run
from procedures.queries import auditing, populations, saved_requests
from procedures.queries.populations import population
from procedures.runner.drive import drive
from procedures.services import controls, dossiers, exports, given
from procedures.services import saved_requests as services
from procedures.web import control_words, grant_forms
from tests.evidence.conftest import Log
from tests.evidence.test_populations import client

SECOND = timedelta(seconds=1)
PLACE = {"procedure": "hello", "environment": "development"}


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    populations._kept.cache_clear()
    yield
    populations._kept.cache_clear()


@pytest.fixture
def other(log: Log) -> Run:
    """A second run, which was asked for after the engagement's period."""
    run = log.world.ask(Person.objects.get(username="quinn"))
    drive(run.pk)
    log.sequence()
    return Run.objects.get(pk=run.pk)


def about(run: Run) -> dict[str, str]:
    """The shortest period that holds a run's request."""
    return {"from": moment(run.requested_at - SECOND), "to": moment(run.requested_at)}


def test_its_page_leads_to_its_runs(log: Log, other: Run) -> None:
    web = client(engaged(log, procedure="hello", environments=["development"]))
    page = html.unescape(web.get("/evidence/population/").content.decode())
    [link] = re.findall(r'<a href="(\?procedure=hello[^"]+)">Count its runs</a>', page)
    answer = web.get(f"/evidence/population/{link}")
    assert answer.status_code == 200
    assert f"/runs/{log.run.pk}/" in answer.content.decode()
    assert f"/runs/{other.pk}/" not in answer.content.decode()


def engaged(log: Log, **where: Any) -> Person:
    edda = log.world.person("edda")
    log.world.may(edda, "audit", period=about(log.run), **where)
    return edda


def test_it_sees_the_runs_of_its_period_and_no_other(log: Log, other: Run) -> None:
    edda = engaged(log, procedure="hello", environments=["development"])
    seen = access.visible_runs(Run.objects.all(), edda, "view", "approve", "audit", at=now())
    assert [run.pk for run in seen] == [log.run.pk]
    assert [auditing.audits_run(edda, run, now()) for run in (log.run, other)] == [True, False]
    web = client(edda)
    for run, status in ((log.run, 200), (other, 404)):
        for path in (f"/runs/{run.pk}/", f"/api/v1/runs/{run.pk}/events/", f"/api/v1/runs/{run.pk}/dossier/"):
            assert web.get(path).status_code == status, path
    dossiers.run_dossier(actor=edda, run=log.run.pk, form="html", at=now())
    with pytest.raises(NotFound):
        dossiers.run_dossier(actor=edda, run=other.pk, form="html", at=now())


def test_populations_and_samples_lie_within_it(log: Log, other: Run) -> None:
    edda, period = engaged(log, procedure="hello", environments=["development"]), about(log.run)
    assert population(edda, PLACE | period, at=now()).count.runs == 1
    for beyond in ({}, {"from": period["from"]}, {"to": period["to"]}, period | {"to": moment(other.requested_at)}):
        with pytest.raises(InvalidInput, match="outside what you audit: hello in development from") as refusal:
            population(edda, PLACE | beyond, at=now())
        assert refusal.value.problems[0][0] == "/from"
        with pytest.raises(InvalidInput):
            exports.fix(actor=edda, wanted=PLACE | beyond, at=now())
    known = exports.fix(actor=edda, wanted=PLACE | period, at=now())["population"]
    assert exports.draw(actor=edda, population=known, nonce="spoken-late", count=5, at=now())["runs"] == [
        str(log.run.pk)
    ]
    later = exports.fix(actor=log.world.mira, wanted=PLACE, at=now())["population"]
    with pytest.raises(NotFound):
        exports.draw(actor=edda, population=later, nonce="spoken-late", count=5, at=now())
    assert [one.id for one in populations.all_fixed(edda, at=now())] == [known]


def test_one_over_everything_opens_no_page_of_the_whole_portal(log: Log, other: Run) -> None:
    """A grant without place but with a period: no door that asks about no run may take it for all."""
    edda = engaged(log)
    web = client(edda)
    assert not access.decide(edda, "audit", at=now()).allowed
    assert not access.decide(edda, "audit", at=now(), procedure=log.run.procedure).allowed
    assert population(edda, about(log.run), at=now()).count.runs == 1
    for path, status in [
        (f"/runs/{log.run.pk}/", 200),
        (f"/runs/{other.pk}/", 404),
        ("/evidence/population/", 200),
        ("/evidence/", 302),
        ("/evidence/controls/soc2/", 403),
        ("/access/answers/who/", 403),
        ("/api/v1/evidence/log/", 403),
        ("/api/v1/evidence/registers/reads/", 403),
        ("/api/v1/access/holders/", 403),
        ("/api/v1/evidence/holds/", 403),
        ("/evidence/log/checkpoint", 403),
    ]:
        assert web.get(path).status_code == status, path
    assert web.post("/api/v1/evidence/exports/", {}, content_type="application/json").status_code == 403


def test_a_saved_request_shows_it_the_answers_of_its_period_alone(log: Log, other: Run) -> None:
    edda, mira = engaged(log, procedure="hello", environments=["development"]), log.world.mira
    request = services.save(actor=mira, name="PBC-1", wanted=PLACE, period="year", at=now())
    services.ask(actor=mira, request=request, of=f"{now():%Y}", at=now())
    assert saved_requests.one_saved(edda, request, at=now()).answers == []
    assert len(saved_requests.one_saved(mira, request, at=now()).answers) == 1
    with pytest.raises(InvalidInput):
        services.ask(actor=edda, request=request, of=f"{now():%Y}", at=now())


def test_it_ends_with_its_grant(log: Log) -> None:
    edda = engaged(log, procedure="hello", environments=["development"])
    later = now() + timedelta(days=1, seconds=1)
    assert not auditing.audits_run(edda, log.run, later)
    with pytest.raises(NotAllowed):
        population(edda, PLACE | about(log.run), at=later)


def test_the_log_says_the_period_and_a_row_that_loses_it_is_drift(log: Log) -> None:
    engaged(log, procedure="hello", environments=["development"])
    assert drift(at=now()) == []
    Grant.objects.exclude(period=None).update(period=None)
    assert "period" in json.dumps([str(one) for one in drift(at=now())])


@pytest.mark.parametrize(
    ("verbs", "spoil", "pointer"),
    [
        (["audit", "view"], lambda p: p, "/object/period"),
        (["run"], lambda p: p, "/object/period"),
        (["audit"], lambda p: {"from": p["to"], "to": p["from"]}, "/object/period/to"),
        (["audit"], lambda p: p | {"to": "2026-13-01T00:00:00.000000Z"}, "/object/period"),
        (["audit"], lambda p: {"from": p["from"]}, "/object/period"),
    ],
)
def test_a_period_bounds_audit_alone_and_ends_after_it_begins(
    log: Log, verbs: list[str], spoil: Callable[[dict[str, str]], dict[str, str]], pointer: str
) -> None:
    ends = moment(now() + timedelta(days=1))
    made = {"principal": f"person:{log.world.person('edda').subject}", "verbs": verbs, "environments": []}
    made |= {"not_before": moment(now()), "expires_at": ends, "reason": "audit of the year"}
    with pytest.raises(InvalidInput) as refusal:
        controls.require_sound("grant", made | {"period": spoil(about(log.run))})
    assert pointer in [row[0] for row in refusal.value.problems]


def test_whatever_is_made_of_such_a_grant_keeps_its_period(log: Log) -> None:
    engaged(log, procedure="hello", environments=["development"])
    grant = Grant.objects.exclude(period=None).get()
    again = given.object_of(grant, now())
    assert again["period"] == about(log.run)
    lost = {name: value for name, value in again.items() if name != "period"}
    assert ("/object/period", "must stay as it is") in wider(again, lost)
    assert f"about runs asked for from {about(log.run)['from'][:10]}" in control_words.told("grant", again, {})


def test_the_form_takes_whole_days_and_both_of_them() -> None:
    typed = "principal=person:x&verbs=audit&days=9&reason=r"
    made = grant_forms.grant(QueryDict(f"{typed}&about_from=2026-01-01&about_to=2026-03-31"))
    assert made["period"] == {"from": "2026-01-01T00:00:00.000000Z", "to": "2026-03-31T23:59:59.999999Z"}
    assert "period" not in grant_forms.grant(QueryDict(typed))
    with pytest.raises(InvalidInput):
        grant_forms.grant(QueryDict(f"{typed}&about_from=2026-01-01"))
