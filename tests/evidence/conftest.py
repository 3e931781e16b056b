"""A portal with one finished run, its log sequenced, and a pack of it."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from procedures.domain.clock import now
from procedures.evidence import export, verify
from procedures.evidence.notes import load_key
from procedures.evidence.sequence import Sequencer
from procedures.models import Run
from procedures.runner.drive import drive
from tests.factories.portal import World, new_world
from tests.fixtures.settled import Settled


@dataclass(slots=True)
class Log:
    """A world, its sequencer, and the one run in it."""

    world: World
    sequencer: Sequencer
    run: Run

    @property
    def key(self) -> str:
        return self.sequencer.key.verifier

    def sequence(self) -> None:
        while self.sequencer.step(now()):
            continue

    def pack(self, *, careless: bool = False, **wanted: str) -> bytes:
        """A pack; the sequencer steps in between, as its own process would. A careless exporter checks nothing."""
        self.sequence()
        proof, file = export._proof, io.BytesIO()

        def stepped(event: object) -> bytes:
            self.sequence()
            return proof(event)  # type: ignore[arg-type]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(export, "_proof", stepped)
            if careless:
                patch.setattr(verify.Story, "take", lambda *_: None)
                patch.setattr(verify.Reading, "erased", lambda _: [])
                patch.setattr(verify.Reading, "gone", lambda _: [])
                patch.setattr(verify, "_count_ahead", lambda *_: None)
            told = {"exporter": self.world.mira.subject, "log_key": self.key, "separation": "none"}
            export.export_pack(file, wanted=wanted, at=now(), **told)
        keep(file.getvalue(), self.key)
        return file.getvalue()


def keep(pack: bytes, log_key: str) -> None:
    """Keep what a test made where OPSPORTAL_KEEP_PACKS says: tests/golden/README.md tells what for."""
    if folder := os.environ.get("OPSPORTAL_KEEP_PACKS"):
        test = os.environ["PYTEST_CURRENT_TEST"].split("::")[-1].split(" ")[0].split("[")[0]
        number = len(list(Path(folder).glob(f"{test}.*.zip")))
        Path(folder, f"{test}.{number}.zip").write_bytes(pack)
        Path(folder, f"{test}.{number}.key").write_text(log_key)


@pytest.fixture
def log(db: None, settled: Settled, tmp_path: Path) -> Log:
    return settled(ended, tmp_path)


def ended(tmp_path: Path) -> Log:
    world = new_world()
    world.accepted()
    quinn = world.person("quinn")
    world.may(quinn, "run", procedure="hello")
    run = world.ask(quinn)
    drive(run.id)
    run.refresh_from_db()
    assert run.state == "succeeded"
    return Log(world, Sequencer(load_key(tmp_path / "log.key", "test/log"), tmp_path / "log.published"), run)
