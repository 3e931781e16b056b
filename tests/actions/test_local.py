"""Local steps in the real sandbox: exact values in, nothing of the runner in sight, nothing alive afterwards."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procedures.actions.local import LocalCommand, LocalScript
from procedures.domain.secrets import Secret
from procedures.sandbox.cgroup import lent
from procedures.sandbox.probe import tier
from tests.actions.calls import HOSTILE, Collected, call, processes
from tests.fixtures.counterparts import need

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=200)


@pytest.fixture(scope="module", autouse=True)
def bubblewrap() -> None:
    need("bwrap")


def everywhere(value: str) -> bytes:
    """What a step sees of a value in argv, environment and standard input, one after another."""
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
    return io.out.get("stdout", b"")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_value_arrives_as_itself(name: str) -> None:
    value = HOSTILE[name]
    assert everywhere(value) == f"{value}|{value}|{value}".encode()
    assert not Path("/tmp/owned").exists()


@settings(max_examples=25, deadline=None)
@given(TEXT)
def test_every_string_arrives_as_itself(value: str) -> None:
    assert everywhere(value) == f"{value}|{value}|{value}".encode()


def test_a_script_gets_its_parameters_and_hands_output_back() -> None:
    io = Collected()
    script = b"""#!/bin/sh
cat "$OPSPORTAL_PARAMETERS"
echo a=1 >>"$OPSPORTAL_OUTPUT"
echo '{"b": [2]}' >>"$OPSPORTAL_OUTPUT"
echo nonsense >>"$OPSPORTAL_OUTPUT"
"""
    result = LocalScript().run(call(input={"script": "x.sh"}, files={"x.sh": script}, parameters={"n": 5}), io)
    assert (result.outcome, dict(result.output), io.text) == ("succeeded", {"a": "1", "b": [2]}, '{"n": 5}')
    assert b"Output line 3" in io.out["system"]


def test_cancel_kills_daemons_that_left_their_session_within_a_second() -> None:
    mark = f"9{time.time_ns() % 10**9}"
    script = "".join(f"setsid sh -c 'setsid sleep {mark}' & " for _ in range(3)) + f"sleep {mark}"
    io = Collected()
    threading.Timer(0.7, io.cancelled.set).start()
    began = time.monotonic()
    result = LocalCommand().run(call(input={"argv": ["sh", "-c", script]}), io)
    assert (result.outcome, result.remote) == ("canceled", "dead")
    assert time.monotonic() - began < 2.5
    time.sleep(0.3)
    assert processes(mark) == []


def test_a_time_out_is_said_to_be_one() -> None:
    result = LocalCommand().run(call(input={"argv": ["sleep", "20"]}, seconds_left=0.5), Collected())
    assert result.outcome == "timed_out"


@pytest.mark.parametrize(
    "script",
    [
        "cat /etc/shadow",
        "ls /root",
        "touch /usr/x",
        "touch /bundle/x",
        "mount -t tmpfs x /mnt",
        "unshare -U true",
    ],
)
def test_what_is_outside_stays_outside(script: str) -> None:
    """What root could do here without a sandbox; every probe against every tier: tests/sandbox/test_hostile.py."""
    result = LocalCommand().run(call(input={"argv": ["bash", "-c", script]}), Collected())
    assert result.outcome == "failed", script


def test_a_secret_shows_in_no_command_line() -> None:
    canary = f"canary{time.time_ns()}"
    io = Collected()
    done = threading.Thread(
        target=LocalCommand().run, args=(call(input={"argv": ["sleep", "1"]}, secret_env={"T": Secret(canary)}), io)
    )
    done.start()
    time.sleep(0.5)
    seen = processes(canary)
    done.join()
    assert seen == []


def test_a_fork_bomb_is_held() -> None:
    bomb = """
import os, time
n = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(3); os._exit(0)
        n += 1
except OSError:
    print("held", n)
"""
    io = Collected()
    LocalCommand().run(
        call(input={"argv": ["/usr/bin/python3", "-c", bomb]}, limits={"processes": 40}, seconds_left=6.0), io
    )
    assert "held" in io.text


def test_the_start_up_probe_finds_the_sandbox_whole() -> None:
    assert tier() == ("A" if lent() else "B")
