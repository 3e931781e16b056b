"""Tier C by itself: what it lends, lets and refuses; and that nothing of a step is alive when it has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from procedures.sandbox import confined, seccomp
from procedures.sandbox.launch import NoSandbox, Program
from procedures.sandbox.limits import Limits
from procedures.sandbox.run import run
from tests.actions.calls import processes
from tests.sandbox.tiers import PLAIN, as_anybody, folders, inside

PYTHON = (PLAIN, "-I", "-S", "-c")
DAEMONS = "for i in 1 2 3; do setsid sh -c 'setsid sleep {mark} & setsid sleep {mark} &' & done; "
SAME_USER = """
import json
from tests.sandbox.tiers import inside
told = inside("C", "/bin/sh", "-c", sys.argv[1], seconds=float(sys.argv[2]))
print(json.dumps([told.ended.status, told.ended.why, told.out, told.err]))
"""


def mark() -> str:
    return f"90.{time.time_ns()}"  # also a length that `sleep` takes


@pytest.mark.parametrize("ending", ["exit", "timeout", "cancel"])
def test_daemons_that_forked_twice_are_dead_when_the_step_has_ended(ending: str) -> None:
    one, stop = mark(), threading.Event()
    last = "sleep 0.2; echo over" if ending == "exit" else f"sleep {one}"
    if ending == "cancel":
        threading.Timer(0.7, stop.set).start()
    began = time.monotonic()
    told = inside(
        "C", "sh", "-c", DAEMONS.format(mark=one) + last, seconds=1 if ending == "timeout" else 15, cancelled=stop
    )
    assert told.ended.why == ending
    assert time.monotonic() - began < 5
    assert processes(one) == []


def test_a_step_with_the_runner_s_user_id_leaves_nothing_behind_either() -> None:
    one = mark()
    status, why, out, _ = as_anybody(SAME_USER, DAEMONS.format(mark=one) + "sleep 0.2; echo over", "10")
    assert (status, why, out) == (0, "exit", "over\n")
    assert processes(one) == []


def test_when_the_runner_is_killed_its_step_dies_with_it() -> None:
    one = mark()
    code = (
        f"import sys; sys.path.insert(0, {str(confined.ROOT)!r})\n"
        "from tests.sandbox.tiers import inside; inside('C', 'sh', '-c', sys.argv[1], seconds=60)"
    )
    argv = [sys.executable, "-c", code, DAEMONS.format(mark=one) + f"sleep {one}"]
    with subprocess.Popen(argv) as runner:
        until = time.monotonic() + 20
        while len(processes(f"sleep\0{one}")) < 7 and time.monotonic() < until:
            time.sleep(0.05)
        assert len(processes(f"sleep\0{one}")) == 7
        os.kill(runner.pid, signal.SIGKILL)
    until = time.monotonic() + 5
    while (left := processes(one)) and time.monotonic() < until:
        time.sleep(0.05)
    assert left == []


@pytest.mark.parametrize("limit", [16, 60])
def test_a_fork_bomb_is_held_and_ended(limit: int) -> None:
    one = mark()
    bomb = f"f() {{ f | f & }}; f; sleep {one}"
    began = time.monotonic()
    told = inside("C", "bash", "-c", bomb, seconds=2, limits=Limits(processes=limit))
    assert told.ended.why in {"timeout", "exit"}
    assert time.monotonic() - began < 12
    assert processes(bomb[:20]) == []


def test_a_step_cannot_end_whoever_watches_it() -> None:
    code = (
        "import os, signal\nfor pid in (os.getppid(), -1):\n try: os.kill(pid, 9)\n except OSError as e: print(e.errno)"
    )
    told = inside("C", *PYTHON, code + "\nprint('still')")
    assert told.ended.status == 0
    assert told.out.splitlines()[-1] == "still"
    assert told.out.splitlines()[0] == "1"


def test_a_process_that_closed_its_streams_is_ended_in_time() -> None:
    for tier in ("B", "C"):
        began = time.monotonic()
        told = inside(tier, "sh", "-c", "exec >&- 2>&- <&-; sleep 60", seconds=0.7)
        assert told.ended.why == "timeout"
        assert time.monotonic() - began < 5


def test_what_is_lent_lies_in_memory_is_the_step_s_alone_and_gone_afterwards() -> None:
    told = inside(
        "C", "sh", "-c", 'echo "$LENT"; cat "$LENT/token"; stat -c %a "$LENT/token"', lent={"token": b"s3cret"}
    )
    home, rest = told.out.split("\n", 1)
    assert home.startswith("/dev/shm/opsportal-")
    assert rest == "s3cret400\n"
    assert not Path(home).exists()


def test_a_step_sees_no_other_step_s_folders() -> None:
    """Another step's scratch, open to anybody, under the user id that both may share."""
    with folders(os.getuid()) as other:
        other.chmod(0o777)
        (other / "scratch").chmod(0o777)
        (other / "scratch" / "note").write_text("x")
        told = inside("C", "cat", str(other / "scratch" / "note"))
    assert "Permission denied" in told.err


