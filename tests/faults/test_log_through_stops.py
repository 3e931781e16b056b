"""PostgreSQL stops as if the power failed, again and again, while writers write and the sequencer signs.

Nothing that was acknowledged is lost, nothing stands in the log twice, and every root that left the sequencer stays.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from procedures.evidence.notes import head_of, split_note
from tests.factories.witnesses import sequencing, until
from tests.faults.cluster import Cluster, new_cluster

pytestmark = [pytest.mark.once, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
WRITERS = 4


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    found = new_cluster()
    found.start()
    yield found
    found.stop()
    shutil.rmtree(found.folder, ignore_errors=True)


def environ(cluster: Cluster, folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "opsportal.settings.test",
        "OPSPORTAL_PROFILE": "test",
        "DATABASE_URL": cluster.url,
        "OPSPORTAL_DATA_DIR": str(folder / "log"),
        "OPSPORTAL_LOG_FORMAT": "json",
    }


def through(cluster: Cluster, folder: Path, stops: int, seed: int) -> dict[str, int]:
    """Stop it `stops` times under load. Returns what was found afterwards, counted."""
    env, end, dice = environ(cluster, folder), folder / "end", random.Random(seed)
    call = [sys.executable, "-m", "django", "migrate", "-v", "0"]
    subprocess.run(call, env=env, cwd=ROOT, check=True)
    files = [(folder / f"writer-{n}").open("w+") for n in range(WRITERS)]
    program = [sys.executable, "-m", "tests.faults.log_writer", str(end)]
    writers = [subprocess.Popen(program, env=env, cwd=ROOT, stdout=file) for file in files]
    newest, seen = folder / "log" / "public" / "checkpoint", {}

    def published() -> int:
        if not newest.exists():
            return 0
        head = head_of(split_note(newest.read_text())[0])
        seen[head.size] = head.root
        return head.size

    with sequencing(env, folder) as sequencer:
        try:
            for _ in range(stops):
                had = published()
                until(lambda had=had: published() > had, 60)  # type: ignore[misc]
                time.sleep(dice.uniform(0, 1.2))
                published()
                cluster.stop()
                cluster.start()
            end.touch()
            for writer in writers:
                writer.wait(60)
            until(lambda: cluster.rows("SELECT count(*) FROM evidence_outbox")[0][0] == 0, 60)
            published()
            assert sequencer.poll() is None, (folder / "sequencer").read_text()
        finally:
            end.touch()
            for writer in writers:
                writer.kill()
    return counted(cluster, env, files, seen)


def counted(cluster: Cluster, env: dict[str, str], files: list[Any], seen: dict[int, bytes]) -> dict[str, int]:
    taken: set[str] = set()
    for file in files:
        file.seek(0)
        taken |= set(file.read().split())
        file.close()
    leaves = cluster.rows("SELECT event_id::text FROM evidence_leaf l JOIN evidence_event e ON e.id = l.event_id")
    places = Counter(id for (id,) in leaves)
    kept = dict(cluster.rows("SELECT size, root FROM evidence_checkpoint"))
    check = [sys.executable, "-m", "opsportal.cli.main", "evidence", "check", "--json"]
    done = subprocess.run(check, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    wrong = [one["text"] for one in json.loads(done.stdout)["findings"] if not one["kind"].startswith("live.")]
    assert wrong == [], "a portal that nobody installed has no profile, and nothing else is wrong with it"
    return {
        "events": len(taken),
        "lost": len(taken - set(places)),
        "doubled": sum(count > 1 for count in places.values()),
        "wrong_roots": sum(bytes(kept.get(size, b"")) != root for size, root in seen.items()),
        "roots": len(seen),
    }


def test_what_was_acknowledged_stands_in_the_log_once_after_an_immediate_stop(cluster: Cluster, tmp_path: Path) -> None:
    found = through(cluster, tmp_path, stops=2, seed=1)
    assert (found["lost"], found["doubled"], found["wrong_roots"]) == (0, 0, 0)
    assert found["events"] > 20


@pytest.mark.figures
def test_eight_immediate_stops_under_load(cluster: Cluster, tmp_path: Path, figure: Callable[[str, Any], None]) -> None:
    found = through(cluster, tmp_path, stops=8, seed=8)
    assert (found["lost"], found["doubled"], found["wrong_roots"]) == (0, 0, 0)
    figure("immediate_stops", {"stops": 8, **found})
