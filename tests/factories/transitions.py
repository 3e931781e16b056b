"""Every state machine of the product as its own tables say, and a row in each of its states, for whoever walks them."""

# ruff: noqa: S608 - raw SQL is what this is for
from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

from django.apps import apps
from django.db import connection, models

import procedures.domain
from procedures.domain.clock import now
from procedures.domain.definition import RISKS
from procedures.models.evidenced import BY_TABLE, RUN, Rule
from tests.fixtures.parts import as_owner

OF_WORK = {  # what says where work stands and decides nothing: the reason that no event is asked for
    "procedures_notice": "a message on its way; giving it up is an event",
    "procedures_optionlist": "what a place answered last, read again before it counts",
    "procedures_targetcontact": "who was reached last, for a page",
}
_MOVES_OF = {
    "RUN_MOVES": "procedures_run",
    "TASK_MOVES": "procedures_task",
    "TRIAL_MOVES": "procedures_trial",
    "VERSION_MOVES": "procedures_version",
    "ACCESS_REQUEST_MOVES": "procedures_accessrequest",
    "CAMPAIGN_MOVES": "procedures_campaign",
    "ITEM_MOVES": "procedures_campaignitem",
}


@dataclass(frozen=True, slots=True)
class Machine:
    """A table with a column of states, and the changes that the product makes, or all, where no table of them is."""

    table: str
    column: str
    states: tuple[str, ...]
    moves: tuple[tuple[str, str], ...]

    @property
    def rule(self) -> Rule:
        return BY_TABLE[self.table]


def tables_of_moves() -> dict[str, Mapping[Any, frozenset[Any]]]:
    """Every table of moves that stands anywhere in the domain, by its name. A new one must be named here."""
    found: dict[str, Mapping[Any, frozenset[Any]]] = {}
    for module in pkgutil.iter_modules(procedures.domain.__path__):
        inside = vars(importlib.import_module(f"procedures.domain.{module.name}"))
        found |= {name: value for name, value in inside.items() if name.endswith("_MOVES")}
    return found


def columns_of_states() -> dict[str, str]:
    """table → its column of states, of every model that has one and is not of work alone."""
    found = {}
    for model in apps.get_app_config("procedures").get_models():
        names = {field.name for field in model._meta.get_fields() if isinstance(field, models.CharField)}
        for column in ("state", "decision"):
            if column in names and model._meta.db_table not in OF_WORK:
                found[model._meta.db_table] = column
    return found


def machines() -> list[Machine]:
    known = {_MOVES_OF[name]: moves for name, moves in tables_of_moves().items()}
    made = []
    for table, column in columns_of_states().items():
        rule = BY_TABLE[table]
        states = tuple(str(one) for one in (*rule.by_value(), *rule.free))
        moves = known.get(table)
        pairs = permutations(states, 2) if moves is None else ((a, b) for a, bs in moves.items() for b in sorted(bs))
        made.append(Machine(table, column, states, tuple((str(a), str(b)) for a, b in pairs)))
    return made


def model_of(table: str) -> type[models.Model]:
    return next(m for m in apps.get_app_config("procedures").get_models() if m._meta.db_table == table)


def _filled(field: models.Field[Any, Any]) -> Any:
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    if isinstance(field, models.UUIDField):
        return uuid4()
    if isinstance(field, models.BinaryField):
        return b"x"
    if isinstance(field, models.DateTimeField):
        return now()
    if isinstance(field, models.JSONField):
        return {}
    return uuid4().int % 30_000 if isinstance(field, models.IntegerField) else uuid4().hex[: field.max_length or 32]


def shaped(table: str, state: str) -> dict[str, Any]:
    """What else the database asks of a row that is in this state."""
    over = {"procedures_run": "succeeded failed timed_out canceled denied rejected expired interrupted"}
    over["procedures_trial"] = "passed failed none broken"
    if table in over:
        return {"ended_at": now() if state in over[table].split() else None}
    if table == "procedures_stepbatch":
        return {"token": None if state == "open" else uuid4()}
    if table == "procedures_secretresult":
        return {"content": b"x" if state == "kept" else None}
    return {}


