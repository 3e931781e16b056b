"""What a runner's look for lost tasks costs where 100,000 tasks have run; it looks every two seconds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model

from procedures.domain.clock import now
from procedures.domain.ids import uuid7
from procedures.models import Run, Task
from procedures.services import remotes
from tests.engine.test_runs import procedure
from tests.factories.portal import World
from tests.factories.transitions import unevidenced
from tests.services.test_queue import ONE
from tests.services.test_queue_figures import took

TASKS, EACH, LOST = 100_000, 5, 5


def copied(row: Model, **changed: Any) -> dict[str, Any]:
    return {f.attname: getattr(row, f.attname) for f in row._meta.concrete_fields} | {"id": uuid7(), **changed}


def ran(world: World) -> None:
    """20,000 runs of five tasks, all of today; of five tasks nobody knows what became of them."""
    quinn = procedure(world, "job", ONE)
    like, at = world.ask(quinn, procedure="job"), now()
    task = Task(run=like, phase="steps", step="s", position=0, target="web-1", state="succeeded")
    runs, tasks = [], []
    for number in range(TASKS // EACH):
        ended = at - timedelta(seconds=number % 80_000)
        runs.append(
            Run(**copied(like, no=1000 + number, state="succeeded", started_at=ended, ended_at=ended, plan=b""))
        )
        tasks += [Task(**copied(task, run_id=runs[-1].pk, step=f"s{n}")) for n in range(EACH)]
    for one in tasks[:: len(tasks) // LOST]:
        one.remote, one.state = "unknown", "interrupted"
    with unevidenced():
        Run.objects.bulk_create(runs, batch_size=500)
    with unevidenced():
        Task.objects.bulk_create(tasks, batch_size=1000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


@pytest.mark.figures
def test_a_look_for_lost_tasks_does_not_read_all_that_ever_ran(
    world: World, figure: Callable[[str, Any], None]
) -> None:
    ran(world)
    assert len(remotes.unknown(["development"], at=now())) == LOST
    spent = took(lambda: remotes.unknown(["development"], at=now()))
    floor = took(lambda: list(Task.objects.values_list("remote", flat=True)))
    figure(
        f"lost_tasks_{connection.vendor}", {"tasks": TASKS, "ms": round(spent, 1), "all_of_them_ms": round(floor, 1)}
    )
    assert spent < floor, "it costs as much as reading every task"


def test_it_goes_by_an_index_of_its_own(db: None) -> None:
    rows = Task.objects.filter(remote="unknown").order_by("id")
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
        sql, params = rows.query.sql_with_params()
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{sql}", params)
        assert "task_unknown" in str(cursor.fetchall())
