"""What bounded rows cost: the hot questions of runner and web, as the owner of the tables and as the part, in turn."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from functools import partial
from statistics import median
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction

from procedures.domain.clock import now
from procedures.evidence.queries import authority_facts, facts_of_run
from procedures.models import Claim, Environment, LogChunk, Run, Task
from procedures.queries import pages_runs, queue
from procedures.services import holding, tasks
from procedures.services.tasks import Line
from tests.factories.portal import World, new_world
from tests.factories.transitions import unevidenced
from tests.fixtures.databases import FreshDatabase
from tests.fixtures.parts import acting_as
from tests.services.test_queue import me
from tests.services.test_queue_figures import filled

pytestmark = [pytest.mark.postgresql, pytest.mark.figures, pytest.mark.timeout(900)]
TIMES = 41
WIDE = 2_000  # tasks of one run
HISTORY = """
INSERT INTO procedures_task (id, run_id, phase, step, target, attempt, position, batch, state, output, facts, message,
  remote, started_at, ended_at)
SELECT gen_random_uuid(), r.id, 'steps', 'one', 'web-' || n, 1, 0, 0, 'succeeded', '{}', '{}', '', '', now(), now()
FROM procedures_run r CROSS JOIN generate_series(1, 10) n;
INSERT INTO procedures_logchunk (run_id, seq, step, target, stream, at, text)
SELECT r.id, n, 'one', '', 'stdout', now(), 'a line of output'
FROM procedures_run r CROSS JOIN generate_series(1, 10) n;
INSERT INTO evidence_event (id, kind, run, n, at, header, body)
SELECT gen_random_uuid(), 'task.finished', r.id, 100 + n, now(), '{"at": ""}', '{}'
FROM procedures_run r CROSS JOIN generate_series(1, 10) n;
ANALYZE"""


@pytest.fixture
def world(fresh_database: FreshDatabase) -> World:
    return new_world()


def _busy(world: World) -> tuple[Run, Claim]:
    """Ten thousand runs with a past, and one under way with many tasks and a long transcript."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # the superuser's hand: no trigger asks for evidence
        like = filled(world)
        cursor.execute(HISTORY)
    run = Run.objects.filter(state="running").order_by("no")[0]
    claim = Claim.objects.create(
        run=run, runner=me(), token=UUID(int=0), claimed_at=now(), heartbeat_at=now() + timedelta(days=1)
    )
    place = {"run": run, "phase": "steps", "attempt": 1, "position": 1, "batch": 0, "started_at": now()}
    with unevidenced():
        Task.objects.bulk_create([Task(**place, step="two", target=f"t{n}", state="running") for n in range(WIDE)])
    LogChunk.objects.bulk_create(
        [
            LogChunk(run=run, seq=1000 + n, step="two", target="", stream="stdout", at=now(), text="x")
            for n in range(WIDE)
        ]
    )
    with connection.cursor() as cursor:
        cursor.execute("RESET session_replication_role; ANALYZE")
    return like, claim


def _in_turn(act: Callable[[], object], part: Callable[[], AbstractContextManager[None]]) -> tuple[float, float]:
    """Medians in milliseconds, as the owner and as the part, one after the other each time."""
    spent: dict[str, list[float]] = {"owner": [], "part": []}
    for _ in range(TIMES):
        for who, as_whom in (("owner", nullcontext), ("part", part)):
            with as_whom():
                began = time.perf_counter()
                act()
                spent[who].append((time.perf_counter() - began) * 1000)
    return median(spent["owner"]), median(spent["part"])


def _connect_and_ask() -> None:
    """A request opens a connection of its own, and PostgreSQL reads what it knows of each table anew."""
    role = "SELECT current_user"
    with connection.cursor() as cursor:
        cursor.execute(role)
        (whom,) = cursor.fetchone()
    connection.close()
    with connection.cursor() as cursor:
        if whom != "opsportal":
            cursor.execute(f'SET ROLE "{whom}"')
    pages_runs.seen_by(_connect_and_ask.actor, now()).first()  # type: ignore[attr-defined]


def test_bounded_rows_cost_little(world: World, figure: Callable[[str, Any], None], record_property: Any) -> None:
    like, claim = _busy(world)
    run, place = claim.run, Environment.objects.get(pk="development")
    runner, web = partial(acting_as, "runner", "development"), partial(acting_as, "web")
    line = Line("two", "", "stdout", now(), "a line")

    def hold() -> None:
        with transaction.atomic():
            holding.hold(run.pk, claim.token)

    _connect_and_ask.actor = like.requester  # type: ignore[attr-defined]
    acts: dict[str, tuple[Callable[[], object], Callable[[], AbstractContextManager[None]]]] = {
        "runner: next of 10,000 queued": (lambda: queue.next_up(place, now()), runner),
        "runner: hold a claim": (hold, runner),
        f"runner: {WIDE:,} tasks of a run": (lambda: list(Task.objects.filter(run=run)), runner),
        "runner: store a line": (
            lambda: tasks.append(run=run.pk, token=claim.token, lines=[line], after=Claim.objects.get(pk=run.pk).lines),
            runner,
        ),
        "runner: facts of a run": (lambda: facts_of_run(run.pk), runner),
        "issuer: everything that decides authority": (authority_facts, runner),
        "web: newest 50 runs": (lambda: list(pages_runs.seen_by(like.requester, now())[:50]), web),
        f"web: {WIDE:,} lines of a log": (lambda: list(LogChunk.objects.filter(run=run).order_by("seq")), web),
        "web: a new connection and its first page": (_connect_and_ask, web),
    }
    rows = {}
    for name, (act, part) in acts.items():
        owner, bounded = _in_turn(act, part)
        rows[name] = {"owner_ms": round(owner, 2), "part_ms": round(bounded, 2), "ratio": round(bounded / owner, 2)}
    table = "\n".join(f"{r['ratio']:>6} {r['owner_ms']:>8} {r['part_ms']:>8}  {name}" for name, r in rows.items())
    record_property("table: ratio, ms as owner, ms as part", table)
    figure("roles-cost", rows)
    assert all(row["ratio"] < 3 or row["part_ms"] - row["owner_ms"] < 2 for row in rows.values()), table
