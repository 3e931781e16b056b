"""Local steps in tier C: the same values, outputs and secrets, by the paths of the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from procedures.actions.local import LocalCommand, LocalScript
from procedures.domain.definition import ArtifactNeed
from procedures.domain.secrets import Secret
from procedures.sandbox import probe
from tests.actions.calls import HOSTILE, Collected, call


@pytest.fixture(autouse=True)
def tier_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a host where bubblewrap is blocked."""
    monkeypatch.setattr(probe, "in_use", lambda: "C")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_value_arrives_as_itself(name: str) -> None:
    value = HOSTILE[name]
    io = Collected()
    result = LocalCommand().run(
        call(
            input={"argv": ["sh", "-c", 'printf %s "$1"; printf "|%s|" "$V"; cat', "x", value]},
            env={"V": value},
            stdin=Secret(value),
        ),
        io,
    )
    assert result.outcome == "succeeded", io.out
    assert io.out.get("stdout", b"") == f"{value}|{value}|{value}".encode()
    assert not Path("/tmp/owned").exists()


def test_a_script_finds_its_bundle_and_hands_output_and_files_back() -> None:
    io = Collected()
    script = b"""#!/bin/sh
cat "$OPSPORTAL_PARAMETERS" "$OPSPORTAL_BUNDLE/more.txt"
[ "$PWD" = "$OPSPORTAL_SCRATCH" ] && [ "$HOME" = "$PWD" ] && echo home
echo a=1 >>"$OPSPORTAL_OUTPUT"
echo kept >kept.txt
echo x >>"$OPSPORTAL_BUNDLE/more.txt"
"""
    files = {"x.sh": script, "more.txt": b"more\n"}
    asked = call(
        input={"script": "x.sh", "expect": [2]},
        files=files,
        parameters={"n": 5},
        artifacts=(ArtifactNeed("kept", "kept.txt"),),
    )
    result = LocalScript().run(asked, io)
    assert (result.outcome, dict(result.output), io.text) == ("succeeded", {"a": "1"}, '{"n": 5}more\nhome\n')
    assert result.files == {"kept": b"kept\n"}
    assert b"Permission denied" in io.out["stderr"], "the bundle is there to be read"
    assert dict(result.facts) == {"sandbox": "C", "sandbox_reported_by": "runner", "seen": {"network": "none"}}


def test_the_plan_names_the_bundle_by_one_path_whatever_the_tier() -> None:
    asked = call(input={"script": "x.sh"}, files={"x.sh": b"echo\n"})
    assert LocalScript().plan(asked)["argv"] == ["/bin/sh", "/bundle/x.sh"]


def test_a_runner_without_any_sandbox_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "in_use", lambda: "D")
    result = LocalCommand().run(call(input={"argv": ["true"]}), Collected())
    assert (result.outcome, result.facts["sandbox"]) == ("failed", "D")
    assert "no sandbox" in result.message


def test_a_value_that_is_the_path_of_a_file_means_that_file_here_too() -> None:
    """As file parameters and inventories name theirs; what only looks like such a path stays as it is."""
    io = Collected()
    script = 'cat "$1" "$PARAM_FILE"; echo "$2"; cd "$3" && pwd; cat "$OPSPORTAL_PARAMETERS"'
    given = ["/bundle/parameters/file", "/bundle/parameters/file2", "/scratch"]
    asked = call(
        input={"argv": ["sh", "-c", script, "x", *given]},
        files={"parameters/file": b"data\n"},
        env={"PARAM_FILE": "/bundle/parameters/file"},
        parameters={"file": "/bundle/parameters/file", "text": "/bundle/nothing"},
    )
    result = LocalCommand().run(asked, io)
    assert result.outcome == "succeeded", io.out
    lines = io.text.splitlines()
    assert lines[:3] == ["data", "data", "/bundle/parameters/file2"]
    assert lines[3].startswith("/var/tmp/opsportal-")
    assert (
        lines[4] == f'{{"file": "{lines[3].removesuffix("scratch")}bundle/parameters/file", "text": "/bundle/nothing"}}'
    )
