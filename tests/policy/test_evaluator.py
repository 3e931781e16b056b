"""The evaluator from the place of a policy's author who wants more than an answer: nothing is there to be had."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from procedures.policy.evaluator import CPU_S, DECISIONS, Child, Resident, Source
from procedures.policy.functions import FUNCTIONS

QUICK = 'deny contains "no" if input.x > 1'
BACKTRACKS = 'deny contains "x" if regex.match("^(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!")'
GROWS = 'deny contains "x" if { a := numbers.range(1, 3000); b := [[x, y] | some x in a; some y in a]; count(b) > 1 }'
REFUSED = {
    "the environment": ("deny contains opa.runtime().env", "opa.runtime"),
    "the environment by another name": ('deny contains opa["runtime"]().env', "opa.runtime"),
    "the environment in another's place": (
        "deny contains x if { x := count([1]) with count as opa.runtime }",
        "opa.run",
    ),
    "the network": ('deny contains http.send({"method": "get", "url": "http://192.0.2.1/"})', "http.send"),
    "a name server": ('deny contains net.lookup_ip_addr("localhost")', "net.lookup_ip_addr"),
    "the clock": ('deny contains "x" if time.now_ns() > 1', "time.now_ns"),
    "chance": ('deny contains "x" if rand.intn("a", 5) > 1', "rand.intn"),
    "another chance": ('deny contains uuid.rfc4122("x")', "uuid.rfc4122"),
}


def source(name: str, rules: str, settings: dict[str, object] | None = None) -> Source:
    return Source(name, "p", ((f"{name}.rego", f"package p\n\n{rules}\n"),), settings or {})


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    """One child with everything that is refused when it is loaded, and one policy that is not."""
    found = Child([source("quick", QUICK), *(source(name, rules) for name, (rules, _) in REFUSED.items())])
    yield found
    found.close()


@pytest.mark.parametrize("what", REFUSED)
def test_a_policy_that_asks_for_more_than_its_input_is_refused_and_answers_nothing(child: Child, what: str) -> None:
    assert REFUSED[what][1] in child.problems[what]
    answer = child.ask([what], {"x": 5})[0]
    assert answer.value is None
    assert REFUSED[what][1] in answer.error


def test_the_list_of_functions_holds_none_that_reaches_outside() -> None:
    reaching = ("opa.", "http.", "net.", "time.", "rand.", "uuid.", "io.", "rego.", "providers.", "graphql.")
    assert not [name for name in FUNCTIONS if name.startswith(reaching)]


def test_what_is_no_rego_says_so_and_harms_nobody_else(child: Child) -> None:
    broken = Child([source("broken", "deny contains"), source("crashes", 'a if deny with input as {"x": 1}\n' + QUICK)])
    broken.close()
    assert set(broken.problems) == {"broken", "crashes"}
    assert child.ask(["quick"], {"x": 5})[0].value == {"deny": ["no"]}


def test_the_child_can_open_write_and_start_nothing_and_knows_no_environment(child: Child) -> None:
    proc = Path("/proc") / str(child._process.pid)
    limits = {row[:26].strip(): row[26:47].strip() for row in (proc / "limits").read_text().splitlines()}
    opened = sorted((proc / "fd").iterdir()) if os.access(proc / "fd", os.R_OK) else []
    assert limits["Max open files"] == "4"
    assert len(opened) in {0, 4}, "all four are taken, so that nothing further can be opened"
    assert (limits["Max file size"], limits["Max processes"], limits["Max core file size"]) == ("0", "0", "0")
    status = (proc / "status").read_text()
    assert "NoNewPrivs:\t1" in status
    with pytest.raises(OSError, match=r"ermission|not permitted") if os.geteuid() else pytest.MonkeyPatch.context():
        assert (proc / "environ").read_bytes() == b""


@pytest.mark.parametrize(
    ("rules", "why"), [(BACKTRACKS, "took longer than 200 ms"), (GROWS, "200 ms|more than 256 MiB")]
)
def test_what_never_ends_or_grows_is_ended_and_named(rules: str, why: str) -> None:
    resident = Resident()
    sources = [source("quick", QUICK), source("greedy", rules)]
    try:
        began = time.process_time()
        first, second, third = resident.ask("m", sources, ["quick", "greedy", "quick"], {"x": 5})
        assert first.value == {"deny": ["no"]}
        assert any(part in second.error for part in why.split("|"))
        assert "as greedy ended the evaluation" in third.error
        assert time.process_time() - began < CPU_S, "whoever waits for it does not work meanwhile"
        assert resident.ask("m", sources, ["quick"], {"x": 1})[0].value == {"deny": []}, "another took its place"
    finally:
        resident.close()


def test_more_memory_than_it_may_ends_it_before_its_time() -> None:
    child = Child([source("grows", 'deny contains "x" if { a := numbers.range(1, 9000000); count(a) > 1 }')], cpu_s=30)
    try:
        assert child.ask(["grows"], {})[0].error == "needed more than 256 MiB"
    finally:
        child.close()


def test_another_set_a_thousand_decisions_and_an_end_from_outside_bring_a_new_child() -> None:
    resident = Resident()
    sources = [source("quick", QUICK)]

    def pid_after(mark: str) -> int:
        assert resident.ask(mark, sources, ["quick"], {"x": 5})[0].value == {"deny": ["no"]}
        assert resident._child is not None
        return resident._child._process.pid

    try:
        first = pid_after("a")
        assert pid_after("a") == first
        second = pid_after("b")
        assert second != first
        os.kill(second, signal.SIGKILL)
        third = pid_after("b")
        assert third != second
        assert resident._child is not None
        resident._child.decisions = DECISIONS
        assert pid_after("b") != third
    finally:
        resident.close()


def test_no_policy_sees_anothers_settings_or_rules() -> None:
    mine, theirs = source("mine", "deny contains data.settings.word", {"word": "mine"}), source("theirs", QUICK)
    child = Child([mine, theirs, source("nosy", "deny contains x if some x in data.p.deny_them")])
    try:
        answers = {one.policy: one.value for one in child.ask(["mine", "theirs", "nosy"], {"x": 5})}
    finally:
        child.close()
    assert answers == {"mine": {"deny": ["mine"]}, "theirs": {"deny": ["no"]}, "nosy": {"deny": []}}


def test_a_child_holds_no_socket_of_the_process_that_began_it() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        os.set_inheritable(listening.fileno(), True)
        child = Child([source("quick", QUICK)])
        port = listening.getsockname()[1]
    try:
        with socket.socket() as again:
            again.bind(("127.0.0.1", port))
    finally:
        child.close()
