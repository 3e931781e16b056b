"""From the place of each part with raw SQL: no state of anything changes without its own event, whoever tries."""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from procedures.models import Run
from procedures.models.triggers_evidenced import WITHOUT
from tests.factories.transitions import becomes, event_for, machines, placed, row_in
from tests.roles.conftest import Walled

pytestmark = [pytest.mark.postgresql, pytest.mark.timeout(300)]
PARTS = ("web", "scheduler", "sequencer", "runner_staging", "issuer_staging", "disposable", "reader")
Statements = list[tuple[str, list[Any]]]
# who may change the states of a table at all, so that it is the want of evidence that stops them
STOPPED = {
    "procedures_run": {"web", "scheduler", "runner_staging"},
    "procedures_task": {"scheduler", "runner_staging"},
    "procedures_version": {"web", "scheduler"},
    "procedures_trial": {"scheduler", "disposable"},
    "procedures_controlchange": {"web", "scheduler"},
    "procedures_accessrequest": {"web", "scheduler"},
    "procedures_campaign": {"web", "scheduler"},
    "procedures_campaignitem": {"web", "scheduler"},
    "procedures_leaserecord": {"scheduler", "issuer_staging"},
    "procedures_secretresult": {"web", "scheduler", "runner_staging"},
    "procedures_stepbatch": {"runner_staging"},
}


def done(walled: Walled, part: str, statements: Statements) -> str:
    """What stops a part; empty if it changed the row."""
    link = walled.link(part)
    changed = 0
    try:
        with link.transaction():
            for sql, values in statements:
                changed = link.execute(sql.encode(), values).rowcount
    except psycopg.Error as problem:
        return str(problem)
    return "" if changed else "there is no such row for it"


def test_no_part_changes_a_state_without_its_event_or_with_that_of_something_else(walled: Walled) -> None:
    walled.world.accepted()
    quinn = walled.world.person("quinn")
    walled.world.may(quinn, "run")
    here = walled.world.ask(quinn)
    Run.objects.filter(pk=here.pk).update(environment="staging")
    stopped: dict[str, set[str]] = defaultdict(set)
    for machine in machines():
        for old, new in machine.moves:
            right = machine.rule.by_value().get(new)
            if right is None:
                continue
            row = row_in(machine.table, old, run_id=here.pk, environment_id="staging")
            other = row_in(machine.table, old, run_id=uuid4(), environment_id="staging")
            placed(row)
            change = becomes(machine, row, new)
            for part in PARTS:
                why = done(walled, part, change)
                assert why, (machine.table, old, new, part)
                if WITHOUT in why:
                    stopped[machine.table].add(part)
                for kind in (*right, "heartbeat"):
                    wrong = (
                        event_for(machine.rule, other, kind) if kind in right else event_for(machine.rule, row, kind)
                    )
                    assert done(walled, part, [*wrong, *change]), (machine.table, old, new, part, kind)
    assert stopped == STOPPED
