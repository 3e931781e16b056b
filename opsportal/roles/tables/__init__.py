"""The declared table: every table of the database, and what each part may do with it."""

from __future__ import annotations

from opsportal.roles.rights import Table
from opsportal.roles.tables import authority, evidence, people, places, procedures, runs

TABLES: tuple[Table, ...] = (
    *people.TABLES,
    *authority.TABLES,
    *procedures.TABLES,
    *places.TABLES,
    *runs.TABLES,
    *evidence.TABLES,
)
BY_NAME = {table.name: table for table in TABLES}
