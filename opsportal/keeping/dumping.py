"""A database as bytes and back, by the database's own programs: pg_dump and pg_restore, or a copy of SQLite's file."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from django.db import connection, transaction

from procedures.domain.errors import OpsError

DEBIAN = Path("/usr/lib/postgresql")
PLAIN = ("--no-owner", "--no-privileges", "--no-tablespaces")  # another server has neither these roles nor these disks
Answer = TypeVar("Answer")
OF_ROLES = re.compile(
    r"^\d+; \d+ \d+ (POLICY|ROW SECURITY|COMMENT \S+ POLICY) "
)  # entries of a dump's table of contents


class DumpFailed(OpsError):
    """The database's own program did not do its work."""

    code = "backup.dump-failed"
    next_step = "Mend what the program says, then run the same command again; nothing was kept."


def member() -> str:
    """The dump's name in a backup."""
    return "database.sqlite3" if connection.vendor == "sqlite" else "database.dump"


def dump(target: Path, look: Callable[[], Answer]) -> Answer:
    """Write the database to `target`, and give what `look` finds in the very state that was written.

    Raises DumpFailed.
    """
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM INTO %s", [str(target)])
        return _in_copy(target, look)
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute("SELECT pg_export_snapshot()")
            snapshot = cursor.fetchone()[0]
        found = look()
        _call("pg_dump", *PLAIN, "--format=custom", f"--snapshot={snapshot}", f"--file={target}")
    return found


def load(source: Path) -> None:
    """Put a dump into the empty database of these settings, whole or not at all. Raises DumpFailed.

    What names roles stays out: another server has none of them, and `opsportal roles` gives them what they need.
    """
    if connection.vendor == "sqlite":
        place = Path(str(connection.settings_dict["NAME"]))
        connection.close()
        draft = place.with_name(place.name + ".restoring")
        shutil.copyfile(source, draft)
        draft.chmod(0o600)
        draft.replace(place)
        return
    connection.close()
    name = str(connection.settings_dict["NAME"])
    switches = (*PLAIN, "--single-transaction", "--exit-on-error", f"--dbname={name}")
    with tempfile.NamedTemporaryFile("w", prefix="opsportal-restore-") as wanted:
        wanted.writelines(f"{line}\n" for line in _listed(source) if not OF_ROLES.search(line))
        wanted.flush()
        _call("pg_restore", *switches, f"--use-list={wanted.name}", str(source))


def is_empty() -> bool:
    """Whether the database of these settings holds no table yet."""
    return not connection.introspection.table_names()


def _in_copy(target: Path, look: Callable[[], Answer]) -> Answer:
    """Ask the copy, not the database that goes on."""
    former = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = str(target)
    try:
        return look()
    finally:
        connection.close()
        connection.settings_dict["NAME"] = former


def _listed(source: Path) -> list[str]:
    return _call("pg_restore", "--list", str(source)).splitlines()


def _call(name: str, *switches: str) -> str:
    ended = subprocess.run([_program(name), *switches], env=_environ(), capture_output=True, text=True, check=False)
    if ended.returncode:
        raise DumpFailed(f"{name} failed: {ended.stderr.strip()[-1000:]}")
    return ended.stdout


def _environ() -> Mapping[str, str]:
    """How libpq finds the database; a password stands in no command line."""
    settings: Mapping[str, Any] = connection.settings_dict
    names = {"HOST": "PGHOST", "PORT": "PGPORT", "USER": "PGUSER", "PASSWORD": "PGPASSWORD", "NAME": "PGDATABASE"}
    told = {there: str(settings[here]) for here, there in names.items() if settings.get(here)}
    return {**{key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}, **told}


def _program(name: str) -> str:
    """The newest of these programs that is not older than the server: an older one refuses."""
    connection.ensure_connection()
    server = connection.connection.info.server_version // 10_000
    places = [*(Path(part) for part in os.get_exec_path()), *DEBIAN.glob("*/bin")]
    versions = {_version(place / name): place / name for place in places if (place / name).is_file()}
    fitting = [version for version in versions if version >= server]
    if not fitting:
        raise DumpFailed(f"There is no {name} of PostgreSQL {server} or newer here (postgresql-client-{server}).")
    return str(versions[min(fitting)])


def _version(program: Path) -> int:
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"(\d+)", told)
    return int(found.group(1)) if found else 0
