"""From the place of each part: nobody becomes another, makes what passes for ours, or leaves the database by SQL."""

# ruff: noqa: S608 - raw SQL is what is tried here
from __future__ import annotations

import pytest
from django.db import connection

from procedures.models import Run
from tests.roles.conftest import Walled
from tests.roles.test_attacks import insert

pytestmark = [pytest.mark.postgresql, pytest.mark.timeout(300)]
PARTS = ("web", "scheduler", "sequencer", "runner_staging", "issuer_staging", "disposable", "reader")
ONE = "CREATE FUNCTION {name}() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'"

XID = "pg_current_xact_id()::text::bigint"


def test_nobody_becomes_another(walled: Walled) -> None:
    for part in PARTS:
        others = [walled.role(other) for other in (*PARTS, "runner_production") if other != part]
        for other in ("opsportal", "pg_read_all_data", "pg_execute_server_program", *others):
            assert "permission denied to set role" in walled.refusal(part, f'SET ROLE "{other}"'), f"{part}: {other}"
            assert "permission denied" in walled.refusal(part, f'SET SESSION AUTHORIZATION "{other}"'), other
            assert walled.refusal(part, f'GRANT "{other}" TO CURRENT_USER'), f"{part}: {other}"
        for wish in ("SUPERUSER", "BYPASSRLS", "CREATEROLE"):
            assert walled.refusal(part, f"ALTER ROLE CURRENT_USER {wish}"), wish
        assert walled.refusal(part, "CREATE ROLE friend LOGIN"), part


def test_nobody_makes_what_would_pass_for_ours(walled: Walled) -> None:
    for part in PARTS:
        for statement in (
            "CREATE TEMPORARY TABLE evidence_event (xid bigint, kind text)",
            "CREATE TABLE mine (x int)",
            "CREATE SCHEMA mine",
            ONE.format(name="public.pg_current_xact_id"),
            ONE.format(name="pg_temp.pg_current_xact_id"),
            "CREATE VIEW mine AS SELECT * FROM evidence_event",
            "CREATE OPERATOR public.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = int8eq)",
            "CREATE TRIGGER mine BEFORE INSERT ON procedures_run EXECUTE FUNCTION opsportal_append_only()",
        ):
            told = walled.refusal(part, statement)
            assert "permission denied" in told or "must be owner" in told, f"{part}: {statement}: {told}"


def test_nobody_takes_a_guard_away(walled: Walled) -> None:
    for part in PARTS:
        for statement in (
            "ALTER TABLE evidence_event DISABLE TRIGGER ALL",
            "DROP TRIGGER opsportal_append_only ON evidence_event",
            "ALTER FUNCTION opsportal_append_only() RESET search_path",
            "ALTER TABLE procedures_run DISABLE ROW LEVEL SECURITY",
            "DROP POLICY opsportal_open ON procedures_run",
            "CREATE POLICY mine ON procedures_run USING (true)",
            "SET session_replication_role = replica",
            'GRANT SELECT ON procedures_sealedsecret TO "opsportal"',
            "SELECT opsportal_append_only()",
        ):
            if "GRANT" in statement and part in {"web", "scheduler", "issuer_staging"}:
                _passes_nothing_on(walled, part)
                continue
            assert walled.refusal(part, statement), f"{part}: {statement}"
    told = walled.refusal("runner_staging", "SET row_security = off", "SELECT * FROM procedures_run")
    assert "would be affected by row-level security" in told


def _passes_nothing_on(walled: Walled, part: str) -> None:
    """Who may read may not let others read: PostgreSQL warns, and nothing is granted."""
    reader = walled.role("reader")
    walled.link(part).execute(f'GRANT SELECT ON procedures_sealedsecret TO "{reader}"'.encode())
    assert "permission denied" in walled.refusal("reader", "SELECT * FROM procedures_sealedsecret")


def test_nobody_leaves_the_database_by_sql(walled: Walled) -> None:
    for part in PARTS:
        for statement in (
            "COPY (SELECT 1) TO PROGRAM 'id'",
            "COPY procedures_notice FROM PROGRAM 'id'",
            "COPY (SELECT 1) TO '/tmp/x'",
            "SELECT pg_read_file('/etc/passwd')",
            "SELECT pg_ls_dir('/')",
            "SELECT lo_import('/etc/passwd')",
            "SELECT rolpassword FROM pg_authid",
            "CREATE EXTENSION plpython3u",
            "ALTER SYSTEM SET log_statement = 'none'",
            "LOAD 'auto_explain'",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'opsportal'",
        ):
            assert walled.refusal(part, statement), f"{part}: {statement}"


def test_a_temporary_table_called_evidence_event_stands_for_no_evidence(walled: Walled) -> None:
    """Even where somebody may make one. With functions that look names up as their caller does, it did."""
    world = walled.world
    world.accepted()
    quinn = world.person("quinn")
    world.may(quinn, "run")
    run = world.ask(quinn)
    with connection.cursor() as cursor:
        cursor.execute(f'GRANT TEMPORARY ON DATABASE "{connection.settings_dict["NAME"]}" TO "{walled.role("web")}"')
    attack = (
        "CREATE TEMPORARY TABLE evidence_event (xid bigint, kind text, run uuid, body bytea) ON COMMIT DROP",
        insert("pg_temp.evidence_event", xid=XID, kind="'run.denied'", run=f"'{run.pk}'"),
        f"UPDATE procedures_run SET state = 'denied', state_since = now(), ended_at = now() WHERE id = '{run.pk}'",
    )
    assert "without an evidence event" in walled.refusal("web", *attack)
    with connection.cursor() as cursor:
        cursor.execute("ALTER FUNCTION opsportal_evidenced_procedures_run() SECURITY INVOKER RESET search_path")
    link = walled.link("web")
    with link.transaction():
        for statement in attack:
            link.execute(statement.encode())
    assert Run.objects.get(pk=run.pk).state == "denied", "the attack is real where the function is open"
