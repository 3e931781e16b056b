"""Every change of every state machine with raw SQL: without its own event the database refuses it (evidence.md)."""

# ruff: noqa: PT017 - what is refused decides what is asserted of it
from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.db import IntegrityError, connection, models, transaction

from procedures.evidence.events import KINDS
from procedures.models.evidenced import RULES, Kinds, Rule
from procedures.models.triggers_evidenced import WITHOUT
from tests.factories.transitions import (
    OF_WORK,
    Machine,
    becomes,
    columns_of_states,
    event_for,
    event_sql,
    machines,
    model_of,
    placed,
    row_in,
    tables_of_moves,
)
from tests.fixtures.databases import FreshDatabase

Statements = list[tuple[str, list[Any]]]
MACHINES = machines()


def test_every_state_of_every_machine_has_a_row_in_the_rules() -> None:
    for name, moves in tables_of_moves().items():
        states = {str(one) for old, news in moves.items() for one in (old, *news)}
        found = next(one for one in MACHINES if states <= set(one.states))
        assert {(str(a), str(b)) for a, news in moves.items() for b in news} == set(found.moves), name
    for table, column in columns_of_states().items():
        known = model_of(table)._meta.get_field(column).choices or ()
        rule = next(one.rule for one in MACHINES if one.table == table)
        assert {str(value) for value, _ in known} <= {str(one) for one in (*rule.by_value(), *rule.free)}, table
        assert not set(rule.by_value()) & set(rule.free), table
    assert all(why for why in OF_WORK.values())


def test_the_rules_ask_for_kinds_of_event_that_there_are() -> None:
    for rule in RULES:
        for kind in rule.every_kind():
            assert any(one == kind or (kind.endswith(".") and one.startswith(kind)) for one in KINDS), (
                rule.table,
                kind,
            )


def refused(statements: Statements) -> bool:
    """Whether the commit of these statements is refused for want of evidence; what else goes wrong is raised."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            for sql, values in statements:
                cursor.execute(sql, values)
            owed = 0
            if connection.vendor == "sqlite":
                cursor.execute("SELECT count(*) FROM evidence_owed")
                owed = cursor.fetchone()[0]
    except IntegrityError as problem:
        if connection.vendor != "sqlite":
            assert WITHOUT in str(problem), problem
        else:
            assert owed, problem
        return True
    assert not owed
    return False


def taken_by_the_log() -> None:
    """The sequencer has taken all that waited: on SQLite what stands in the log pays for nothing that comes later."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM evidence_outbox")


def wrong_for(rule: Rule, right: Kinds) -> list[str]:
    """Another kind of this very table, and one of another noun altogether."""
    others = [kind for kind in rule.every_kind() if kind not in right]
    return [*others[:2], "heartbeat"]


def test_no_row_changes_its_state_without_an_event_of_its_own(fresh_database: FreshDatabase) -> None:
    for machine in MACHINES:
        walk(machine)


def walk(machine: Machine) -> None:
    rule = machine.rule
    for old, new in machine.moves:
        right = rule.by_value().get(new, ())
        row, other = row_in(machine.table, old), row_in(machine.table, old)
        placed(row)
        change = becomes(machine, row, new)
        where = (machine.table, old, new)
        if not right:
            assert new in rule.free, where
            assert not refused(change), where
            continue
        assert refused(change), where
        for kind in wrong_for(rule, right):
            assert refused([*event_for(rule, row, kind), *change]), (*where, kind)
            assert refused([*change, *event_for(rule, row, kind)]), (*where, kind)
        for kind in right:
            assert refused([*event_for(rule, other, kind), *change]), (*where, "of another row")
            assert refused([*change, *event_sql(kind, run=uuid4(), body={})]), (*where, "of another run")
            assert not refused(event_for(rule, row, kind)), "an event by itself"
            taken_by_the_log()
            assert refused(change), (*where, "its event stood in a transaction before")
        assert not refused([*change, *event_for(rule, row, right[0])]), where
        taken_by_the_log()


def test_no_row_is_born_in_a_state_without_an_event_of_its_own(fresh_database: FreshDatabase) -> None:
    for machine, state in [(one, state) for one in MACHINES for state in one.rule.by_value()]:
        rule = machine.rule
        right = rule.by_value()[state]
        for kind, fine in (("", False), (wrong_for(rule, right)[0], False), *((kind, True) for kind in right)):
            row = row_in(machine.table, str(state))
            assert _owed_by_birth(rule, row, kind) is not fine, (machine.table, state, kind)


def _owed_by_birth(rule: Rule, row: models.Model, kind: str) -> bool:
    """Whether a row that refers to nothing would still lack its event at the commit."""
    before = event_for(rule, row, kind) if kind else []
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            with connection.constraint_checks_disabled(), transaction.atomic():
                return _born_on_sqlite(row, before)
        table = rule.table  # references to nothing are not what is tried here
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL; ALTER TABLE {table} ENABLE TRIGGER USER")
        try:
            with transaction.atomic():
                for sql, values in before:
                    cursor.execute(sql, values)
                row.save(force_insert=True)
        except IntegrityError as problem:
            assert WITHOUT in str(problem), problem
            return True
        return False


def _born_on_sqlite(row: models.Model, before: Statements) -> bool:
    with connection.cursor() as cursor:
        for sql, values in before:
            cursor.execute(sql, values)
        row.save(force_insert=True)
        cursor.execute("SELECT count(*) FROM evidence_owed")
        owed = bool(cursor.fetchone()[0])
        transaction.set_rollback(True)
    return owed


def test_what_is_owed_is_held_by_triggers_that_the_start_compares(fresh_database: FreshDatabase) -> None:
    from procedures.models import triggers

    assert triggers.missing(connection) == []
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DROP TRIGGER opsportal_owes_procedures_run_update")
            assert triggers.missing(connection) == ["opsportal_owes_procedures_run_update"]
        else:
            cursor.execute("ALTER TABLE procedures_run DISABLE TRIGGER opsportal_evidenced")
            assert triggers.missing(connection) == ["opsportal_evidenced on procedures_run"]
    triggers.install(connection)
    with connection.cursor() as cursor:
        if connection.vendor != "sqlite":
            cursor.execute("ALTER TABLE procedures_run ENABLE TRIGGER opsportal_evidenced")
            cursor.execute("SELECT pg_get_functiondef('opsportal_evidenced_procedures_run'::regproc)")
            hollow = cursor.fetchone()[0].partition("AS $function$")[0] + "AS $$ BEGIN RETURN NULL; END $$"
            cursor.execute(hollow)
            assert triggers.missing(connection) == ["the body of opsportal_evidenced_procedures_run"]
            triggers.install(connection)
    assert triggers.missing(connection) == []
