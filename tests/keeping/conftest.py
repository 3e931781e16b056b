"""A portal with a run, whose log has a key and a memory in files as a sequencer's has, on a database with commits."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
class Place:
    """Where a portal is kept. `key` is where its log's key lies."""

    key: Path
    folder: Path
    database: FreshDatabase

    def sequence(self) -> Sequencer:
        """What the sequencer's process does: all that waits goes into the log. Raises LogWentBack."""
        sequencer = place.log_sequencer()
        while sequencer.step(now()):
            continue
        return sequencer

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
        """A pack of the whole log as it stands, for Mira; the sequencer goes on beside the export."""
        sequencer, mira = self.sequence(), Person.objects.get(username="mira").subject
        proof = export._proof

        def stepped(event: object) -> bytes:
            while sequencer.step(now()):
                continue
            return proof(event)  # type: ignore[arg-type]

        export._proof = stepped  # type: ignore[assignment]
        try:
            key = sequencer.key.verifier
            file = io.BytesIO()
            export.export_pack(file, wanted={}, exporter=mira, log_key=key, at=now(), separation="none")
            return file.getvalue()
        finally:
            export._proof = proof


@dataclass(slots=True)
class Kept(Place):
    """A portal whose QA may run a procedure."""

    world: World
    quinn: Person

    def run(self) -> None:
        run = self.world.ask(self.quinn)
        drive(run.id)
        run.refresh_from_db()
        assert run.state == "succeeded"
        self.sequence()


@pytest.fixture
def bare(fresh_database: FreshDatabase, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Place:
    keys = tmp_path / "log" / "keys"
    keys.mkdir(parents=True)
    settings.OPSPORTAL_EVIDENCE_KEY_FILE = keys / "evidence"
    settings.OPSPORTAL_PUBLIC_DIR = tmp_path / "log" / "public"
    if fresh_database.vendor == "postgresql":
        monkeypatch.setenv("PATH", os.pathsep.join([str(postgres.binaries()), os.environ["PATH"]]))
    return Place(keys / "evidence", tmp_path, fresh_database)


@pytest.fixture
def kept(bare: Place) -> Kept:
    world = new_world()
    world.accepted()
    quinn = world.person("quinn")
    world.may(quinn, "run", procedure="hello")
    return Kept(bare.key, bare.folder, bare.database, world, quinn)
