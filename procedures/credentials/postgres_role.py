"""`postgres-role`: a login made for one step of a run, with the rights of an allowed template, gone at its end."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Literal
from uuid import UUID

from procedures.credentials.postgres_setup import LOGIN, NAME
from procedures.credentials.sealed import Fetch, secret_of
from procedures.domain.definition import CredentialNeed
from procedures.domain.errors import OpsError
from procedures.domain.libpq import secured, trusted
from procedures.domain.ports import Binding, Lease, Provider, RunContext
from procedures.domain.repositories import HOST
from procedures.domain.secrets import Secret
from procedures.ssh.accounts import NotIssuable

TLS = ("verify-full", "require", "off")
SPARE = "5 minutes"
RENEWS = "SELECT to_regprocedure('opsportal.renew(name, interval)') IS NOT NULL"


class DatabaseRefused(OpsError):
    """The database did not make or end a role; the message holds its own words."""

    code = "postgres.refused"
    next_step = "Read the database's words; `opsportal database onboard` prints what it needs."


@dataclass(frozen=True, slots=True)
class Place:
    """One database and the login by which roles are made there; as words it is what a handle begins with."""

    environment: str
    secret: str
    host: str
    port: int
    database: str
    login: str
    tls: str

    def __str__(self) -> str:
        words = (self.environment, self.secret, self.host, self.port, self.database, self.login, self.tls)
        return " ".join(map(str, words))


def place_of(binding: Binding) -> Place:
    """Where a binding makes its roles. The ceiling: `{"secret", "host", "port"?, "database", "login"?, "tls"?}`.

    Raises NotIssuable, which names the field.
    """
    given = binding.ceiling
    host, tls, port = str(given.get("host", "")), str(given.get("tls", "verify-full")), given.get("port", 5432)
    if not HOST.fullmatch(host) or ":" in host or len(host) > 100:
        raise NotIssuable("ceiling.host: name the one host of the database.")
    if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65_536:
        raise NotIssuable("ceiling.port: name a port from 1 to 65535.")
    if tls not in TLS:
        raise NotIssuable(f"ceiling.tls: one of {', '.join(TLS)}.")
    if tls == "off" and not _is_here(host):
        raise NotIssuable("ceiling.tls: only a database on this very host is reached without TLS.")
    names = {"database": str(given.get("database", "")), "login": str(given.get("login", LOGIN))}
    for field, name in names.items():
        if not NAME.fullmatch(name):
            raise NotIssuable(f"ceiling.{field}: {name!r} is not one name of lower-case letters, digits, _ and -.")
    return Place(
        binding.environment, secret_of(binding, "password"), host, port, names["database"], names["login"], tls
    )


class PostgresRole(Provider):
    """`fetch` opens the sealed password of the issuer's login; `authority` is a file of CA certificates, if any."""

    kind: ClassVar[str] = "postgres"
    min_ttl_s: ClassVar[int] = 5

    def __init__(self, fetch: Fetch, authority: Path) -> None:
        self.fetch, self.authority = fetch, authority

    def validate(self, need: CredentialNeed, binding: Binding) -> None:
        place = place_of(binding)
        if not NAME.fullmatch(binding.role) or binding.role.startswith("pg_"):
            raise NotIssuable(f"{binding.role!r} is not the name of one template role.")
        for field, bound in (("role", binding.role), ("database", place.database)):
            if (wanted := need.scope.get(field)) is not None and wanted != bound:
                raise NotIssuable(f"The procedure asks for the {field} {wanted}, the binding gives {bound}.")

    def issue(
        self, context: RunContext, need: CredentialNeed, binding: Binding, lease_id: UUID, *, at: datetime, ttl_s: int
    ) -> Lease:
        self.validate(need, binding)
        place, password = place_of(binding), secrets.token_urlsafe(32)
        with self.connected(place) as link:
            verifier = link.pgconn.encrypt_password(password.encode(), b"", b"scram-sha-256").decode()
            wanted = (lease_id, binding.role, str(context.run_id), context.requester, context.digest, ttl_s, verifier)
            role, expires = link.execute(
                "SELECT * FROM opsportal.issue(%s, %s, %s, %s, %s, make_interval(secs => %s), %s)", wanted
            ).fetchone()
            (renewable,) = link.execute(RENEWS).fetchone()
        material = {"password": Secret(password.encode())}
        if self.authority.exists():
            material["authority"] = Secret(self.authority.read_bytes())
        env: dict[str, str | Secret] = {
            "PGHOST": place.host,
            "PGPORT": str(place.port),
            "PGDATABASE": place.database,
            "PGUSER": role,
            "PGPASSWORD": material["password"],
            "PGSSLMODE": "disable" if place.tls == "off" else place.tls,
        }
        return Lease(
            id=lease_id,
            provider="postgres-role",
            target=context.target.name if context.target else None,
            handle=f"{place} {role}",
            issued_at=at,
            expires_at=expires,
            renewable=renewable,  # not where it was set up before there was such a function
            self_expiring=True,
            kills_sessions=True,
            evidence={
                "host": place.host,
                "port": place.port,
                "database": place.database,
                "tls": place.tls,
                "template": binding.role,
                "role": role,
            },
            material=material,
            env=env,
        )

    def revoke(self, handle: str, why: str) -> Literal["revoked", "already-gone", "expires-only"]:
        place, role = _read(handle)
        with self.connected(place) as link:
            # In two transactions: nobody can log in any more before the sessions that are there are ended.
            link.execute("SELECT opsportal.disable(%s, %s)", (role, why[:200]))
            said = link.execute("SELECT opsportal.revoke(%s, %s)", (role, why[:200])).fetchone()[0]
        return "already-gone" if said == "already-gone" else "revoked"

    def renew(self, handle: str, *, ttl_s: int) -> datetime:
        """Never past what the template allows, counted from the issue: the database holds that by itself."""
        place, role = _read(handle)
        with self.connected(place) as link:
            asked = "SELECT opsportal.renew(%s, make_interval(secs => %s))"
            expires: datetime = link.execute(asked, (role, ttl_s)).fetchone()[0]
        return expires

    def unmade(self, binding: Binding, lease_id: UUID) -> bool:
        """The role's name follows from the lease: what a killed issuer left is found though nobody told its handle."""
        return self.revoke(f"{place_of(binding)} opsportal_run_{lease_id.hex}", "it was never lent") == "revoked"

    def describe(self, handle: str) -> dict[str, Any] | None:
        place, role = _read(handle)
        with self.connected(place) as link:
            row = link.execute(
                "SELECT run, requester, digest, issued, expires, ended, why FROM opsportal.my_lease WHERE role = %s",
                (role,),
            ).fetchone()
        names = ("run", "requester", "digest", "issued", "expires", "ended", "why")
        return None if row is None else dict(zip(names, row, strict=True))

    def sweep(self, known_open: Sequence[str]) -> Sequence[str]:
        """Looks at every database that an open handle names."""
        ended: list[str] = []
        places = {str(place): place for place, _ in map(_read, known_open)}
        for words, place in places.items():
            known = [role for where, role in map(_read, known_open) if str(where) == words]
            with self.connected(place) as link:
                rows = link.execute("SELECT opsportal.sweep(%s::name[], %s::interval)", (known, SPARE)).fetchall()
            for (role,) in rows:
                self.revoke(f"{words} {role}", "nobody knows this lease any more, or its time is over")
                ended.append(f"{words} {role}")
        return ended

    @contextmanager
    def connected(self, place: Place) -> Iterator[Any]:
        """A connection of the issuer's login, each statement for itself. Raises DatabaseRefused."""
        import psycopg

        password = self.fetch(place.environment, place.secret).reveal().decode().strip()
        try:
            with (
                trusted(self.authority.read_bytes() if self.authority.exists() else None) as root,
                psycopg.connect(
                    host=place.host,
                    port=place.port,
                    dbname=place.database,
                    user=place.login,
                    password=password,
                    autocommit=True,
                    connect_timeout=10,
                    application_name="opsportal issuer",
                    **secured(place.tls, root),
                ) as link,
            ):
                yield link
        except psycopg.Error as problem:
            said = problem.diag.message_primary or str(problem)
            raise DatabaseRefused(f"{place.host}/{place.database}: {said}".strip()[:500]) from None


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read(handle: str) -> tuple[Place, str]:
    environment, secret, host, port, database, login, tls, role = handle.split(" ")
    return Place(environment, secret, host, int(port), database, login, tls), role
