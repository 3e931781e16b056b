"""What people are told of where an issuer is, and of one that does not answer: pages, packs, readiness, doctor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from opsportal.cli import server
from procedures.domain.clock import now
from procedures.models import Person, Runner
from procedures.queries import runners, separation
from procedures.runner import reporting
from procedures.services.runner_reports import report
from tests.factories.lending import listens
from tests.factories.portal import World


@pytest.fixture(autouse=True)
def looked_at_anew() -> Iterator[None]:
    """What was found lately is of another test."""
    for found in (separation.of_this_process, separation._beside):
        found.cache_clear()
    yield
    for found in (separation.of_this_process, separation._beside):
        found.cache_clear()


def said_by(issuer: dict[str, Any] | None) -> Runner:
    row = Runner.objects.get(disposable=False)
    said = {**reporting.said(), "process": "x"}
    said = {**said, "issuer": issuer} if issuer else {k: v for k, v in said.items() if k != "issuer"}
    report(runner=row.pk, tier="B", version="x", said=said, at=now())
    row.refresh_from_db()
    return row


def test_where_processes_are_apart_each_page_and_pack_names_an_issuer_that_is_not(
    world: World, settings: Any, tmp_path: Path, client: Client
) -> None:
    settings.OPSPORTAL_PROFILE = "production"
    settings.OPSPORTAL_KEYS_DIR = tmp_path
    settings.OPSPORTAL_EVIDENCE_KEY_FILE = settings.OPSPORTAL_RUNNER_KEY_FILE = tmp_path / "none"
    said_by({"apart": True, "away": []})
    told = separation.separation().told  # a test owns the tables; tests/roles says what a part is told
    assert told == f"by process: the web tier cannot open a key; {separation.OWNED}"
    separation._beside.cache_clear()
    said_by({"apart": False, "away": []})
    found = separation.separation()
    assert found.beside == ("development", "production", "staging")
    assert "the issuer of development, production, staging shares its runner's process" in found.told
    Person.objects.filter(pk=world.mira.pk).update(last_login=timezone.now())
    client.force_login(world.mira, backend="procedures.access.backend.PasswordBackend")
    assert "shares its runner&#x27;s process" in client.get("/runners/", follow=True).content.decode()


def test_the_page_of_runners_says_where_each_has_its_issuer(world: World) -> None:
    world.may(world.manager(), "operate")
    world.may(world.mira, "operate", by=Person.objects.get(username="nora"))
    for issuer, words in (
        ({"apart": True, "away": []}, "a process of its own"),
        ({"apart": False, "away": []}, "in this runner's process, which holds what it lends"),
        ({"apart": True, "away": ["staging"]}, "that of staging does not answer"),
    ):
        said_by(issuer)
        (one,) = [one for one in runners.listed(world.mira, now()) if not one.row.disposable]
        assert words in one.issuer


def test_readiness_names_a_runner_whose_issuer_is_away_and_the_portal_stays_ready(world: World, client: Client) -> None:
    row = said_by({"apart": True, "away": ["staging"]})
    Runner.objects.filter(pk=row.pk).update(heartbeat_at=now(), skew_s=0.0)
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["issuers"] == ["runner does not reach the issuer of staging"]


@pytest.mark.once
def test_doctor_on_a_runner_s_host_asks_the_issuer_itself(
    fresh_database: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPSPORTAL_ISSUER_SOCKET", str(tmp_path / "nowhere"))
    assert [fine for fine, _ in server._issuers_here().values()] == [False]
    with listens() as path:
        monkeypatch.setenv("OPSPORTAL_ISSUER_SOCKET", str(path))
        ((name, (fine, _)),) = server._issuers_here().items()
        assert (name, fine) == (f"the issuer at {path} answers", True)
        monkeypatch.setenv("OPSPORTAL_ISSUER_SOCKET", str(path.parent.parent / "{environment}" / "socket"))
        assert [fine for fine, _ in server._issuers_here().values()] == [True]
    monkeypatch.delenv("OPSPORTAL_ISSUER_SOCKET")
    assert server._issuers_here() == {}