def row_in(table: str, state: str, **more: Any) -> models.Model:
    """A row that was never saved: all that must be there is, and refers to nothing. `more` where the table has it."""
    model = model_of(table)
    given: dict[str, Any] = {columns_of_states()[table]: state, **shaped(table, state)}
    given |= {name: value for name, value in more.items() if name in {f.attname for f in model._meta.concrete_fields}}
    if table == "procedures_accessrequest":
        given |= {"person_id": 1, "procedure_id": uuid4()}
    if table == "procedures_secretresult":
        given["expires_at"] = now() + timedelta(days=1)
    if "risk" in {field.name for field in model._meta.get_fields()}:
        given["risk"] = RISKS[0]
    for field in model._meta.concrete_fields:
        if field.attname in given or field.has_default() or field.null or field.primary_key:
            continue
        given[field.attname] = _filled(field)
    if model._meta.pk is not None and not model._meta.pk.has_default() and isinstance(model._meta.pk, models.UUIDField):
        given["id"] = uuid4()
    return model(**given)


@contextmanager
def unevidenced() -> Iterator[None]:
    """What the owner of the tables does by hand: nothing asks for evidence meanwhile, and no key for its row."""
    with as_owner(), connection.cursor() as cursor:
        if connection.vendor != "sqlite":
            cursor.execute("SET session_replication_role = replica")
            try:
                yield
            finally:
                cursor.execute("SET session_replication_role = origin")
            return
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'opsportal_owes_%'")
        found = cursor.fetchall()
        for name, _ in found:
            cursor.execute(f"DROP TRIGGER {name}")
        try:
            yield
        finally:
            for _, sql in found:
                cursor.execute(sql)


def placed(row: models.Model) -> None:
    """Put a row that refers to nothing into its table."""
    with unevidenced():
        if connection.vendor == "sqlite":
            with connection.constraint_checks_disabled():
                row.save(force_insert=True)
        else:
            row.save(force_insert=True)


def becomes(machine: Machine, row: models.Model, state: str) -> list[tuple[str, list[Any]]]:
    """The raw SQL with which a row gets into another state."""
    more = {name: value for name, value in shaped(machine.table, state).items() if getattr(row, name) != value}
    sets = ", ".join(f"{name} = %s" for name in (machine.column, *more))
    values = [state, *(raw(value) for value in more.values()), raw(row.pk)]
    return [(f"UPDATE {machine.table} SET {sets} WHERE id = %s", values)]


def raw(value: Any) -> Any:
    """A value as SQL takes it on this database."""
    if isinstance(value, UUID):
        return value.hex if connection.vendor == "sqlite" else value
    return value


def event_sql(kind: str, *, run: Any, body: Mapping[str, Any]) -> list[tuple[str, list[Any]]]:
    """An event that waits for the log, as whoever writes SQL would forge it."""
    id, mark = uuid4(), uuid4().int % 2_000_000_000
    values = [raw(id), kind, raw(run), mark if run else None, now(), b"x", json.dumps(body).encode()]
    columns = "id, kind, run, n, at, header, body"
    return [
        (f"INSERT INTO evidence_event ({columns}) VALUES (%s, %s, %s, %s, %s, %s, %s)", values),
        ("INSERT INTO evidence_outbox (event_id) VALUES (%s)", [raw(id)]),
    ]


def event_for(rule: Rule, row: models.Model, kind: str) -> list[tuple[str, list[Any]]]:
    """The event of this kind that names this very row, by the first of its names that the row has."""
    told = {fact: getattr(row, column) for fact, column in reversed(rule.names) if fact != RUN}
    run = next((getattr(row, column) for fact, column in rule.names if fact == RUN), None)
    return event_sql(kind, run=run, body={fact: str(value) for fact, value in told.items()})
