"""H12: an inventory that moves many hosts at once waits for a second person; the first few and new hosts do not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.test import Client

from procedures.domain import target_changes as rules
from procedures.domain.clock import now
from procedures.models import ControlChange, Person, Target
from procedures.services import controls, target_changes
from tests.factories.portal import World, public_text


@pytest.fixture
def town(world: World) -> World:
    """Nora operates too; development asks for a session alone."""
    world.may(world.person("nora", key=True), "operate", "view")
    return world


def host(number: int, **changed: Any) -> dict[str, Any]:
    return {
        "environment": "development",
        "name": f"web-{number}",
        "address": f"192.0.2.{number}",
        "port": 22,
        "host_key": public_text(Ed25519PrivateKey.generate()),
        "trust": "key",
        "tags": {"role": "web"},
        "attributes": {},
        "action": "set",
        **changed,
    }


def imported(world: World, *hosts: dict[str, Any]) -> list[str]:
    """One operator alone, host by host, as `opsportal target import` does it."""
    return [
        controls.propose(actor=world.mira, control="target", object=one, signature=None, at=now()).state
        for one in hosts
    ]


def test_the_bound_is_a_tenth_and_at_least_five() -> None:
    assert [rules.most(live) for live in (0, 8, 50, 59, 60, 1000)] == [5, 5, 5, 5, 6, 100]


def test_what_is_above_the_bound_waits_and_is_told_on_both_pages(town: World) -> None:
    hosts = [host(number) for number in range(1, 9)]
    assert set(imported(town, *hosts)) == {"confirmed"}, "new hosts change nothing that stands"
    moved = [one | {"tags": {"role": "db"}} for one in hosts]
    assert imported(town, *moved) == ["confirmed"] * 5 + ["proposed"] * 3
    assert imported(town, *moved[:5], hosts[5]) == ["confirmed"] * 6, "as they stand already"
    assert Target.objects.filter(ended_at__isnull=True, tags={"role": "db"}).count() == 5
    page = Client()
    page.force_login(town.mira, backend="procedures.access.backend.PasswordBackend")
    shown = page.get("/environments/development/").content.decode()
    assert "Changes that wait for a second person" in shown
    waiting = ControlChange.objects.filter(state="proposed")[0]
    told = page.get(f"/changes/{waiting.pk}/").content.decode()
    assert "6 targets of development would have changed within an hour. Above 10 % of them, and 5" in told
    nora = Person.objects.get(username="nora")
    assert controls.confirm(actor=nora, change=waiting.pk, signature=None, at=now()).state == "confirmed"


def test_hosts_that_go_count_as_hosts_that_change_and_an_hour_later_it_begins_anew(town: World) -> None:
    hosts = [host(number) for number in range(1, 9)]
    imported(town, *hosts)
    gone = [one | {"action": "end"} for one in hosts]
    assert imported(town, *gone[:6]) == ["confirmed"] * 5 + ["proposed"]
    assert target_changes.too_many(gone[5], now())
    assert target_changes.too_many(gone[5], now() + timedelta(hours=1, seconds=1)) == ""


def test_moved_there_and_back_is_not_a_change(town: World) -> None:
    hosts = [host(number) for number in range(1, 8)]
    imported(town, *hosts)
    away = [one | {"tags": {"role": "db"}} for one in hosts]
    assert set(imported(town, *away[:5], *hosts[:5], *away[:5])) == {"confirmed"}
