"""Erases, in a database that was restored, what two people had erased after the backup was made.

What erases is approved already, by a log that this database has lost: so neither a hold of then nor the lack of an
event keeps it. That it is lost stands in no log any more until two people say it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from procedures.domain.clock import now
from procedures.models import ControlChange
from procedures.services import purges, redactions


def erase_again(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Carry these redactions out again; gives those that this database knew nothing of."""
    said = ControlChange.objects.filter(control="redaction", state=ControlChange.State.CONFIRMED)
    known = {str(pk) for pk in said.values_list("pk", flat=True)}
    new = [row for row in rows if row["change"] not in known]
    if not _knows_purges():
        new = [row for row in new if "runs" not in row]
    if new:
        with _triggers_aside(), transaction.atomic():
            for row in new:
                redactions.carry_out(row, now(), change=UUID(str(row["change"])))
            if runs := [UUID(str(run)) for row in new for run in row.get("runs", ())]:
                purges.erase_agreed(runs, now())
    return new


def _knows_purges() -> bool:
    """Whether the software that made the backup had purges as they are now; else two people say them anew."""
    if "procedures_purge" not in connection.introspection.table_names():
        return False
    with connection.cursor() as cursor:
        columns = connection.introspection.get_table_description(cursor, "procedures_purge")
    return "problem" in {column.name for column in columns}


@contextmanager
def _triggers_aside() -> Iterator[None]:
    """None of our triggers on the tables that a redaction reaches, in one transaction of its own."""
    names = connection.introspection.table_names()
    tables = sorted(name for name in names if connection.introspection.installed_models([name]) & redactions.REACHED)
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name, sql, tbl_name FROM sqlite_master WHERE type = 'trigger'")
            aside = [(name, sql) for name, sql, table in cursor.fetchall() if table in tables]
            for name, _ in aside:
                cursor.execute(f'DROP TRIGGER "{name}"')
            yield
            for _, sql in aside:
                cursor.execute(sql)
            return
        for table in tables:
            cursor.execute(f'ALTER TABLE "{table}" DISABLE TRIGGER USER')
        yield
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in tables:
            cursor.execute(f'ALTER TABLE "{table}" ENABLE TRIGGER USER')
