"""`sql:query` against a real PostgreSQL: values arrive as they are, nothing is kept that was not expected."""

from __future__ import annotations

import csv
import io
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import pytest

from procedures.actions.sql import SqlQuery
from procedures.domain.definition import ArtifactNeed
from procedures.domain.ports import ActionResult, Lease
from procedures.domain.secrets import Secret
from tests.actions.calls import HOSTILE, Collected, call
from tests.postgres.conftest import Shop

SQL = SqlQuery()
HERE = ("127.0.0.0/8",)


@pytest.fixture
def reader(shop: Shop) -> Iterator[Lease]:
    lease = shop.lend("reader")
    yield lease
    shop.provider.revoke(lease.handle, "over")


@pytest.fixture
def fixer(shop: Shop) -> Iterator[Lease]:
    lease = shop.lend("fixer")
    yield lease
    shop.provider.revoke(lease.handle, "over")


def asked(lease: Lease | None, io: Collected | None = None, **changes: Any) -> ActionResult:
    given = {name: changes.pop(name) for name in list(changes) if name in SQL.input_schema["properties"]}
    files = changes.pop("files", {})
    return SQL.run(call(input=given, files=files, lease=lease, networks=HERE, **changes), io or Collected())


def test_rows_come_back_as_what_they_are(reader: Lease) -> None:
    result = asked(
        reader,
        query="SELECT id, name, locked, 1.5::numeric AS share, NULL AS nothing, '{\"a\": [1]}'::jsonb AS more, "
        "'2026-01-02 03:04:05+00'::timestamptz AS at, 9007199254740993 AS large, id FROM app.users WHERE id = $1",
        parameters=[3],
    )
    assert result.outcome == "succeeded", result.message
    (row,) = result.output["rows"]
    assert row == {
        "id": 3,
        "name": "user 3",
        "locked": True,
        "share": "1.5",
        "nothing": None,
        "more": {"a": [1]},
        "at": "2026-01-02T03:04:05+00:00",
        "large": "9007199254740993",
        "id_2": 3,
    }
    assert result.facts["template"] == "reader"
    assert result.facts["role"].startswith("opsportal_run_")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_value_arrives_as_it_is(reader: Lease, name: str) -> None:
    value = HOSTILE[name] + "'; DROP TABLE app.users; --"
    result = asked(reader, query="SELECT $1::text AS v, $2::jsonb AS j", parameters=[value, {"k": value}])
    assert result.output["rows"] == [{"v": value, "j": {"k": value}}]


def test_sql_is_taken_as_it_stands(reader: Lease) -> None:
    result = asked(reader, query="SELECT '100 %' AS a, '%s {x} $9' AS b, name LIKE 'user%' AS c FROM app.users LIMIT 1")
    assert result.output["rows"] == [{"a": "100 %", "b": "%s {x} $9", "c": True}]


def test_it_only_reads_unless_it_says_that_it_writes(shop: Shop, fixer: Lease) -> None:
    unlock = "UPDATE app.users SET locked = false WHERE id = $1"
    result = asked(fixer, query=unlock, parameters=[3])
    assert result.outcome == "failed"
    assert "25006" in result.message
    assert shop.ask("SELECT locked FROM app.users WHERE id = 3") is True
    result = asked(fixer, query=unlock, parameters=[3], writes=True, expect={"min": 1, "max": 1})
    assert (result.outcome, result.output["count"]) == ("succeeded", 1)
    assert shop.ask("SELECT locked FROM app.users WHERE id = 3") is False
    shop.root.execute("UPDATE app.users SET locked = id = 3")


@pytest.mark.parametrize(
    ("query", "expect", "words"),
    [
        ("UPDATE app.users SET locked = true", {"max": 1}, "5 rows, and at most 1 were expected; nothing was kept."),
        (
            "UPDATE app.users SET locked = true WHERE id = 99",
            {"min": 1},
            "0 rows, and at least 1 were expected; nothing was kept.",
        ),
    ],
)
def test_what_is_not_as_expected_is_not_kept(
    shop: Shop, fixer: Lease, query: str, expect: Mapping[str, int], words: str
) -> None:
    result = asked(fixer, query=query, writes=True, expect=expect)
    assert (result.outcome, result.message) == ("failed", words)
    assert shop.ask("SELECT count(*) FROM app.users WHERE locked") == 1


def test_a_script_that_fails_in_the_middle_leaves_nothing(shop: Shop, fixer: Lease) -> None:
    files = {"all.sql": b"UPDATE app.users SET locked = true; CREATE TABLE app.half (a int); SELECT 1 / 0;"}
    result = asked(fixer, file="all.sql", files=files, writes=True)
    assert result.outcome == "failed"
    assert result.message.startswith("22012: division by zero")
    assert shop.ask("SELECT count(*) FROM app.users WHERE locked") == 1
    assert shop.ask("SELECT to_regclass('app.half')") is None


