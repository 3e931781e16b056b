"""A portal of earlier software comes up to date with its evidence whole, and what it exported stays good.

No version is tagged yet. `earlier/` holds what the software of 2026-11-25 left after two runs, with migrations up to
0014: its database, its log's key and memory, and a pack that it exported, with the verifier of its day in it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from opsportal.keeping import dumping
from opsportal.keeping.setting_up import set_up
from procedures.answers.drift import drift
from procedures.domain.clock import now
from procedures.evidence import place, verify
from procedures.evidence.check import check
from procedures.evidence.models import Event, Leaf
from procedures.evidence.sequence import beat
from procedures.models import Person, Run
from tests.keeping.conftest import Place
from tests.keeping.schema import schema

EARLIER = Path(__file__).parent / "earlier"
FRESH: dict[str, Any] = {}


@pytest.fixture
def earlier(bare: Place, tmp_path: Path) -> Path:
    """The earlier portal in the place of this test's."""
    assert ("procedures", "0014_code_apps") not in MigrationLoader(None).graph.nodes, "a new one is made at once"
    FRESH.update(schema())
    bare.empty()
    folder = tmp_path / "earlier"
    with zipfile.ZipFile(EARLIER / f"0014-{connection.vendor}.zip") as file:
        file.extractall(folder)
    for name in ("evidence", "evidence.published"):
        (bare.key.parent / name).write_bytes((folder / name).read_bytes())
    dumping.load(folder / dumping.member())
    return folder


def applied() -> set[str]:
    executor = MigrationExecutor(connection)
    return {name for app, name in executor.loader.applied_migrations if app == "procedures"}


def bodies() -> list[tuple[int, bytes, bytes]]:
    rows = Leaf.objects.order_by("index").values_list("index", "event__header", "event__body")
    return [(index, bytes(header), bytes(body)) for index, header, body in rows]


def test_an_earlier_portal_comes_up_to_date_and_its_evidence_is_the_same(
    earlier: Path, bare: Place, settings: Any
) -> None:
    settings.OPSPORTAL_PUBLIC_URL = "https://old.example"
    assert max(applied()).startswith("0014_")
    before = bodies()
    done = set_up([])
    assert done.migrated >= 12
    assert (done.fresh, done.link) == (False, None)
    assert set_up([]).migrated == 0, "a second time there is nothing to do"
    assert schema() == FRESH, "step by step and at once lead to the same"
    assert bodies()[: len(before)] == before
    assert check() == []
    assert drift(now()) == []
    assert Run.objects.filter(state="succeeded").count() == 2

    sequencer = place.log_sequencer()
    assert sequencer.key.verifier == (earlier / "evidence.pub").read_text().strip()
    assert beat(now())
    while sequencer.step(now()):
        continue
    assert check() == []
    with zipfile.ZipFile(earlier / "pack.zip") as pack:
        pack.extract("verify.py", earlier)
    words = [sys.executable, "-I", earlier / "verify.py", earlier / "pack.zip", "--log-key", sequencer.key.verifier]
    told = subprocess.run(words, capture_output=True, text=True, check=False)
    assert told.stdout.splitlines()[-1] == "verdict: SIGNED", "with the key that is still the log's"
    said = json.loads(bytes(Event.objects.get(kind="export.made").body))
    assert said["exporter"] == str(Person.objects.get(username="mira").subject)
    found = verify.verify(bare.pack(), sequencer.key.verifier)
    assert (found["verdict"], found["runs"], found["asserted"]) == ("SIGNED", 2, []), (
        "the new pack holds the earlier runs"
    )
