"""One connection of a step to its database: judged address, one transaction, an end from another thread."""

from __future__ import annotations

import base64
import contextlib
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from time import monotonic
from typing import Any, Protocol

from procedures.actions import reach
from procedures.domain.errors import OpsError
from procedures.domain.libpq import secured, trusted
from procedures.domain.ports import ActionCall, ActionIO, Lease
from procedures.domain.seen import seen

CONNECT_S = 10
FULL, FULL_S = "too many connections for role", 5.0
# A step may have made operators of its own: these are the server's.
WROTE = "select pg_catalog.pg_current_xact_id_if_assigned() is not null"
TOUCHED = """select schemaname, relname, greatest(n_tup_ins, n_tup_upd, n_tup_del) operator(pg_catalog.>) 0
from pg_catalog.pg_stat_xact_user_tables
where greatest(seq_scan, idx_scan, n_tup_ins, n_tup_upd, n_tup_del) operator(pg_catalog.>) 0 limit 200"""
ONE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


class NoDatabase(OpsError):
    """A step that needs a database was given no credential for one."""

    code = "sql.no-database"
    next_step = "Name a credential of kind postgres in the step."


class NotOneName(OpsError):
    """What should be the name of a table, role or database is none."""

    code = "sql.not-a-name"
    next_step = "Let the parameter be one of a list, or let it match ^[a-z_][a-z0-9_]*$."


class Query(Protocol):
    """What is asked of a database in one step."""

    @property
    def sql(self) -> str: ...
    @property
    def parameters(self) -> Sequence[Any]: ...
    @property
    def identifiers(self) -> Mapping[str, str]: ...
    @property
    def writes(self) -> bool: ...
    @property
    def as_template(self) -> bool: ...
    @property
    def transaction(self) -> bool: ...
    @property
    def most(self) -> int: ...
    def problem(self, count: int) -> str: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `rows` are at most as many as were asked for and one more; `count` is the database's own."""

    status: str
    count: int
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(slots=True)
class Database:
    """Where one lease leads. `cancel` may be called from any thread at any time."""

    call: ActionCall
    lease: Lease
    address: str
    ended: threading.Event = field(default_factory=threading.Event)
    link: Any = None
    used: dict[str, Any] = field(default_factory=dict)

    @property
    def facts(self) -> dict[str, Any]:
        told = {name: self.lease.evidence[name] for name in ("host", "port", "database", "role", "template")}
        return told | seen(credential="used" if self.link is not None else "not used", **self.used)

    def asked(self, query: Query, io: ActionIO) -> Answer:
        """The answer, kept by the database only if it is as expected. Raises psycopg.Error, NotOneName."""
        text = composed(query.sql, query.identifiers)
        with self._connected(io, query) as link:
            self.link = link
            if self.ended.is_set():
                raise reach.Stopped("It was stopped before the database was asked.")
            if not query.transaction:
                link.autocommit = True
                return self._executed(link, text, query)
            link.read_only = not query.writes
            with contextlib.ExitStack() as stack:
                block = stack.enter_context(link.transaction())
                answer = self._executed(link, text, query)
                self.used = _used(link)
                if self.ended.is_set():
                    raise reach.Stopped("It was stopped before anything was kept.")
                block.force_rollback = bool(query.problem(answer.count))
            return answer

    def lost(self, problem: Exception) -> bool:
        """Whether the connection broke after it stood, so that nobody heard how it ended."""
        return self.link is not None and self.link.broken and not getattr(problem, "sqlstate", None)

    def cancel(self) -> None:
        """Have the database end what it does; nothing is raised, and nothing new is begun."""
        self.ended.set()
        if self.link is not None:
            with contextlib.suppress(Exception):
                self.link.cancel_safe(timeout=0.5)

    @contextlib.contextmanager
    def _connected(self, io: ActionIO, query: Query) -> Iterator[Any]:
        import psycopg

        told, material = self.lease.evidence, self.lease.material
        authority = material.get("authority")
        seconds = max(1, int(self.call.seconds_left))
        options = f"-c statement_timeout={seconds * 1000}"
        if query.as_template:  # what is made belongs to the template at once, with its right to make databases
            options += f" -c role={told['template']}"
        with (
            trusted(authority.reveal() if authority else None) as root,
            self._opened(
                host=told["host"],
                hostaddr=self.address,
                port=told["port"],
                dbname=told["database"],
                user=told["role"],
                password=material["password"].reveal().decode(),
                connect_timeout=min(CONNECT_S, seconds),
                application_name=f"opsportal {self.call.step}"[:63],
                options=options,
                client_encoding="UTF8",
                cursor_factory=psycopg.RawCursor,
                **secured(str(told["tls"]), root),
            ) as link,
        ):
            link.add_notice_handler(lambda notice: _noticed(io, notice))
            yield link

    def _opened(self, **where: Any) -> Any:
        """A connection. The server counts a former one until a moment after it was closed: that is waited for.

        Raises psycopg.OperationalError, Stopped.
        """
        import psycopg

        until = monotonic() + min(FULL_S, self.call.seconds_left)
        while True:
            try:
                return psycopg.connect(**where)
            except psycopg.OperationalError as problem:
                if FULL not in str(problem) or monotonic() > until:
                    raise
            if self.ended.wait(0.1):
                raise reach.Stopped("It was stopped before it began.")

    def _executed(self, link: Any, text: str, query: Query) -> Answer:
        bound = [_bound(value) for value in query.parameters]
        with link.cursor() as cursor:
            cursor.execute(text, bound or None)
            while cursor.nextset():
                pass
            columns = _columns(cursor.description or ())
            rows = cursor.fetchmany(query.most + 1) if cursor.description else []
            return Answer(cursor.statusmessage or "", max(cursor.rowcount, 0), columns, rows)


