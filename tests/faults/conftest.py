"""A whole portal with one practice host, and two people on it; one for all files of this room."""

from __future__ import annotations

import io
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from opsportal.demo.client import Keyboard
from opsportal.demo.company import Company
from opsportal.demo.hosts import Host
from opsportal.supervisor.portal import Portal
from tests.fixtures.counterparts import need

YAML = b"""\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: note-down}
spec:
  owner: group:default/x
  type: operation
  risk: moderate
  environments: [staging]
  timeout: 1m
  parameters: {properties: {word: {type: string, title: Word, maxLength: 100, default: x}}}
  targets: {filter: "role=web"}
  credentials: {deploy: {kind: ssh, ttl: 2m}}
  steps:
    - {id: write, action: "ssh:script", credentials: [deploy], input: {script: write.sh}, timeout: 20s}
"""
SCRIPT = b'echo "$PARAM_WORD" >>"$HOME/notes"\nsleep 1\necho "done $PARAM_WORD" >>"$HOME/notes"\n'


@dataclass(slots=True)
class Site:
    """A running portal, its host, and the keyboards of Mira (manager) and Adam (author)."""

    portal: Portal
    host: Host
    company: Company

    @property
    def mira(self) -> Keyboard:
        return self.company["mira"]

    def notes(self) -> list[str]:
        """What the host itself wrote down."""
        path = self.host.home / "notes"
        return path.read_text().splitlines() if path.exists() else []

    def kinds(self, run: dict[str, Any]) -> list[str]:
        """The kinds of a run's events, read from the portal's own database."""
        with self._database() as database:
            rows = database.execute(
                "SELECT kind FROM evidence_event WHERE run = ? ORDER BY n", (UUID(run["id"]).hex,)
            ).fetchall()
        return [kind for (kind,) in rows]

    def has(self, run: dict[str, Any], kind: str) -> bool:
        return kind in self.kinds(run)

    @contextmanager
    def nobody_writes(self) -> Iterator[None]:
        """Hold the database's one write lock."""
        with self._database() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                database.execute("ROLLBACK")

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        path = self.portal.data_dir / "database" / "opsportal.sqlite3"
        database = sqlite3.connect(path, isolation_level=None, timeout=10)
        try:
            yield database
        finally:
            database.close()

    def ask(self, word: str) -> Any:
        return self.mira.call(
            "POST",
            "/api/v1/runs/",
            {"procedure": "note-down", "environment": "staging", "reason": "a fault", "parameters": {"word": word}},
        )


@pytest.fixture(scope="package")
def site(host_number: int) -> Iterator[Site]:
    need("sshd")
    with tempfile.TemporaryDirectory(prefix="opsportal-faults-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        host = Host("web-01", folder / "web-01", 103 + host_number)
        host.start()
        environ = {"OPSPORTAL_RUNNER_ADDRESS": "127.0.0.1/32", "OPSPORTAL_HEARTBEAT_LOST_S": "3"}
        portal = Portal(folder / "portal", environ=environ)
        portal.start()
        try:
            yield _furnish(portal, host, folder)
        finally:
            portal.stop()
            host.stop()


def _furnish(portal: Portal, host: Host, folder: Path) -> Site:
    keys = folder / "people"
    keys.mkdir(mode=0o700)
    company = Company(portal.url, keys)
    assert portal.first_link is not None
    company.found(portal.first_link)
    mira, adam = company["mira"], company["adam"]
    invited = mira.good("POST", "/api/v1/people/", {"username": "adam", "name": "Adam"})
    from opsportal.demo.client import PASSWORD

    adam.good(
        "POST", "/api/v1/join/", {"token": invited["invitation"].strip("/").rpartition("/")[2], "password": PASSWORD}
    )
    adam.login()
    company.people["jonas"] = mira
    company.grant("adam", ["author"], [])
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for path, content in {"procedure.yaml": YAML, "write.sh": SCRIPT, "README.md": b"x"}.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    company.add_hosts({"staging": [host]})
    version = adam.good("POST", "/api/v1/versions/", files={"bundle": ("b.tar.gz", raw.getvalue())})
    duties = ["operations", "security"]
    place = f"/api/v1/versions/{version['id']}/statement/"
    asked = mira.good("GET", place, params={"verdict": "accept", "duties": duties})
    body = {"version": version["id"], "digest": version["digest"], "verdict": "accept", "duties": duties}
    mira.good("POST", "/api/v1/reviews/", {**body, "signature": mira.sign(asked["statement"])})
    return Site(portal, host, company)
