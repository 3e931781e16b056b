"""Two sweepers and two deliveries at once, with real commits: one run of each planned moment and of each id."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from django.db import connections

from procedures.domain import deliveries
from procedures.domain.clock import now
from procedures.evidence.models import Event
from procedures.models import Fire, Run
from procedures.services import deliveries as doors
from procedures.services.fires import fire_due
from tests.fixtures.databases import FreshDatabase
from tests.standing.conftest import due, furnished


def together(act: Callable[[int], Any], count: int = 2) -> list[Any]:
    """The same from several threads that begin at one moment, each on a connection of its own."""
    barrier = Barrier(count)

    def one(index: int) -> Any:
        barrier.wait()
        try:
            return act(index)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_two_sweepers_and_two_deliveries_at_once_ask_once(fresh_database: FreshDatabase) -> None:
    plant = furnished()
    row = plant.sets("schedule", plant.schedule())
    at = due(row)
    assert sorted(together(lambda _: fire_due(at=at), 3)) == [0, 0, 1]
    assert Run.objects.count() == Fire.objects.count() == 1
    plant.sets("hook", plant.hook())
    body = b'{"who": {"name": "Zoe"}}'
    headers = deliveries.sign(plant.keys["deployed"], "one", now(), body)
    taken = together(lambda _: doors.take(name="deployed", headers=headers, body=body, at=now()))
    assert sorted(one.fresh for one in taken) == [False, True]
    assert Run.objects.count() == Event.objects.filter(kind="run.requested").count() == 2
