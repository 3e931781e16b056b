"""Each limit of the table bites, and the handbook shows the table as it is (decisions.md, 27)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings

from procedures.definitions import archive, guard
from procedures.definitions.load import load
from procedures.definitions.registry import actions
from procedures.domain import bundle, calls, limits, parameters, plan, pushes, script_output
from procedures.domain.errors import InvalidInput, OpsError
from procedures.domain.masking import Masker
from procedures.engine.output import FULL, RunOutput
from procedures.services.tasks import Line

AUTHOR = Path(settings.BASE_DIR) / "opsportal/handbook/author.md"
STEP = "    - {action: 'local:command', timeout: 5s, input: {argv: ['true']}}\n"
HEAD = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: long}
spec:
  owner: group:default/x
  type: diagnostic
  risk: low
  environments: [development]
  timeout: 1m
"""


def test_the_handbook_shows_the_table() -> None:
    assert limits.markdown() in AUTHOR.read_text()


def test_the_numbers_are_those_that_were_decided() -> None:
    decided = {
        limits.BODY_BYTES: 8 * 2**20,
        limits.BUNDLE_BYTES: 5 * 2**20,
        limits.YAML_BYTES: 256 * 1024,
        limits.STRING_BYTES: 64 * 1024,
        limits.TARGETS_PER_RUN: 5000,
        limits.STEPS: 200,
        limits.CALL_DEPTH: 5,
        limits.LOG_BYTES: 10**9,
        limits.RUNS_A_MINUTE: 30,
    }
    assert all(is_now == was for is_now, was in decided.items())
    assert settings.DATA_UPLOAD_MAX_MEMORY_SIZE == pushes.MAX_BODY == limits.BODY_BYTES
    assert (calls.MAX_DEPTH, plan.MAX_ITEMS) == (limits.CALL_DEPTH, limits.EACH_ITEMS)


@pytest.mark.parametrize(
    "too_much",
    [
        lambda: bundle.check_paths({"a": bytes(limits.BUNDLE_BYTES + 1)}),
        lambda: bundle.check_paths({f"f{n}": b"" for n in range(limits.BUNDLE_FILES + 1)}),
        lambda: archive.unpack(bytes(limits.BUNDLE_BYTES + 1)),
        lambda: guard.load(b"#" * (limits.YAML_BYTES + 1)),
    ],
)
def test_one_byte_or_file_more_is_refused(too_much: Callable[[], None]) -> None:
    with pytest.raises(OpsError):
        too_much()


def test_parameters_and_texts_have_their_own_limits() -> None:
    schema = {"properties": {"a": {"type": "string"}, "b": {"type": "array"}}}
    assert parameters.resolve(schema, {"a": "x" * limits.STRING_BYTES})
    with pytest.raises(InvalidInput) as text:
        parameters.resolve(schema, {"a": "x" * (limits.STRING_BYTES + 1)})
    assert text.value.problems[0][0] == "/parameters/a"
    with pytest.raises(InvalidInput) as whole:
        parameters.resolve(schema, {"b": ["x" * 60_000] * 5})
    assert whole.value.problems[0][0] == "/parameters"


def test_steps_are_counted_over_all_branches() -> None:
    def findings(count: int) -> list[str]:
        text = HEAD + "  steps:\n" + STEP * 100 + "  always:\n" + STEP * count
        return [f.code for f in load({"procedure.yaml": text.encode()}, actions()).findings]

    assert "too-many-steps" not in findings(100)
    assert "too-many-steps" in findings(101)


def test_an_output_file_over_its_limit_gives_nothing_and_says_so() -> None:
    values, problems = script_output.parse(b"a=1\n" + b"#" * limits.OUTPUT_BYTES)
    assert (values, len(problems)) == ({}, 1)


def test_a_log_over_its_limit_is_marked_once_and_no_longer_kept() -> None:
    kept: list[Line] = []

    def store(lines: Sequence[Line], masked: int, after: int) -> int:
        kept.extend(lines)
        return after + len(lines)

    output = RunOutput(store, Masker(), limit=10)
    for text in ("ö" * 4, "bbb", "ccc", "ddd"):
        output.add(Line("s", "", "stdout", datetime.now(UTC), text))
    output.flush()
    assert [(line.stream, line.text) for line in kept] == [("stdout", "ö" * 4), ("system", FULL)]
