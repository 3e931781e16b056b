"""What a database is made of, without the order in which it came to be."""

from __future__ import annotations

import re
from typing import Any

from django.db import connection

CAST = re.compile(r"::(?:character varying|text)(?:\[\])?|[()]")  # a dump writes them elsewhere than the server
CHECKED = re.compile(r'CONSTRAINT "(\w+)" CHECK (.*?)(?=, CONSTRAINT "|\)$)')


def schema() -> dict[str, Any]:
    """Table → its columns, and its constraints and indexes by name with all that they say."""
    with connection.cursor() as cursor:
        return {name: _table(cursor, name) for name in connection.introspection.table_names(cursor)}


def _table(cursor: Any, name: str) -> dict[str, Any]:
    look = connection.introspection
    columns = {
        row.name: (row.type_code, row.display_size, row.null_ok) for row in look.get_table_description(cursor, name)
    }
    rules = {}
    for rule, found in look.get_constraints(cursor, name).items():
        of = sorted(found["columns"])
        numbered = rule.startswith(("__unnamed", "fk_"))  # SQLite counts what has no name
        rules[f"of {of}" if numbered else rule] = [found[k] for k in ("unique", "foreign_key", "check", "index")] + of
    return {"columns": columns, "defaults": _defaults(cursor, name), "rules": rules, "texts": _texts(cursor, name)}


def _defaults(cursor: Any, name: str) -> dict[str, str]:
    if connection.vendor == "sqlite":
        return _pairs(cursor, "SELECT name, dflt_value FROM pragma_table_info(%s)", name)
    columns = "SELECT column_name, column_default FROM information_schema.columns "
    return _pairs(cursor, columns + "WHERE table_name = %s", name)


def _texts(cursor: Any, name: str) -> dict[str, str]:
    if connection.vendor == "sqlite":
        made = _pairs(cursor, "SELECT name, sql FROM sqlite_master WHERE tbl_name = %s", name)
        found = made | dict(CHECKED.findall(made.pop(name)))
    else:
        rules = "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
        found = _pairs(cursor, rules + "WHERE conrelid = %s::regclass", name)
        found |= _pairs(cursor, "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s", name)
    return {key: CAST.sub("", text or "") for key, text in found.items()}


def _pairs(cursor: Any, query: str, name: str) -> dict[str, str]:
    cursor.execute(query, [name])
    return dict(cursor.fetchall())