def _used(link: Any) -> dict[str, Any]:
    """What this transaction did, in the server's own words: tables by its statistics, and whether anything changed.

    Asked behind a savepoint: where the server has no answer, what the step did is kept all the same.
    """
    import psycopg

    with contextlib.suppress(psycopg.Error), link.transaction(), link.cursor() as cursor:
        wrote = cursor.execute(WROTE).fetchone()[0]
        rows = cursor.execute(TOUCHED).fetchall()
        touched = [(f"{schema}.{table}", changed) for schema, table, changed in rows]
        return {
            "wrote": bool(wrote),
            "read": [name for name, changed in touched if not changed],
            "written": [name for name, changed in touched if changed],
        }
    return {}


def reached(call: ActionCall) -> Database:
    """The database of a step's lease, its address judged. Raises NoDatabase, AddressRefused, OSError."""
    if call.lease is None or "password" not in call.lease.material:
        raise NoDatabase(f"The step {call.step} has no credential for a database.")
    told = call.lease.evidence
    return Database(call, call.lease, reach.judged(str(told["host"]), int(told["port"]), call.networks))


def composed(text: str, identifiers: Mapping[str, str]) -> str:
    """The SQL with each `{name}` as a quoted identifier; without identifiers the text as it is. Raises NotOneName."""
    from psycopg import sql

    if not identifiers:
        return text
    for name, value in identifiers.items():
        if not ONE_NAME.fullmatch(value):
            raise NotOneName(f"{name}: {value[:80]!r} is not one name of letters, digits and underscores.")
    try:
        parts = sql.SQL(text).format(**{name: sql.Identifier(value) for name, value in identifiers.items()})
    except (KeyError, ValueError, IndexError) as problem:
        raise NotOneName(
            f"The SQL and its identifiers do not agree: {problem}; a brace of its own is doubled."
        ) from None
    return parts.as_string(None)


def written(value: Any) -> Any:
    """A value of a row as JSON holds it; what JSON has no word for is text, as PostgreSQL writes it."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int) and abs(value) < 2**53:
        return value
    if isinstance(value, list | tuple):
        return [written(item) for item in value]
    if isinstance(value, dict):
        return {str(key): written(item) for key, item in value.items()}
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)


def _bound(value: Any) -> Any:
    from psycopg.types.json import Jsonb

    return Jsonb(value) if isinstance(value, dict | list) else value


def _columns(description: Sequence[Any]) -> list[str]:
    """The names of the columns, each once: a second `id` is `id_2`."""
    names: list[str] = []
    for column in description:
        name, turn = column.name, 2
        while name in names:
            name, turn = f"{column.name}_{turn}", turn + 1
        names.append(name)
    return names


def _noticed(io: ActionIO, notice: Any) -> None:
    io.write("stdout", f"{notice.severity}: {notice.message_primary}\n".encode())
