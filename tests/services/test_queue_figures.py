"""What one claim costs with ten thousand runs in the queue."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from statistics import median
from typing import Any

import pytest
from django.db import connection

from procedures.domain.clock import now
from procedures.domain.ids import uuid7
from procedures.models import Environment, Hold, Run
from procedures.queries import queue
from procedures.services import claims
from tests.engine.test_runs import procedure
from tests.factories.portal import World
from tests.factories.transitions import unevidenced
from tests.services.test_queue import ONE, me

pytestmark = pytest.mark.figures
QUEUED, RUNNING, TEAMS, HOSTS = 10_000, 45, 40, 500


def filled(world: World) -> Run:
    """10,000 queued runs of 40 teams, each with a group and two targets; every running one holds as many."""
    quinn = procedure(world, "job", ONE)
    like = world.ask(quinn, procedure="job")
    at, rows, held = now(), [], []
    for number in range(QUEUED + RUNNING):
        row = Run.objects.get(pk=like.pk) if number == 0 else rows[0]
        copied = {f.attname: getattr(row, f.attname) for f in Run._meta.concrete_fields}
        runs = number >= QUEUED
        copied |= {"id": uuid7(), "no": 100_000 + number, "team": f"team-{number % TEAMS}", "priority": number % 3}
        copied |= {"queued_at": at - timedelta(milliseconds=number), "state": "running" if runs else "queued"}
        copied |= {"started_at": at if runs else None}
        rows.append(Run(**copied))
        names = [f"development/job/{number % 300}", *(f"target:{(number * 7 + n) % HOSTS}" for n in (0, 3))]
        held += [Hold(run_id=copied["id"], name=name, most=1) for name in names]
    with unevidenced():
        Run.objects.bulk_create(rows, batch_size=500)
    Hold.objects.bulk_create(held, batch_size=2000)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE procedures_run; ANALYZE procedures_rungroup")
    return like


def took(act: Callable[[], object], times: int = 20) -> float:
    """The median of so many goes, in milliseconds; only to be held against another one, taken beside it."""
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        spent.append((time.perf_counter() - began) * 1000)
    return median(spent)


def test_the_next_of_ten_thousand_costs_no_more_than_a_read_of_the_queue(
    world: World, figure: Callable[[str, Any], None]
) -> None:
    like = filled(world)
    place = Environment.objects.get(pk="development")
    found = queue.next_up(place, now())
    assert len(found) == queue.TRIED
    choice = took(lambda: queue.next_up(place, now()))
    position = took(lambda: queue.position(like, now()))
    floor = took(lambda: list(Run.objects.filter(state="queued").values_list("id", "team", "priority", "queued_at")))
    claim = took(lambda: claims.claim_run(run=like.pk, runner=me(), at=now()), times=1)
    spent = {"choice_ms": choice, "position_ms": position, "claim_ms": claim, "read_of_the_queue_ms": floor}
    figure(f"queue_{connection.vendor}", {"queued": QUEUED} | {name: round(ms, 1) for name, ms in spent.items()})
    assert choice < 2 * floor, "a choice costs more than reading the queue twice"
    assert position < 2 * floor, "a place in the queue costs more than reading the queue twice"