def test_what_is_named_is_quoted_and_must_be_one_name(shop: Shop, fixer: Lease) -> None:
    make = "CREATE TABLE app.{table} (a int)"
    for bad in ("x; DROP TABLE app.users", 'a"b', "", "1a", "a" * 64, "ü", "a.b", "a b", "a\n"):
        result = asked(fixer, query=make, identifiers={"table": bad}, writes=True)
        assert (result.outcome, result.facts.get("role") is not None) == ("failed", True), bad
        assert "is not one name" in result.message
    assert asked(fixer, query=make, identifiers={"table": "Select"}, writes=True).outcome == "succeeded"
    assert shop.ask("SELECT to_regclass('app.\"Select\"')::text") == 'app."Select"'
    result = asked(fixer, query="SELECT {other}", identifiers={"table": "a"})
    assert "do not agree" in result.message
    shop.root.execute('DROP TABLE app."Select"')


def test_more_rows_than_asked_for_are_said_to_be_more(reader: Lease) -> None:
    result = asked(reader, query="SELECT generate_series(1, 500) AS n", rows=2)
    assert result.output == {"columns": ["n"], "rows": [{"n": 1}, {"n": 2}], "count": 500, "truncated": True}


def test_a_report_is_a_file_without_formulas(reader: Lease) -> None:
    need = ArtifactNeed("report", "users.csv")
    query = (
        "SELECT id, CASE id WHEN 1 THEN '=cmd|x' ELSE name END AS name, -1.5 * id AS owed FROM app.users ORDER BY id"
    )
    result = asked(reader, query=query, csv="users.csv", rows=1, artifacts=(need,))
    rows = list(csv.reader(io.StringIO(result.files["report"].decode())))
    assert rows[:3] == [["id", "name", "owed"], ["1", "'=cmd|x", "-1.5"], ["2", "user 2", "-3.0"]]
    assert len(rows) == 6


def test_a_secret_is_bound_and_stands_in_no_output(reader: Lease) -> None:
    seen = Collected()
    result = asked(
        reader,
        seen,
        query="SELECT length($1::text) AS n",
        parameters=[{"env": "TOKEN"}],
        env={"TOKEN": "x"},
        secret_env={"TOKEN": Secret(b"s3cr3t")},
    )
    assert result.output["rows"] == [{"n": 6}]
    assert b"s3cr3t" not in b"".join(seen.out.values())


@pytest.mark.parametrize("how", ["canceled", "timed_out"])
def test_it_ends_at_once_and_says_what_is_known(shop: Shop, fixer: Lease, how: str) -> None:
    seen = Collected()
    if how == "canceled":
        threading.Timer(0.5, seen.cancelled.set).start()
    began = time.monotonic()
    files = {"slow.sql": b"UPDATE app.users SET locked = true; SELECT pg_sleep(30);"}
    seconds = 0.5 if how == "timed_out" else 20.0
    result = asked(fixer, seen, file="slow.sql", files=files, writes=True, seconds_left=seconds)
    assert time.monotonic() - began < 3
    assert (result.outcome, result.remote) == (how, "dead")
    assert "nothing was kept" in result.message
    assert shop.ask("SELECT count(*) FROM app.users WHERE locked") == 1
    active = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND state = 'active'"
    assert shop.ask(active, fixer.evidence["role"]) == 0


class Lost(Exception):
    """What a step learns when somebody else has its run."""


class LostIO(Collected):
    """The run is lost before the first line is stored; only the step's own thread may store anything."""

    def write(self, stream: Literal["stdout", "stderr", "system"], data: bytes) -> None:
        assert threading.current_thread() is threading.main_thread()
        raise Lost


def test_a_run_that_is_lost_on_the_way_is_no_time_out_and_its_statement_ends(shop: Shop, fixer: Lease) -> None:
    text = "DO $$ BEGIN RAISE NOTICE 'begun'; PERFORM pg_sleep(30); END $$"
    began = time.monotonic()
    with pytest.raises(Lost):
        asked(fixer, LostIO(), query=text, writes=True)
    assert time.monotonic() - began < 10
    assert (
        shop.ask("SELECT count(*) FROM pg_stat_activity WHERE query LIKE %s AND state = 'active'", "DO $$ BEGIN%") == 0
    )


