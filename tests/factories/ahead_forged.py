"""Approvals ahead that went through no door: what whoever owns the tables, or writes to the log, makes of one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from procedures.domain import ahead as rules
from procedures.domain.canonical import canon, parse
from procedures.domain.clock import now
from procedures.evidence import verify
from procedures.evidence.models import Event
from procedures.evidence.notes import load_key
from procedures.evidence.record import record
from procedures.evidence.sequence import Sequencer
from procedures.models import Person, PreApproval, PreApprovalUse, Run, Standing, triggers
from procedures.services import giving_ahead
from procedures.services.run_states import note
from tests.evidence.conftest import Log
from tests.standing.conftest import Ready


@contextmanager
def no_triggers() -> Iterator[None]:
    """Whoever owns the database drops what hinders them."""
    if connection.vendor != "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            yield
            cursor.execute("SET session_replication_role = origin")
        return
    with connection.cursor() as cursor:
        wanted = (
            "SELECT name FROM sqlite_master WHERE type = 'trigger' "
            "AND (tbl_name LIKE 'procedures_preapproval%' OR name LIKE 'opsportal_owes_%')"
        )
        for (name,) in cursor.execute(wanted).fetchall():
            cursor.execute(f"DROP TRIGGER {name}")
    yield
    triggers.install(connection)


def statement_by(ready: Ready, who: Person, row: Standing, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """(statement, plan) of an approval ahead as this person would have signed it, had the portal offered it."""
    plan = giving_ahead.offer(actor=ready.sam, name=row.name, at=now()).plan
    made = rules.statement(
        schedule=row.name,
        change=row.change,
        account=str(row.account.subject),
        plan=plan,
        runs=3,
        not_after=now() + timedelta(days=7),
        approver=who.subject,
        portal="http://localhost:8080",
        fresh=f"{Event.objects.count():032x}",
    )
    return made | more, dict(plan)


def written(ready: Ready, who: Person, row: Standing, *, signer: str = "", **more: Any) -> PreApproval:
    """An approval ahead that went through no door: the event and the row, signed by whoever's key is at hand."""
    value, work = statement_by(ready, who, row, **more)
    data, name = canon(value), signer or who.username
    signed = {"by": str(who.subject), "strength": "signed", "role": "approver", "method": "ssh", "key": ""}
    signed["sig"] = ready.world.signed(name, data)["signature"]
    facts = {part: value[part] for part in rules.NAMED}
    facts |= {"ahead": value["nonce"], "standing": "schedule", "name": row.name, "duties": ["operations"]}
    facts |= {"strength": "signed", "comment": "", "work": work}
    with no_triggers(), transaction.atomic():
        event = record(rules.GIVEN, actor=who.subject, at=now(), facts=facts, statement=data, signatures=[signed])
        return PreApproval.objects.create(
            standing=row,
            change=value["change"],
            approver=who,
            duties=["operations"],
            plan=canon(work),
            plan_digest=value["plan"],
            runs=int(value["runs"]) or 1,
            nonce=value["nonce"],
            statement=data,
            signatures=[signed],
            event=event.id,
            at=now(),
            not_after_at=now() + timedelta(days=7),
        )


def let_go(run: Run, one: PreApproval, **more: Any) -> Run:
    """The log and the tables say that this run was let go by that approval."""
    facts = {"ahead": one.nonce, "given": str(one.event), "plan_digest": run.plan_digest, "digest": run.digest}
    facts |= {"own": rules.own(parse(bytes(run.plan))), "duties": ["operations"], "use": 1, "of": one.runs}
    with no_triggers(), transaction.atomic():
        PreApprovalUse.objects.create(pre_approval=one, run=run, at=now())
        actor, header = one.approver.subject, {"a": one.nonce}
        note(rules.USED, run, at=now(), actor=actor, facts={**facts, **more}, header=header)
        note("run.queued", run, at=now(), actor=None, facts={"plan_digest": run.plan_digest})
        Run.objects.filter(pk=run.pk).update(state="queued", queued_at=now())
    run.refresh_from_db()
    return run


def packed(ready: Ready, of: Run, tmp_path: Path, **wanted: str) -> dict[str, Any]:
    log = Log(ready.world, Sequencer(load_key(tmp_path / "log.key", "test/log"), tmp_path / "log.published"), of)
    return verify.verify(log.pack(**wanted), log.key)
