"""Append-only, held by the database itself: nobody updates or deletes what evidence is.

Two things can be done to the body of an event, and nothing else of it: it goes, once two people purged its run, or it
lies in cold storage instead, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable

from django.db.backends.base.base import BaseDatabaseWrapper

from procedures.domain.guards import closed
from procedures.evidence import triggers_cold

FIXED = (
    "evidence_event",
    "evidence_leaf",
    "evidence_checkpoint",
    "evidence_cosignature",
    "evidence_anchor",
    "evidence_retained",
)


def fixed(connection: BaseDatabaseWrapper) -> list[str]:
    """The tables of evidence that this database has: one of older software, just restored, has fewer."""
    there = connection.introspection.table_names()
    return [table for table in FIXED if table in there]


SAME = ("id", "kind", "run", "n", "procedure", "actor", "at", "header", "xid")
PURGED = "length(NEW.body) = 0 AND EXISTS (SELECT 1 FROM procedures_purge p "
PURGED += "WHERE p.run_id = OLD.run)"


def _sqlite(tables: Iterable[str], there: Container[str]) -> dict[str, str]:
    """`there`: the tables of this database; one of older software knows no purges or no cold storage."""
    same = " AND ".join(f"NEW.{name} IS OLD.{name}" for name in SAME)
    found = _plain(tables)
    ways = [PURGED] if "procedures_purge" in there else []
    if triggers_cold.TABLE in there:
        ways.append(triggers_cold.COOLED_SQLITE)
        found |= triggers_cold.SQLITE
    if ways and "evidence_event_update" in found:
        plain = found["evidence_event_update"]
        allowed = f"{same} AND ({' OR '.join(ways)})"
        found["evidence_event_update"] = plain.replace(" BEGIN ", f" WHEN NOT ({allowed}) BEGIN ", 1)
    return found


def _plain(tables: Iterable[str]) -> dict[str, str]:
    return {
        f"{table}_{act.lower()}": f"CREATE TRIGGER {table}_{act.lower()} BEFORE {act} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, 'evidence is append-only'); END"
        for table in tables
        for act in ("UPDATE", "DELETE")
    }


POSTGRES = """
CREATE OR REPLACE FUNCTION opsportal_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  RAISE EXCEPTION 'evidence is append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$;
CREATE OR REPLACE FUNCTION opsportal_event_xid() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  NEW.xid := pg_current_xact_id()::text::bigint; RETURN NEW; END $$;
CREATE OR REPLACE FUNCTION opsportal_event_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE same boolean; said jsonb; BEGIN
  IF TG_OP = 'UPDATE' THEN
    same := (NEW.id, NEW.kind, NEW.run, NEW.n, NEW.procedure, NEW.actor, NEW.at, NEW.header, NEW.xid)
      IS NOT DISTINCT FROM
      (OLD.id, OLD.kind, OLD.run, OLD.n, OLD.procedure, OLD.actor, OLD.at, OLD.header, OLD.xid);
    IF same AND length(NEW.body) = 0
       AND EXISTS (SELECT 1 FROM procedures_purge p WHERE p.run_id = OLD.run) THEN
      RETURN NEW; END IF;{cooled} END IF;
  RAISE EXCEPTION 'evidence is append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$;
DROP TRIGGER IF EXISTS opsportal_event_xid ON evidence_event;
CREATE TRIGGER opsportal_event_xid BEFORE INSERT ON evidence_event
  FOR EACH ROW EXECUTE FUNCTION opsportal_event_xid();
""".replace("{cooled}", triggers_cold.COOLED_POSTGRES)
POSTGRES_TABLE = """
DROP TRIGGER IF EXISTS opsportal_append_only ON {table};
CREATE TRIGGER opsportal_append_only BEFORE UPDATE OR DELETE ON {table}
  FOR EACH ROW EXECUTE FUNCTION {function}();
DROP TRIGGER IF EXISTS opsportal_no_truncate ON {table};
CREATE TRIGGER opsportal_no_truncate BEFORE TRUNCATE ON {table}
  FOR EACH STATEMENT EXECUTE FUNCTION opsportal_append_only();
"""


def install(connection: BaseDatabaseWrapper) -> None:
    """Put every trigger in place; safe to repeat."""
    there = connection.introspection.table_names()
    tables = fixed(connection)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for name, sql in _sqlite(tables, there).items():
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
                cursor.execute(sql)
            return
        cursor.execute("SELECT current_schema()")
        schema = cursor.fetchone()[0]
        cursor.execute(closed(POSTGRES, schema))
        for table in tables:
            function = "opsportal_event_append_only" if table == "evidence_event" else "opsportal_append_only"
            cursor.execute(POSTGRES_TABLE.format(table=table, function=function))
        if triggers_cold.TABLE in there:
            cursor.execute(closed(triggers_cold.POSTGRES, schema))
            cursor.execute(triggers_cold.POSTGRES_TABLE)


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """Names of triggers that are absent or differ; empty when all is well."""
    there = connection.introspection.table_names()
    tables = fixed(connection)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            found = {name: re.sub(r"\s+", " ", sql) for name, sql in cursor.fetchall()}
            return [name for name, sql in _sqlite(tables, there).items() if found.get(name) != sql]
        cursor.execute("SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE tgenabled <> 'D'")
        present = set(cursor.fetchall())
    wanted = {(t, name) for t in tables for name in ("opsportal_append_only", "opsportal_no_truncate")}
    wanted |= {(t, name) for name, t in triggers_cold.WANTED} if triggers_cold.TABLE in there else set()
    return [f"{name} on {table}" for table, name in sorted(wanted - present)]


def forget_transactions(connection: BaseDatabaseWrapper) -> None:
    """Take from restored events the numbers of the transactions that wrote them, on PostgreSQL.

    A cluster that the dump was not made in counts from anew: a transaction of its own might be given an old number,
    and a change without evidence would pass for evidenced.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "BEGIN; ALTER TABLE evidence_event DISABLE TRIGGER opsportal_append_only; "
            "UPDATE evidence_event SET xid = NULL WHERE xid IS NOT NULL; "
            "ALTER TABLE evidence_event ENABLE TRIGGER opsportal_append_only; COMMIT"
        )