def test_the_network_is_there_only_where_it_was_asked_for() -> None:
    code = "import socket\nfor f in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK):\n"
    code += " try: socket.socket(f); print('yes')\n except OSError: print('no')"
    assert inside("C", *PYTHON, code).out.split() == ["no"] * 4
    assert inside("C", *PYTHON, code, network=True).out.split() == ["yes", "yes", "no", "no"]


def test_ordinary_programs_work() -> None:
    script = """
set -e
echo one >a; mkdir d; mv a d/b; ln -s b d/c; cat d/c; chmod +x d/b; cp -p d/b e; tar cf t d; tar xf t
cat <(echo two); printf x >/dev/null; nice true; (sleep 0.01 & wait)
python3 -c "$0"
"""
    python = "import subprocess, socket; socket.socketpair(); print(subprocess.check_output(['id', '-u']).decode())"
    told = inside("C", "bash", "-c", script, python)
    assert told.ended.status == 0, told.err
    assert told.out.split()[:2] == ["one", "two"]
    assert told.out.split()[2] != "0"


def test_modes_by_path_are_refused_where_a_step_has_the_runner_s_user_id() -> None:
    """What tier C does not promise there, said as it is: a mode is set when a file is made, or by its handle."""
    status, _, _, err = as_anybody(SAME_USER, "echo >a; chmod +x a", "10")
    assert status == 1
    assert "Operation not permitted" in err


def test_what_would_need_a_mount_is_refused_by_name() -> None:
    with folders(os.getuid()) as folder:
        shown = {"/package": folder}
        program = Program(["true"], {}, folder / "scratch", folder / "bundle", os.getuid(), shown=shown, tier="C")
        with pytest.raises(NoSandbox, match="cannot show /package"):
            run(program, stdin=b"", seconds=5, cancelled=threading.Event(), write=lambda *_: None)


def test_a_program_that_is_not_there_is_said() -> None:
    told = inside("C", "no-such-program")
    assert told.ended.status == 127
    assert "no-such-program" in told.err


@pytest.mark.parametrize("machine", seccomp.ARCHITECTURES)
@pytest.mark.parametrize("network", [True, False])
@pytest.mark.parametrize("shared", [True, False])
def test_a_filter_fits_the_kernel_and_ends_in_an_answer(machine: str, network: bool, shared: bool) -> None:
    """At most 4,096 rows of eight bytes, no jump beyond the end, and the last row returns: seccomp_filter."""
    rows = seccomp.program(machine, network=network, shared=shared)
    count = len(rows) // 8
    assert len(rows) % 8 == 0
    assert count < 4096
    for at in range(count):
        code, yes, no = int.from_bytes(rows[at * 8 : at * 8 + 2], "little"), rows[at * 8 + 2], rows[at * 8 + 3]
        assert code in {seccomp.LOAD, seccomp.JUMP_EQUAL, seccomp.JUMP_AT_LEAST, seccomp.JUMP_IF_SET, seccomp.RETURN}
        assert at + 1 + max(yes, no) < count or code == seccomp.RETURN
    assert int.from_bytes(rows[-8:-6], "little") == seccomp.RETURN
