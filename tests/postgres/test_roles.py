"""`postgres-role` against a real PostgreSQL: what a role may, how it ends, and what nobody may make of it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from procedures.credentials.postgres_role import DatabaseRefused
from procedures.credentials.postgres_setup import LOGIN, OWNER, PREFIX
from procedures.domain.definition import CredentialNeed
from procedures.ssh.accounts import NotIssuable
from tests.postgres.conftest import NEED, Shop, context

Refused = psycopg.errors.InsufficientPrivilege


def test_a_role_does_what_its_template_may_and_is_gone_afterwards(shop: Shop) -> None:
    lease = shop.lend()
    with shop.login(lease) as link:
        assert link.execute("SELECT count(id) FROM app.users").fetchone() == (5,)
        for forbidden in (
            "SELECT password FROM app.users",
            "UPDATE app.users SET locked = false",
            "SET ROLE fixer",
            "SET ROLE " + OWNER,
            "SELECT * FROM opsportal.lease",
            "SELECT opsportal.sweep('{}', '0')",
            "CREATE ROLE more LOGIN",
            "COPY app.users (id) TO PROGRAM 'id'",
            "ALTER ROLE CURRENT_USER VALID UNTIL 'infinity'",
            "ALTER ROLE CURRENT_USER SUPERUSER",
            "GRANT fixer TO CURRENT_USER",
            "SELECT pg_read_file('/etc/passwd')",
        ):
            with pytest.raises(Refused):
                link.execute(forbidden.encode())
    told = shop.provider.describe(lease.handle)
    assert told is not None
    assert (told["requester"], told["digest"], told["ended"]) == ("rita", "sha256:" + "a" * 64, None)
    assert shop.provider.revoke(lease.handle, "the step has ended") == "revoked"
    assert shop.provider.revoke(lease.handle, "twice") == "already-gone"
    told = shop.provider.describe(lease.handle)
    assert told is not None
    assert told["why"] == "the step has ended"
    assert lease.evidence["role"] not in shop.run_roles()
    with pytest.raises(psycopg.OperationalError):
        shop.login(lease)


def test_the_password_never_reaches_the_server(shop: Shop) -> None:
    lease = shop.lend()
    kept = shop.ask("SELECT rolpassword FROM pg_authid WHERE rolname = %s", lease.evidence["role"])
    assert kept.startswith("SCRAM-SHA-256$")
    assert lease.material["password"].reveal().decode() not in kept + repr(lease)
    shop.provider.revoke(lease.handle, "over")


def test_issued_twice_for_one_lease_is_one_role(shop: Shop) -> None:
    number = uuid4()
    first, second = shop.lend(lease=number), shop.lend(lease=number)
    assert first.handle == second.handle
    assert first.expires_at == second.expires_at
    shop.login(second).close()
    with pytest.raises(psycopg.OperationalError):
        shop.login(first)
    shop.provider.revoke(first.handle, "over")
    with pytest.raises(DatabaseRefused, match="is over"):
        shop.lend(lease=number)


def test_what_it_owned_is_the_templates_and_runs_with_nobody_elses_rights(shop: Shop) -> None:
    lease = shop.lend("fixer")
    with shop.login(lease) as link:
        link.execute("CREATE TABLE app.mine (a int)")
        link.execute(
            "CREATE FUNCTION app.unlock() RETURNS void LANGUAGE sql SECURITY DEFINER AS "
            "'UPDATE app.users SET locked = false'"
        )
        link.execute("ALTER ROLE CURRENT_USER SET search_path = app")
        assert shop.provider.revoke(lease.handle, "over") == "revoked"
        with pytest.raises(psycopg.OperationalError):
            link.execute("SELECT 1")
    assert shop.ask("SELECT tableowner FROM pg_tables WHERE tablename = 'mine'") == "fixer"
    assert shop.ask("SELECT prosecdef FROM pg_proc WHERE proname = 'unlock'") is False
    other = shop.lend()
    with shop.login(other) as link, pytest.raises(Refused):
        link.execute("SELECT app.unlock()")
    shop.provider.revoke(other.handle, "over")
    shop.root.execute("DROP TABLE app.mine; DROP FUNCTION app.unlock")


def test_who_owns_something_elsewhere_is_shut_out_all_the_same(shop: Shop) -> None:
    lease = shop.lend("fixer")
    role = lease.evidence["role"]
    shop.root.execute("CREATE DATABASE elsewhere")
    try:
        shop.root.execute(f"ALTER DATABASE elsewhere OWNER TO {role}".encode())
        with shop.login(lease) as link:
            assert shop.provider.revoke(lease.handle, "over") == "revoked"
            with pytest.raises(psycopg.OperationalError):
                link.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError):
            shop.login(lease)
    finally:
        shop.root.execute("ALTER DATABASE elsewhere OWNER TO opsportal")
        shop.root.execute("DROP DATABASE elsewhere")
    assert shop.provider.revoke(lease.handle, "over") in {"revoked", "already-gone"}
    assert role not in shop.run_roles()


def test_who_logs_in_while_it_is_revoked_is_out_at_the_end(shop: Shop) -> None:
    lease, links, stop = shop.lend(), list[Any](), threading.Event()

    def knock() -> None:
        while not stop.is_set():
            with contextlib.suppress(psycopg.Error):
                links.append(shop.login(lease))

    knocking = [threading.Thread(target=knock) for _ in range(3)]
    for thread in knocking:
        thread.start()
    time.sleep(0.2)
    assert shop.provider.revoke(lease.handle, "over") == "revoked"
    stop.set()
    for thread in knocking:
        thread.join()
    assert links, "somebody was in"
    shop.provider.sweep([lease.handle])
    alive = 0
    for link in links:
        with contextlib.suppress(psycopg.Error):
            alive += link.execute("SELECT 1").fetchone()[0]
    assert alive == 0


def test_the_sweep_ends_what_nobody_knows_and_what_is_over(shop: Shop) -> None:
    known, short, forgotten = shop.lend(), shop.lend(ttl_s=1), shop.lend()
    shop.root.execute(
        "UPDATE opsportal.lease SET issued = issued - interval '10 minutes' WHERE role = %s",
        [forgotten.evidence["role"]],
    )
    with shop.login(short) as link:
        time.sleep(1.2)
        assert link.execute("SELECT 1").fetchone() == (1,), "a session outlives its password"
        assert set(shop.provider.sweep([known.handle])) == {short.handle, forgotten.handle}
        with pytest.raises(psycopg.OperationalError):
            link.execute("SELECT 1")
    shop.login(known).close()
    fresh = shop.lend()
    assert shop.provider.sweep([known.handle]) == [], "what was only just issued is spared"
    for lease in (known, fresh):
        shop.provider.revoke(lease.handle, "over")
    assert shop.run_roles() == []


def test_a_role_is_renewed_within_what_its_template_allows_from_its_issue_and_by_its_issuer_alone(shop: Shop) -> None:
    lease = shop.lend("fixer", ttl_s=60)  # 900 seconds at the most
    shop.root.execute("UPDATE opsportal.lease SET issued = issued - interval '14 minutes'")
    until = shop.provider.renew(lease.handle, ttl_s=600)
    assert until - lease.issued_at < timedelta(seconds=62), "fifteen minutes after its issue it is over"
    with pytest.raises(DatabaseRefused, match="not renewed for so long"):
        shop.provider.renew(lease.handle, ttl_s=901)
    shop.root.execute("UPDATE opsportal.lease SET issuer = 'somebody'")
    for role in (lease.evidence["role"], "app_owner", "fixer"):
        with pytest.raises(DatabaseRefused, match="somebody else's"):
            shop.provider.renew(lease.handle.replace(lease.evidence["role"], role), ttl_s=60)
    shop.root.execute("UPDATE opsportal.lease SET issuer = %s", [LOGIN])
    shop.root.execute(
        "UPDATE opsportal.lease SET expires = clock_timestamp() - interval '1 second' WHERE ended IS NULL"
    )
    with pytest.raises(DatabaseRefused, match="is over"):
        shop.provider.renew(lease.handle, ttl_s=60)
    shop.provider.revoke(lease.handle, "over")


ESCALATIONS = {
    "a template that is not allowed": "SELECT opsportal.issue({id}, 'app_owner', 'r', 'x', 'd', '60s', {verifier})",
    "programs": "SELECT opsportal.issue({id}, 'pg_execute_server_program', 'r', 'x', 'd', '60s', {verifier})",
    "the superuser": "SELECT opsportal.issue({id}, 'opsportal', 'r', 'x', 'd', '60s', {verifier})",
    "a life too long": "SELECT opsportal.issue({id}, 'reader', 'r', 'x', 'd', '2 hours', {verifier})",
    "a life without an end": "SELECT opsportal.issue({id}, 'reader', 'r', 'x', 'd', '0', {verifier})",
    "a password that is known": "SELECT opsportal.issue({id}, 'reader', 'r', 'x', 'd', '60s', 'hunter2')",
    "words in the password": "SELECT opsportal.issue({id}, 'reader', 'r', 'x', 'd', '60s', 'x'' SUPERUSER --')",
    "the data": "SELECT * FROM app.users",
    "a grant to itself": "GRANT fixer TO opsportal_issuer",
    "the owner's rights": "SET ROLE opsportal_owner",
    "a template of its own": "INSERT INTO opsportal.template VALUES ('app_owner', '1h', 1)",
    "a longer life for a template": "UPDATE opsportal.template SET max_ttl = '12h'",
    "the leases of others": "SELECT * FROM opsportal.lease",
    "the functions": "CREATE OR REPLACE FUNCTION opsportal.disable(a name, b text) RETURNS boolean "
    "LANGUAGE sql AS 'SELECT true'",
    "a role of its own": "CREATE ROLE mine LOGIN SUPERUSER",
    "somebody's password": "ALTER ROLE opsportal PASSWORD 'x'",
}


@pytest.mark.parametrize("attack", ESCALATIONS)
def test_the_issuers_login_gets_nothing_else(shop: Shop, attack: str) -> None:
    with shop.minter() as link:
        verifier = link.pgconn.encrypt_password(b"x", b"", b"scram-sha-256").decode()
        text = ESCALATIONS[attack].replace("{id}", f"'{uuid4()}'").replace("{verifier}", f"'{verifier}'")
        with pytest.raises(psycopg.Error) as refused:
            link.execute(text.encode())
        assert refused.value.sqlstate in {"42501", "P0001"}
    assert shop.run_roles() == []


def test_nobody_ends_a_role_that_is_no_lease_of_theirs(shop: Shop) -> None:
    lease = shop.lend()
    shop.root.execute("UPDATE opsportal.lease SET issuer = 'another' WHERE role = %s", [lease.evidence["role"]])
    with shop.minter() as link:
        for name in ("opsportal", "reader", str(lease.evidence["role"])):
            assert link.execute("SELECT opsportal.disable(%s, 'x')", [name]).fetchone() == (False,)
            assert link.execute("SELECT opsportal.revoke(%s, 'x')", [name]).fetchone() == ("already-gone",)
    shop.login(lease).close()
    back = "UPDATE opsportal.lease SET issuer = 'opsportal_issuer' WHERE role = %s"
    shop.root.execute(back, [lease.evidence["role"]])
    shop.provider.revoke(lease.handle, "over")


def test_what_shadows_a_name_changes_nothing(shop: Shop) -> None:
    with shop.minter() as link:
        link.execute("CREATE TEMP TABLE pg_roles (oid oid, rolname name)")
        link.execute(
            "CREATE FUNCTION pg_temp.format(text, VARIADIC text[]) RETURNS text LANGUAGE sql AS 'SELECT NULL::text'"
        )
        link.execute("SET search_path = pg_temp, pg_catalog")
        verifier = link.pgconn.encrypt_password(b"x", b"", b"scram-sha-256").decode()
        wanted = [uuid4(), verifier]
        issue = "SELECT role FROM opsportal.issue(%s, 'reader', 'r', 'x', 'd', '60s', %s)"
        role = link.execute(issue, wanted).fetchone()
        assert role is not None
        assert role[0].startswith(PREFIX)
        assert link.execute("SELECT opsportal.revoke(%s, 'over')", role).fetchone() == ("revoked",)
    assert shop.run_roles() == []


BAD: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "no secret": ("reader", {"secret": None}),
    "two hosts": ("reader", {"host": "a,b"}),
    "any host": ("reader", {"host": "*"}),
    "a socket": ("reader", {"host": "/var/run/postgresql"}),
    "a port in the host": ("reader", {"host": "127.0.0.1:1"}),
    "a port that is none": ("reader", {"port": "5432 sslmode=disable"}),
    "a port that is true": ("reader", {"port": True}),
    "words in the database": ("reader", {"database": "app user=x"}),
    "a login with words": ("reader", {"login": "a b"}),
    "TLS as one likes": ("reader", {"tls": "prefer"}),
    "no TLS over a network": ("reader", {"host": "db.example.com", "tls": "off"}),
    "a predefined role": ("pg_execute_server_program", {}),
    "a wildcard": ("*", {}),
}


@pytest.mark.parametrize("what", BAD)
def test_a_binding_names_one_database_and_one_template(shop: Shop, what: str) -> None:
    role, changes = BAD[what]
    shop.provider.validate(NEED, shop.binding())
    with pytest.raises(NotIssuable):
        shop.provider.validate(NEED, shop.binding(role, **changes))


def test_a_procedure_gets_what_the_environment_binds_and_no_more(shop: Shop) -> None:
    for scope in ({"role": "fixer"}, {"database": "other"}):
        with pytest.raises(NotIssuable, match="asks for the"):
            shop.provider.issue(
                context(),
                CredentialNeed("db", "postgres", scope, 300),
                shop.binding(),
                uuid4(),
                at=context().deadline,
                ttl_s=60,
            )
    assert shop.run_roles() == []


def test_a_database_that_is_away_is_told_in_its_words(shop: Shop) -> None:
    broken: list[Callable[[], Any]] = [lambda: shop.lend(port=1), lambda: shop.lend(database="nowhere")]
    for attempt in broken:
        with pytest.raises(DatabaseRefused) as told:
            attempt()
        assert shop.address in told.value.message
