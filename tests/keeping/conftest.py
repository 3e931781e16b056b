"""A portal with a run, whose log has a key and a memory in files as a sequencer's has, on a database with commits."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.db import connection, connections

from procedures.domain.clock import now
from procedures.evidence import export, place
from procedures.evidence.sequence import Sequencer
from procedures.models import Person
from procedures.runner.drive import drive
from tests.factories.portal import World, new_world
from tests.fixtures import databases, postgres
from tests.fixtures.databases import FreshDatabase


@dataclass(slots=True)
class Kept:
    """A portal. `key` is where its log's key lies."""

    world: World
    quinn: Person
    key: Path
    folder: Path
    database: FreshDatabase

    def sequence(self) -> Sequencer:
        """What the sequencer's process does: all that waits goes into the log. Raises LogWentBack."""
        sequencer = place.log_sequencer()
        while sequencer.step(now()):
            continue
        return sequencer

    def run(self) -> None:
        run = self.world.ask(self.quinn)
        drive(run.id)
        run.refresh_from_db()
        assert run.state == "succeeded"
        self.sequence()

    def empty(self) -> None:
        """The database is lost: a fresh one without a table takes its place."""
        connections["default"].close()
        name = str(connection.settings_dict["NAME"])
        if self.database.vendor == "sqlite":
            for file in (name, f"{name}-wal", f"{name}-shm"):
                Path(file).unlink(missing_ok=True)
        else:
            databases._administer(f'DROP DATABASE "{name}" WITH (FORCE)')
            databases._administer(f'CREATE DATABASE "{name}"')

    def pack(self) -> bytes:
        """A pack of the whole log as it stands; the sequencer goes on beside the export."""
        sequencer = self.sequence()
        proof = export._proof

        def stepped(event: object) -> bytes:
            while sequencer.step(now()):
                continue
            return proof(event)  # type: ignore[arg-type]

        export._proof = stepped  # type: ignore[assignment]
        try:
            data, _ = export.export_pack(
                wanted={}, exporter=self.world.mira.subject, log_key=sequencer.key.verifier, at=now(), separation="none"
            )
        finally:
            export._proof = proof
        return data


@pytest.fixture
def kept(fresh_database: FreshDatabase, tmp_path: Path, settings: object, monkeypatch: pytest.MonkeyPatch) -> Kept:
    keys, public = tmp_path / "log" / "keys", tmp_path / "log" / "public"
    keys.mkdir(parents=True)
    settings.OPSPORTAL_EVIDENCE_KEY_FILE = keys / "evidence"  # type: ignore[attr-defined]
    settings.OPSPORTAL_PUBLIC_DIR = public  # type: ignore[attr-defined]
    if fresh_database.vendor == "postgresql":
        monkeypatch.setenv("PATH", os.pathsep.join([str(postgres.binaries()), os.environ["PATH"]]))
    world = new_world()
    world.accepted()
    quinn = world.person("quinn")
    world.may(quinn, "run", procedure="hello")
    return Kept(world, quinn, keys / "evidence", tmp_path, fresh_database)
