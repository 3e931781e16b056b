"""`sql:query`: SQL of the bundle in PostgreSQL, under a role made for this run; what the requester gave is bound."""

from __future__ import annotations

import csv
import io as files
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from numbers import Number
from queue import SimpleQueue
from typing import Any, ClassVar, Literal

from procedures.actions.database import Database, reached, written
from procedures.domain import expressions
from procedures.domain.cells import quoted
from procedures.domain.errors import OpsError
from procedures.domain.ports import Action, ActionCall, ActionIO, ActionResult, Outcome
from procedures.domain.rendering import ENV_NAME
from procedures.domain.secrets import Secret

MAX_ROWS, ROWS, CSV_ROWS = 10_000, 100, 100_000
COUNT = {"type": "integer", "minimum": 0}


class SqlQuery(Action):
    """One text of SQL. It may only read unless `writes` says so; `expect` is judged before anything is kept."""

    id: ClassVar[str] = "sql:query"
    summary: ClassVar[str] = "Runs SQL in PostgreSQL under a role made for this run; values are bound, never pasted."
    floor: ClassVar[Any] = "moderate"
    credential_kinds: ClassVar[frozenset[str]] = frozenset({"postgres"})
    keeps_artifacts: ClassVar[bool] = True
    makes_file: ClassVar[str] = "csv"
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "query": {"type": "string", "minLength": 1, "maxLength": 100_000},
            "file": {"type": "string", "minLength": 1, "maxLength": 300},
            "parameters": {"type": "array", "maxItems": 100},
            "identifiers": {
                "type": "object",
                "propertyNames": {"pattern": "^[a-z][a-z0-9_]{0,30}$"},
                "additionalProperties": {"type": "string"},
            },
            "env": {
                "type": "object",
                "propertyNames": {"pattern": ENV_NAME.pattern},
                "additionalProperties": {"type": "string"},
            },
            "writes": {"type": "boolean"},
            "asTemplate": {"type": "boolean"},
            "transaction": {"type": "boolean"},
            "rows": {"type": "integer", "minimum": 0, "maximum": MAX_ROWS},
            "csv": {"type": "string", "minLength": 1, "maxLength": 300},
            "expect": {
                "type": "object",
                "additionalProperties": False,
                "minProperties": 1,
                "properties": {"min": COUNT, "max": COUNT},
            },
        },
    }
    output_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {
            "columns": {"type": "array", "items": {"type": "string"}},
            "rows": {"type": "array", "items": {"type": "object"}},
            "count": {"type": "integer"},
            "truncated": {"type": "boolean"},
        },
    }

    def check(self, input: Mapping[str, Any], files: Mapping[str, bytes]) -> list[tuple[str, str]]:
        given = [name for name in ("query", "file") if name in input]
        if len(given) != 1:
            return [("", "Give the SQL as `query` or as `file`, one of the two.")]
        problems = _text_problems(given[0], str(input[given[0]]), files)
        if any(path[0] in {"steps", "secrets"} for path in expressions.names_used(input.get("identifiers") or {})):
            problems.append(("/identifiers", "What is named may not be decided at run time (rule 19)."))
        if input.get("transaction") is False and "expect" in input:
            problems.append(("/expect", "needs a transaction: without one, what is not as expected stays."))
        known = input.get("env") or {}
        for at, value in enumerate(input.get("parameters") or []):
            if isinstance(value, Mapping) and set(value) == {"env"} and value["env"] not in known:
                problems.append((f"/parameters/{at}/env", "names no variable of this step's env."))
        return problems

    def plan(self, call: ActionCall) -> Mapping[str, Any]:
        given = call.input
        return {
            "sql": given["query"] if "query" in given else call.files[given["file"]].decode(),
            "parameters": list(given.get("parameters") or []),
            "identifiers": dict(given.get("identifiers") or {}),
            "environment": sorted([*(given.get("env") or {})]),
            "writes": bool(given.get("writes", False)),
            "as_template": bool(given.get("asTemplate", False)),
            "transaction": bool(given.get("transaction", True)),
            "expect": dict(given.get("expect") or {}),
            "rows": given.get("rows", ROWS),
        }

    def run(self, call: ActionCall, io: ActionIO) -> ActionResult:
        try:
            asked = Asked.of(call)
            return _worked(call, io, reached(call), asked)
        except OpsError as problem:
            io.write("system", (problem.message + "\n").encode())
            return ActionResult("failed", message=problem.message, facts={"refused": problem.code})