def test_a_revoked_role_in_the_middle_of_a_write_is_told_as_unknown(shop: Shop, fixer: Lease) -> None:
    threading.Timer(0.5, lambda: shop.provider.revoke(fixer.handle, "stopped")).start()
    result = asked(fixer, query="SELECT pg_sleep(20)", writes=True)
    assert result.outcome == "failed"
    assert "57P01" in result.message or result.remote == "unknown"


def test_it_goes_only_where_a_step_may_go(reader: Lease) -> None:
    result = SQL.run(call(input={"query": "SELECT 1"}, lease=reader, networks=()), Collected())
    assert (result.outcome, result.facts["refused"]) == ("failed", "http.address-refused")
    assert asked(None, query="SELECT 1").facts["refused"] == "sql.no-database"


def test_it_ends_what_it_was_told_to_end_before_it_began(reader: Lease) -> None:
    seen = Collected()
    seen.cancelled.set()
    result = asked(reader, seen, query="SELECT 1")
    assert (result.outcome, result.remote, seen.out) == ("canceled", "dead", {})


def test_what_is_made_as_the_template_is_the_templates(shop: Shop, fixer: Lease) -> None:
    assert asked(fixer, query="CREATE TABLE app.ours (a int)", asTemplate=True, writes=True).outcome == "succeeded"
    assert shop.ask("SELECT tableowner FROM pg_tables WHERE tablename = 'ours'") == "fixer"
    shop.root.execute("DROP TABLE app.ours")


def test_outside_of_a_transaction(shop: Shop, fixer: Lease) -> None:
    assert asked(fixer, query="VACUUM", writes=True).message.startswith("25001")
    assert asked(fixer, query="VACUUM", writes=True, transaction=False).outcome == "succeeded"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "one of the two"),
        ({"query": "SELECT 1", "file": "a.sql"}, "one of the two"),
        ({"file": "b.sql"}, "holds no file"),
        ({"file": "bad.sql"}, "not UTF-8"),
        ({"query": "SELECT ${{ parameters.x }}"}, "holds no expressions"),
        ({"file": "a.sql"}, "holds no expressions"),
        ({"query": "SELECT {t}", "identifiers": {"t": "${{ steps.one.output.x }}"}}, "rule 19"),
        ({"query": "SELECT 1", "transaction": False, "expect": {"max": 1}}, "needs a transaction"),
        ({"query": "SELECT $1", "parameters": [{"env": "X"}]}, "names no variable"),
    ],
)
def test_lint_says_what_is_wrong(given: Mapping[str, Any], words: str) -> None:
    problems = SQL.check(given, {"a.sql": b"SELECT '${{ parameters.x }}'", "bad.sql": b"\xff"})
    assert words in " ".join(message for _, message in problems)


def test_the_plan_shows_the_text_and_the_values_and_no_secret() -> None:
    given = {"file": "a.sql", "parameters": ["x", {"env": "TOKEN"}], "env": {"TOKEN": "secret"}, "writes": True}
    shown = SQL.plan(call(input=given, files={"a.sql": b"SELECT $1, $2"}))
    assert shown["sql"] == "SELECT $1, $2"
    assert shown["parameters"] == ["x", {"env": "TOKEN"}]
    assert shown["environment"] == ["TOKEN"]
    assert "secret" not in str(shown)


def test_two_steps_at_once_have_two_roles(shop: Shop) -> None:
    leases = [shop.lend("fixer") for _ in range(4)]
    results: list[ActionResult] = []
    threads = [
        threading.Thread(
            target=lambda lease=lease: results.append(asked(lease, query="SELECT current_user::text AS me"))
        )
        for lease in leases
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {result.output["rows"][0]["me"] for result in results} == {lease.evidence["role"] for lease in leases}
    for lease in leases:
        assert shop.provider.revoke(lease.handle, "over") == "revoked"


def test_a_database_error_names_code_place_and_hint(reader: Lease) -> None:
    result = asked(reader, query="SELECT nme FROM app.users")
    assert result.message.startswith('42703: column "nme" does not exist')
    assert "Perhaps you meant" in result.message


def test_a_connection_of_before_that_the_server_still_counts_is_waited_for(shop: Shop, reader: Lease) -> None:
    held = [shop.login(reader), shop.login(reader)]
    leaving = threading.Timer(0.6, held[0].close)
    leaving.start()
    result = asked(reader, query="SELECT 1 AS one")
    assert (result.outcome, result.output["rows"]) == ("succeeded", [{"one": 1}])
    held.append(shop.login(reader))
    result = asked(reader, query="SELECT 1 AS one")
    assert (result.outcome, "too many connections for role" in result.message) == ("failed", True)
    for link in held:
        link.close()
