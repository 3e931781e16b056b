"""Roles given to a database: once is enough, and what somebody changed by hand is put right or told."""

# ruff: noqa: S608 - names of roles are this test's own
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from django.db import connection

from opsportal.cli.main import main
from opsportal.roles import giving, logins, sharing
from procedures.models import Environment
from tests.fixtures.databases import FreshDatabase
from tests.roles.conftest import Walled

pytestmark = pytest.mark.postgresql


def sql(statement: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


def catalogue(walled: Walled) -> list[tuple[object, ...]]:
    """Rights, policies and roles as the database holds them, to the last oid; roles of other databases come and go."""
    ours = walled.role("web").removesuffix("web")
    roles = f"SELECT oid, rolname, rolcanlogin, xmin::text FROM pg_authid WHERE starts_with(rolname, '{ours}')"
    member = "SELECT m.roleid, m.member FROM pg_auth_members m JOIN pg_authid a ON a.oid = m.member"
    return [
        *sql(
            "SELECT c.oid, c.relacl::text, c.relrowsecurity FROM pg_class c WHERE relnamespace = 'public'::regnamespace"
        ),
        *sql("SELECT attrelid, attnum, attacl::text FROM pg_attribute WHERE attacl IS NOT NULL"),
        *sql("SELECT oid, polname, xmin::text FROM pg_policy ORDER BY oid"),
        *sql(f"{roles} ORDER BY oid"),
        *sql(f"{member} WHERE starts_with(a.rolname, '{ours}') ORDER BY 1, 2"),
    ]


def test_a_second_time_changes_nothing(walled: Walled) -> None:
    before = catalogue(walled)
    assert {str(row[1]) for row in before} >= {walled.role("web"), walled.role("issuer")}
    assert list(giving.planned()) == []
    assert giving.give().told == "The roles have what they need; nothing to do."
    assert catalogue(walled) == before


def test_what_was_changed_by_hand_is_put_right_and_what_is_not_ours_is_told(walled: Walled) -> None:
    runner, web = walled.role("runner_staging"), walled.role("web")
    for statement in (
        f'GRANT INSERT ON procedures_grant TO "{walled.role("runner")}"',
        "GRANT SELECT ON procedures_sealedsecret TO PUBLIC",
        f'GRANT UPDATE (body) ON evidence_event TO "{web}"',
        "DROP POLICY opsportal_pools ON procedures_task",
        "ALTER POLICY opsportal_in_staging ON procedures_run USING (true)",
        "ALTER TABLE procedures_logchunk DISABLE ROW LEVEL SECURITY",
        f'ALTER ROLE "{runner}" BYPASSRLS',
        f'GRANT pg_read_all_data TO "{runner}"',
        "CREATE POLICY for_a_friend ON procedures_run USING (true)",
    ):
        sql(statement)
    given = giving.give()
    assert given.done == 10
    assert {line.partition(" ")[0] for line in given.left} == {runner, "procedures_run"}
    assert giving.give().done == 0
    sql(f'REVOKE pg_read_all_data FROM "{runner}"')
    sql("DROP POLICY for_a_friend ON procedures_run")
    assert (giving.give().left, giving.planned().left) == ([], [])
    assert "permission denied" in walled.refusal("runner_staging", "INSERT INTO procedures_grant DEFAULT VALUES")


def test_an_issuer_that_logs_in_takes_its_rights_from_its_runner(fresh_database: FreshDatabase) -> None:
    Environment.objects.create(name="staging", title="Staging")
    giving.give()
    prefix = connection.settings_dict["NAME"]
    runner, issuer = f"{prefix}_runner_staging", f"{prefix}_issuer_staging"
    asked = f"SELECT has_table_privilege('{runner}', 'procedures_sealedsecret', 'SELECT')"
    assert sql(asked) == [(True,)], "where nobody else is, the runner lends"
    given = logins.Login(issuer, "its own")
    assert list(giving.planned([given])) == [f'REVOKE "{issuer}" FROM "{runner}"']
    assert giving.give([given]).done == 1
    assert (sql(asked), giving.give().done) == ([(False,)], 0), "and it stays so"


def test_a_new_environment_and_a_new_column_get_their_rights_the_next_time(walled: Walled) -> None:
    Environment.objects.create(name="lab", title="Lab")
    sql("ALTER TABLE procedures_person ADD COLUMN nickname text")
    statements = list(giving.planned())
    assert any('"nickname"' in one and "reader" in one for one in statements)
    assert [one for one in statements if one.startswith("CREATE ROLE")] == [
        f'CREATE ROLE "{walled.role(f"{part}_lab")}" NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION '
        "NOBYPASSRLS"
        for part in ("issuer", "runner")
    ] or sorted(statements)
    assert giving.give().done == len(statements)


def test_whoever_does_not_own_the_tables_is_told_whom_to_ask(walled: Walled) -> None:
    sql(f'REVOKE SELECT ON procedures_stop FROM "{walled.role("reader")}"')
    sql(f'SET ROLE "{walled.role("web")}"')
    with pytest.raises(giving.MayNotGive, match=r"had no effect|must have admin option") as refused:
        giving.give()
    sql("RESET ROLE")
    assert "opsportal roles --sql" in refused.value.next_step


def test_the_command_prints_what_it_would_do_does_it_and_says_so(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    Environment.objects.create(name="staging", title="Staging")
    name = connection.settings_dict["NAME"]
    shown = CliRunner().invoke(main, ["roles", "--sql"])
    assert f'CREATE ROLE "{name}_runner_staging"' in shown.stdout
    (tmp_path / "web").write_text(f"postgres://{name}_web:pass%20word@db.example.com/opsportal\n")
    done = CliRunner().invoke(main, ["roles", "--login", str(tmp_path / "web")])
    assert (done.exit_code, f"Logins set: {name}_web." in done.stdout) == (0, True), done.output
    ((verifier, may),) = sql(f"SELECT rolpassword, rolcanlogin FROM pg_authid WHERE rolname = '{name}_web'")
    assert (str(verifier).startswith("SCRAM-SHA-256$"), may) == (True, True)
    again = CliRunner().invoke(main, ["roles", "--json"])
    assert again.output == '{\n  "done": 0,\n  "logins": [],\n  "left": []\n}\n'
    assert CliRunner().invoke(main, ["roles", "--sql"]).stdout.strip() == ""


@pytest.mark.parametrize("text", ["", "redis://x:y@z", "postgres://db/opsportal", "postgres://nobody:pw@db/opsportal"])
def test_a_file_that_is_no_login_of_a_part_is_refused_without_its_password(
    fresh_database: FreshDatabase, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "login"
    file.write_text(text)
    done = CliRunner().invoke(main, ["roles", "--login", str(file)])
    assert (done.exit_code, "pw" in done.output) == (1, False)
    assert "holds no postgres:// URL" in done.output or "nobody is no login of this portal" in done.output
    assert sql(f"SELECT 1 FROM pg_roles WHERE rolname = '{connection.settings_dict['NAME']}_web'") == []


@pytest.fixture
def asked_for_passwords() -> Iterator[None]:
    """The cluster of tests, that asks our roles for passwords as a cluster in production does."""
    ((place,),) = sql("SHOW hba_file")
    file = Path(str(place))
    former = file.read_text()
    file.write_text("local all opsportal trust\nlocal all all scram-sha-256\n")
    sql("SELECT pg_reload_conf()")
    yield
    file.write_text(former)
    sql("SELECT pg_reload_conf()")


def test_a_part_comes_in_with_its_own_password_alone(walled: Walled, asked_for_passwords: None) -> None:
    web, given = walled.role("web"), logins.Login(walled.role("web"), "first")
    assert giving.give([given]).logins == [web]
    assert giving.give([given]).logins == [], "it works already"
    assert repr(given) == f"Login(role='{web}')"
    for password, comes_in in (("first", True), ("second", False)):
        assert logins._enters(logins.Login(web, password)) is comes_in
    assert giving.give([logins.Login(web, "second")]).logins == [web], "another password is a change"
    with pytest.raises(psycopg.OperationalError):
        walled.link("runner_staging")


def test_doctor_tells_who_shares_the_owners_login(walled: Walled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSPORTAL_PROFILE", "embedded")
    monkeypatch.setenv("DATABASE_URL", walled.url)
    assert sharing.told() is None, "one user owns all there"
    monkeypatch.setenv("OPSPORTAL_PROFILE", "production")
    state, mend = sharing.told() or ("", "")
    assert (state, mend.startswith("opsportal owns the portal's tables")) == ("off", True)
    for part in ("web", "runner_staging", "reader"):
        monkeypatch.setenv("DATABASE_URL", walled.url.replace("opsportal@", f"{walled.role(part)}@", 1))
        assert sharing.told() == ("ok", ""), part
    monkeypatch.setenv("DATABASE_URL", walled.url.replace("opsportal@", "nobody@", 1))
    assert (sharing.told() or ("", ""))[0] == "MISS"
    told = CliRunner().invoke(main, ["doctor", "--json"])
    assert "a login of its own in the database" in told.stdout
