"""A PostgreSQL of somebody else: an application's data, two templates, and the issuer's login with a password."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from procedures.credentials import postgres_setup
from procedures.credentials.postgres_role import PostgresRole
from procedures.credentials.postgres_setup import Template
from procedures.domain.clock import now
from procedures.domain.definition import CredentialNeed
from procedures.domain.ports import Binding, Lease, RunContext
from procedures.domain.secrets import Secret
from tests.fixtures import postgres

PASSWORD = "the issuer's own"
SERVERS = itertools.count(1)  # each room that asks for one has its own, at an address of its own
NEED = CredentialNeed("db", "postgres", {}, 300)
DATA = """
CREATE SCHEMA app;
CREATE TABLE app.users (id int PRIMARY KEY, name text NOT NULL, password text NOT NULL, locked boolean NOT NULL);
INSERT INTO app.users SELECT n, 'user ' || n, 'hash', n = 3 FROM generate_series(1, 5) n;
CREATE ROLE app_owner NOLOGIN;
CREATE ROLE reader NOLOGIN;
CREATE ROLE fixer NOLOGIN;
GRANT USAGE ON SCHEMA app TO reader, fixer;
GRANT SELECT (id, name, locked) ON app.users TO reader, fixer;
GRANT UPDATE (locked) ON app.users TO fixer;
GRANT CREATE ON SCHEMA app TO fixer;
"""


@dataclass(frozen=True, slots=True)
class Shop:
    """The database `app`; `root` is its superuser, `provider` what makes roles in it."""

    address: str
    root: psycopg.Connection[Any]
    provider: PostgresRole

    def binding(self, role: str = "reader", **ceiling: Any) -> Binding:
        where = {"secret": "minter", "host": self.address, "database": "app", "tls": "off", **ceiling}
        return Binding("staging", "db", "postgres-role", role, where, 600, {}, "sha256:x")

    def lend(self, role: str = "reader", *, ttl_s: int = 60, lease: UUID | None = None, **ceiling: Any) -> Lease:
        return self.provider.issue(
            context(), NEED, self.binding(role, **ceiling), lease or uuid4(), at=now(), ttl_s=ttl_s
        )

    def login(self, lease: Lease) -> psycopg.Connection[Any]:
        return self.connect(str(lease.evidence["role"]), lease.material["password"].reveal().decode())

    def connect(self, user: str, password: str) -> psycopg.Connection[Any]:
        return psycopg.connect(host=self.address, dbname="app", user=user, password=password, autocommit=True)

    def minter(self) -> psycopg.Connection[Any]:
        return self.connect(postgres_setup.LOGIN, PASSWORD)

    def ask(self, question: str, *words: Any) -> Any:
        row = self.root.execute(question.encode(), words).fetchone()
        return row and row[0]

    def run_roles(self) -> Sequence[str]:
        rows = self.root.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'opsportal\\_run\\_%'").fetchall()
        return [row[0] for row in rows]


def context(deadline: datetime | None = None) -> RunContext:
    return RunContext(
        run_id=uuid4(),
        run_no=1,
        step="ask",
        attempt=1,
        procedure="report",
        digest="sha256:" + "a" * 64,
        environment="staging",
        requester="rita",
        approvers=(),
        runner="r",
        deadline=deadline or now(),
    )


@pytest.fixture(scope="session")
def server() -> Iterator[tuple[str, str]]:
    """(URL for the superuser, address at which everybody else logs in)."""
    number = os.getpid()
    address = f"127.{64 + number % 128}.{number // 128 % 250 + 1}.{next(SERVERS)}"
    with postgres.running(address) as url, psycopg.connect(url, autocommit=True) as link:
        link.execute("CREATE DATABASE app")
        with psycopg.connect(url, dbname="app", autocommit=True) as app:
            app.execute(DATA)
            app.execute(setup().encode())
            app.execute(setup().encode())
            app.execute(
                f"ALTER ROLE {postgres_setup.LOGIN} PASSWORD '{PASSWORD.replace(chr(39), chr(39) * 2)}'".encode()
            )
        yield url, address


def setup() -> str:
    return postgres_setup.script([Template("reader", 3600), Template("fixer", 900)])


@pytest.fixture
def shop(server: tuple[str, str], tmp_path: Path) -> Iterator[Shop]:
    url, address = server
    fetch = lambda environment, name: Secret(PASSWORD.encode())  # noqa: E731
    with psycopg.connect(url, dbname="app", autocommit=True) as root:
        yield Shop(address, root, PostgresRole(fetch, tmp_path / "none.pem"))
