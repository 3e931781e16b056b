"""Migrations are safe on a live system: they only add, and take no lock that would stop a busy database.

Until the first version is tagged every migration is applied to an empty database alone, or to one whose processes were
stopped. What the linter says of them then is allowed by kind, each with its reason; from the first tag on, nothing is.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection, migrations
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.utils import ConnectionHandler

from opsportal.keeping import setting_up
from tests.fixtures import postgres
from tests.fixtures.databases import FreshDatabase

ROOT = Path(__file__).resolve().parent.parent.parent
SQUAWK = Path(sys.executable).with_name("squawk")
OURS = ("procedures", "evidence")
# The last migration of the newest tagged version; those after it must be safe beside that version's processes.
RELEASED = ""
TAKES_AWAY = (
    migrations.RemoveField,
    migrations.DeleteModel,
    migrations.RenameField,
    migrations.RenameModel,
    migrations.AlterModelTable,
)
MAY_TAKE_AWAY: dict[tuple[str, str], str] = {}
BEFORE_A_RELEASE = {
    "adding-foreign-key-constraint": "the table is empty, so nothing is scanned while it is locked",
    "adding-required-field": "the table is empty, and no earlier process writes into it",
    "changing-column-type": "a name only grows longer, in a table that is empty",
    "ban-drop-default": "no earlier process is there that would insert without the column",
    "require-concurrent-index-creation": "the table is empty, so its index is made at once",
    "constraint-missing-not-valid": "the table is empty, so nothing is scanned",
}
# Matters of taste, and what `opsportal install` does for all migrations at once (a lock timeout; one at a time).
NOT_ASKED = (
    "prefer-robust-stmts",
    "prefer-text-field",
    "prefer-bigint-over-int",
    "prefer-bigint-over-smallint",
    "require-lock-timeout",
    "require-statement-timeout",
)


def operations() -> Iterator[tuple[str, Operation]]:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    for (app, name), migration in sorted(loader.disk_migrations.items()):
        if app in OURS:
            yield from ((f"{app}.{name}", operation) for operation in _flat(migration.operations))


def _flat(given: list[Operation]) -> Iterator[Operation]:
    for operation in given:
        inside = getattr(operation, "database_operations", None)
        yield from _flat(inside) if inside is not None else [operation]


def test_no_migration_takes_a_column_or_table_away() -> None:
    """A removed column takes two releases; the former software still reads it."""
    found = {(name, type(operation).__name__) for name, operation in operations() if isinstance(operation, TAKES_AWAY)}
    assert found == set(MAY_TAKE_AWAY), "name the migration in MAY_TAKE_AWAY with the reason why nobody reads it"


def test_every_migration_of_data_can_be_undone_or_says_so() -> None:
    for name, operation in operations():
        if isinstance(operation, migrations.RunPython | migrations.RunSQL):
            assert operation.reversible, f"{name} cannot be undone: give it a reverse, if only noop"


def lint(folder: Path) -> Counter[tuple[str, str]]:
    """What the linter for PostgreSQL says: (migration, rule) → how often."""
    words = ["--assume-in-transaction", "--pg-version", "15", "--reporter", "json", f"--exclude={','.join(NOT_ASKED)}"]
    told = subprocess.run([SQUAWK, *words, *sorted(folder.glob("*.sql"))], capture_output=True, text=True, check=False)
    return Counter((Path(row["file"]).stem, row["rule_name"]) for row in json.loads(told.stdout))


@pytest.mark.figures
@pytest.mark.once
def test_no_migration_takes_a_dangerous_lock(tmp_path: Path, db: None) -> None:
    """The SQL of each migration, as it would run on PostgreSQL, through a linter that knows its locks."""
    with postgres.running() as url:
        _write_sql(url, tmp_path)
    assert len(list(tmp_path.glob("*.sql"))) >= 27
    found = lint(tmp_path)
    late = {row for row in found if RELEASED and row[0] > RELEASED}
    assert not late, "make it safe: an index concurrently, a constraint not valid and then validated, a default kept"
    strange = {row for row in found if row[1] not in BEFORE_A_RELEASE}
    assert not strange
    assert {rule for _, rule in found} == set(BEFORE_A_RELEASE), "an exception that nothing needs is taken out"


def test_the_linter_knows_the_locks(tmp_path: Path) -> None:
    (tmp_path / "procedures.9999_bad.sql").write_text(
        'CREATE INDEX "x" ON "procedures_run" ("state");\n'
        'ALTER TABLE "procedures_run" ADD COLUMN "y" integer NOT NULL;\n'
        'ALTER TABLE "procedures_run" DROP COLUMN "z" CASCADE;\n'
    )
    rules = {rule for _, rule in lint(tmp_path)}
    assert {"require-concurrent-index-creation", "adding-required-field", "ban-drop-column"} <= rules


def test_a_released_version_names_its_last_migration() -> None:
    """The exceptions end with the first tag."""
    unreleased = re.search(r"^## .*\(unreleased\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    earlier = re.findall(r"^## \d", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert bool(RELEASED) == (not unreleased or len(earlier) > 1)


def _write_sql(url: str, folder: Path) -> None:
    import environ

    described = {**connection.settings_dict, **environ.Env.db_url_config(url), "OPTIONS": {}}
    described["HOST"] = str(described["HOST"]).replace("%2F", "/")
    there = ConnectionHandler({"default": described})["default"]
    try:
        executor = MigrationExecutor(there)
        executor.loader = MigrationLoader(there, replace_migrations=False)
        state = ProjectState(real_apps=executor.loader.unmigrated_apps)
        graph = executor.loader.graph  # what is applied to an empty database at once locks nobody out
        steps = [node for node in graph.leaf_nodes() if not graph.nodes[node].replaces]
        for migration, _ in executor.migration_plan(steps):
            with there.schema_editor(collect_sql=True, atomic=migration.atomic) as editor:
                state = migration.apply(state, editor, collect_sql=True)
            if migration.app_label in OURS:
                name = f"{migration.app_label}.{migration.name}"
                (folder / f"{name}.sql").write_text("\n".join(editor.collected_sql) + "\n")
    finally:
        there.close()


def test_a_migration_that_waits_for_a_lock_gives_way(fresh_database: FreshDatabase) -> None:
    """A migration that queues for a table would make every reader queue behind it: it gives up, and is run again."""
    if fresh_database.vendor == "sqlite":
        with setting_up.alone(), setting_up.alone():  # one writer, and no queue of locks
            assert MigrationExecutor(connection).loader.applied_migrations
        return
    with setting_up.alone(), connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == (f"{setting_up.LOCK_S}s",)
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)
