"""A run's output, fetched by whoever may read it, is held to what its runners signed, offline."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from procedures.domain.canonical import canon
from procedures.evidence import verify
from procedures.evidence.transcripts import TYPE, line
from procedures.models import LogChunk, Task
from tests.evidence.conftest import Log
from tests.second import outputs


def file_of(log: Log) -> list[bytes]:
    tasks = list(Task.objects.filter(run=log.run, transcript_seed__isnull=False).order_by("id"))
    assert tasks
    assert LogChunk.objects.filter(task__in=tasks).exists()
    places = {task.pk: place for place, task in enumerate(tasks)}
    named = [[str(task.pk), bytes(task.transcript_seed or b"").hex()] for task in tasks]
    rows = [canon({"type": TYPE, "run": str(log.run.pk), "tasks": named}) + b"\n"]
    for row in LogChunk.objects.filter(task__in=tasks).order_by("seq"):
        assert row.task_id is not None
        rows.append(b"%d " % places[row.task_id] + line(row.stream, row.text))
    return rows


def test_what_is_kept_is_what_was_signed_as_a_stranger_finds(log: Log, tmp_path: Path) -> None:
    pack, output = tmp_path / "pack.zip", tmp_path / "run.output"
    pack.write_bytes(log.pack())
    output.write_bytes(b"".join(file_of(log)))
    argv = [sys.executable, "-I", "-S", verify.__file__, str(pack), "--log-key", log.key, "--output", str(output)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Output: of 1 tasks in 1 runs, as their runners signed it." in done.stdout
    changed = output.read_bytes().replace(b"Hello", b"Hullo")
    assert changed != output.read_bytes()
    output.write_bytes(changed)
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, "is not what the runner signed of the output of task" in done.stdout) == (1, True)


def without_a_line(rows: list[bytes]) -> list[bytes]:
    return rows[:-1]


def with_a_line(rows: list[bytes]) -> list[bytes]:
    return [*rows, b"0 " + line("stdout", "and more\n")]


def of_another_stream(rows: list[bytes]) -> list[bytes]:
    changed = [row.replace(b'["stdout"', b'["stderr"') for row in rows]
    assert changed != rows
    return changed


def under_another_seed(rows: list[bytes]) -> list[bytes]:
    said = json.loads(rows[0])
    said["tasks"][0][1] = "00" * 32
    return [canon(said) + b"\n", *rows[1:]]


def of_no_task(rows: list[bytes]) -> list[bytes]:
    said = json.loads(rows[0])
    return [canon({**said, "tasks": []}) + b"\n"]


def of_a_task_more(rows: list[bytes]) -> list[bytes]:
    said = json.loads(rows[0])
    return [canon({**said, "tasks": [*said["tasks"], ["nobody", "00" * 32]]}) + b"\n", *rows[1:]]


def of_another_run(rows: list[bytes]) -> list[bytes]:
    return [canon({**json.loads(rows[0]), "run": "nobody"}) + b"\n", *rows[1:]]


def of_another_kind(rows: list[bytes]) -> list[bytes]:
    return [canon({**json.loads(rows[0]), "type": "x"}) + b"\n", *rows[1:]]


def for_a_task_that_is_not_named(rows: list[bytes]) -> list[bytes]:
    return [*rows, b"7 " + line("stdout", "x")]


def for_no_task(rows: list[bytes]) -> list[bytes]:
    return [*rows, line("stdout", "x")]


def empty(rows: list[bytes]) -> list[bytes]:
    return []


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (without_a_line, 1),
        (with_a_line, 1),
        (of_another_stream, 1),
        (under_another_seed, 1),
        (of_no_task, 1),
        (of_a_task_more, 1),
        (of_another_run, 3),
        (of_another_kind, 2),
        (for_a_task_that_is_not_named, 2),
        (for_no_task, 2),
        (empty, 2),
    ],
)
def test_anything_else_is_not(log: Log, damage: Callable[[list[bytes]], list[bytes]], code: int) -> None:
    pack, rows = log.pack(), file_of(log)
    assert verify.verify(pack, log.key, outputs={"run.output": rows})["outputs"] == {"runs": 1, "tasks": 1}
    with pytest.raises(verify.Failed) as failed:
        verify.verify(pack, log.key, outputs={"run.output": damage(rows)})
    assert (failed.value.code, failed.value.member) == (code, "run.output")
    assert outputs.verdict(pack, b"".join(rows)) == "held", "a second verifier, on other arithmetic, says the same"
    words = {1: "refused", 2: "malformed", 3: "undetermined"}
    assert outputs.verdict(pack, b"".join(damage(rows))) == words[code]
