"""A PostgreSQL that a test may stop as if the power failed, and start again on the same data."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.fixtures import postgres


@dataclass(slots=True)
class Cluster:
    """A PostgreSQL that can be stopped as if the power failed, and started again on the same data."""

    folder: Path
    programs: Path
    identity: dict[str, Any]
    server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgres://opsportal@{str(self.folder).replace('/', '%2F')}/postgres"

    def start(self) -> None:
        kept = dict(postgres.SWITCHES)
        postgres.SWITCHES["synchronous_commit"] = "on"
        try:
            self.server = postgres._start(self.programs, self.folder, self.identity)
        finally:
            postgres.SWITCHES.update(kept)

    def stop(self, number: int = signal.SIGQUIT) -> None:
        if self.server is not None:
            self.server.send_signal(number)
            self.server.wait(30)
            (self.folder / ".s.PGSQL.5432").unlink(missing_ok=True)

    def rows(self, question: str, *words: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(host=str(self.folder), user="opsportal", dbname="postgres") as link:
            return link.execute(question.encode(), words).fetchall()


def new_cluster() -> Cluster:
    """An empty one of this test's own; whoever made it removes its folder."""
    data = Path(tempfile.mkdtemp(prefix="opsportal-pg-", dir="/tmp"))
    programs, identity = postgres.binaries(), postgres._identity(data)
    if identity and not postgres._readable_by(programs / "postgres", identity):
        programs = postgres._copied(programs, data)
    postgres._make_cluster(programs, data, identity)
    return Cluster(data, programs, identity)