def _text_problems(name: str, text: str, files: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """What is wrong with the SQL as the bundle holds it."""
    if name == "file":
        if text not in files:
            return [("/file", f"The bundle holds no file {text}.")]
        try:
            text = files[text].decode()
        except UnicodeDecodeError:
            return [("/file", "The file is not UTF-8.")]
    if expressions.has_expression(text):
        return [(f"/{name}", "SQL holds no expressions: write $1, $2 … and give the values as `parameters`.")]
    return []


@dataclass(frozen=True, slots=True)
class Asked:
    """One step's SQL with the values that are bound to it. `parameters` may hold secrets."""

    sql: str
    parameters: Sequence[Any] = field(repr=False)
    identifiers: Mapping[str, str]
    writes: bool
    as_template: bool
    transaction: bool
    at_least: int
    at_most: int | None
    rows: int
    csv: str

    @classmethod
    def of(cls, call: ActionCall) -> Asked:
        given, expect = call.input, call.input.get("expect") or {}
        return cls(
            sql=given["query"] if "query" in given else call.files[given["file"]].decode(),
            parameters=[_value(call, value) for value in given.get("parameters") or []],
            identifiers=dict(given.get("identifiers") or {}),
            writes=bool(given.get("writes", False)),
            as_template=bool(given.get("asTemplate", False)),
            transaction=bool(given.get("transaction", True)),
            at_least=expect.get("min", 0),
            at_most=expect.get("max"),
            rows=given.get("rows", ROWS),
            csv=given.get("csv", ""),
        )

    @property
    def most(self) -> int:
        """How many rows are fetched: all that a file may hold, else those that are shown."""
        return CSV_ROWS if self.csv else self.rows

    def problem(self, count: int) -> str:
        """What is not as expected about so many rows, or an empty string."""
        if count < self.at_least:
            return f"{count} rows, and at least {self.at_least} were expected; nothing was kept."
        if self.at_most is not None and count > self.at_most:
            return f"{count} rows, and at most {self.at_most} were expected; nothing was kept."
        return ""


def _value(call: ActionCall, value: Any) -> Any:
    """A value as it is bound: objects and lists as JSON, `{env: NAME}` as that variable, which may be secret."""
    if isinstance(value, Mapping) and set(value) == {"env"}:
        name = value["env"]
        return call.secret_env[name].reveal().decode() if name in call.secret_env else call.env[name]
    return value


class _Told(ActionIO):
    """What the thread at the database has to say; the step's own passes it on, and may learn that its run is lost."""

    def __init__(self, io: ActionIO) -> None:
        self.cancelled, self._io = io.cancelled, io
        self._said: SimpleQueue[tuple[Any, bytes]] = SimpleQueue()

    def write(self, stream: Literal["stdout", "stderr", "system"], data: bytes) -> None:
        self._said.put((stream, data))

    def register_secret(self, secret: Secret) -> None:
        self._io.register_secret(secret)

    def pass_on(self) -> None:
        while not self._said.empty():
            self._io.write(*self._said.get())


def _worked(call: ActionCall, io: ActionIO, database: Database, asked: Asked) -> ActionResult:
    """The step's result; on cancel or time-out the statement is canceled, and what is known of it is said."""
    if io.cancelled.is_set():
        return ActionResult("canceled", remote="dead", message="Canceled before the database was asked.")
    found: Future[ActionResult] = Future()
    told = _Told(io)

    def work() -> None:
        try:
            found.set_result(_done(call, told, database, asked))
        except Exception as problem:  # noqa: BLE001 - raised again in the step's own thread
            found.set_exception(problem)

    threading.Thread(target=work, daemon=True).start()
    until, outcome = time.monotonic() + call.seconds_left, "timed_out"
    try:
        while not found.done() and time.monotonic() < until:
            if io.cancelled.is_set():
                outcome = "canceled"
                break
            wait([found], 0.02)
            told.pass_on()
    finally:
        if not (in_time := found.done()):
            database.cancel()
            wait([found], 0.8)
    told.pass_on()
    if in_time:
        return found.result()
    return _stopped(outcome, [found.result()] if found.done() else [], asked)  # type: ignore[arg-type]


def _stopped(outcome: Outcome, found: Sequence[ActionResult], asked: Asked) -> ActionResult:
    if found and found[0].outcome == "succeeded":
        return found[0]
    why = "Canceled" if outcome == "canceled" else "It took longer than its timeout"
    if not found:
        return ActionResult(outcome, remote="unknown", message=f"{why}; whether the database acted is not known.")
    kept = "nothing was kept" if asked.transaction else "what it had done before is kept"
    return ActionResult(outcome, remote="dead", message=f"{why}; the database ended the statement and {kept}.")


def _done(call: ActionCall, io: ActionIO, database: Database, asked: Asked) -> ActionResult:
    """What the database answered; never raises for what the world does."""
    import psycopg

    try:
        answer = database.asked(asked, io)
    except (psycopg.Error, OSError, OpsError) as problem:
        text = _said(problem)
        io.write("stderr", (text + "\n").encode())
        gone = database.lost(problem) and asked.writes
        more = " Whether the database acted is not known." if gone else ""
        return ActionResult(
            "failed", message=text[:400] + more, facts=database.facts, remote="unknown" if gone else None
        )
    if wrong := asked.problem(answer.count):
        io.write("system", (wrong + "\n").encode())
        return ActionResult("failed", message=wrong, facts=database.facts)
    if asked.csv and len(answer.rows) > CSV_ROWS:
        return ActionResult(
            "failed", message=f"A file holds at most {CSV_ROWS:,} rows; ask for fewer.", facts=database.facts
        )
    output = {
        "columns": list(answer.columns),
        "rows": [dict(zip(answer.columns, map(written, row), strict=True)) for row in answer.rows[: asked.rows]],
        "count": answer.count,
        "truncated": len(answer.rows) > asked.rows,
    }
    io.write("stdout", f"{answer.status}: {answer.count:,} rows\n".encode())
    kept = {need.name: _table(answer.columns, answer.rows) for need in call.artifacts if need.path == asked.csv}
    return ActionResult("succeeded", output=output, facts=database.facts, files=kept)


def _said(problem: Exception) -> str:
    """The database's own words with its code: what was wrong, where, and its hint."""
    told = getattr(problem, "diag", None)
    if told is None or told.message_primary is None:
        return str(getattr(problem, "message", problem)).strip() or type(problem).__name__
    parts = [f"{told.sqlstate}: {told.message_primary}", told.message_detail, told.message_hint]
    place = f"(at character {told.statement_position})" if told.statement_position else None
    return " ".join(part for part in (*parts, place) if part)


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    """Rows as CSV; a cell that a spreadsheet would compute is text."""
    raw = files.StringIO()
    out = csv.writer(raw, lineterminator="\n")
    out.writerow(columns)
    out.writerows([_cell(value) for value in row] for row in rows)
    return raw.getvalue().encode()


def _cell(value: Any) -> Any:
    """Text that looks like a formula is quoted; a number below zero stays a number."""
    found = written(value)
    return quoted(found) if isinstance(found, str) and not isinstance(value, Number) else found
