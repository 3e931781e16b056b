"""Tests that nobody has reviewed, tried from where they run: they see nothing, and nothing of them stays."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from procedures.definitions import registry
from procedures.domain.masking import Masker
from procedures.domain.ports import ActionCall
from procedures.sandbox.cells import Cells, NoCell
from procedures.trials import pool, suite
from procedures.trials.incell import InCell
from procedures.trials.walk import Quiet
from tests.trials.hostile import bundle

pytestmark = pytest.mark.once
CANARY = "canary-5f0c2b7a91"


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that is not below /tmp, which no cell shows anyway, and that everybody may read."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="opsportal-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def portal(shared: Path) -> Path:
    """What a data folder holds, each with the canary."""
    for place in ("keys/evidence", "database/opsportal.sqlite3", "secret-key"):
        path = shared / place
        path.parent.mkdir(exist_ok=True)
        path.write_text(CANARY)
    return shared


@pytest.fixture
def cells(portal: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cells]:
    monkeypatch.setenv("OPSPORTAL_SECRET_KEY", CANARY)
    with Cells([portal]) as found:
        yield found


def told(cells: Cells, script: str) -> str:
    """What a script that ends 9 is quoted with."""
    [row] = pool.results(cells, bundle(f"{{ {script}\n}} 2>&1 | tail -c 400; exit 9"))
    assert row["ok"] is False
    return str(row["told"])


def test_a_good_test_passes_and_a_bad_one_says_what_differs_and_on_which_line(cells: Cells) -> None:
    [good] = pool.results(cells, bundle("echo fine"))
    assert (good["ok"], good["told"]) == (True, "planned act; ran act in the sandbox")
    [bad] = pool.results(cells, bundle("echo no luck; exit 4"))
    assert (bad["ok"], bad["told"]) == (False, "act ended 4, expected was 0: no luck (tests/act.yaml:1)")


def test_it_finds_neither_key_nor_database_nor_environment_nor_other_processes(cells: Cells, portal: Path) -> None:
    look = (
        f"cat {portal}/keys/evidence {portal}/database/* {portal}/secret-key; env; cat /proc/*/environ | tr '\\0' ' '"
    )
    assert CANARY not in told(cells, look)
    assert told(cells, f"ls -A {portal.parent} {portal} /run /root /home; true").count("No such file") >= 2
    seen = told(cells, "ls /proc | grep -c '^[0-9]*$'")
    assert int(seen.split("0: ")[1].split()[0]) < 9


def test_the_cell_itself_sees_none_of_it_either_should_the_sandbox_be_broken_out_of(portal: Path) -> None:
    """The program of this cell is the attacker: it stands where nothing but the cell is left."""
    with socket.create_server(("127.0.0.1", 0)) as listening, Cells([portal]) as cells:
        wanted = f"{portal} {listening.getsockname()[1]} {os.getpid()}\n".encode()
        with cells.open("tests.trials.escaped", seconds=20) as link:
            link.sendall(wanted)
            answer = b""
            while data := link.recv(4096):
                answer += data
        control = subprocess.run([sys.executable, "-m", "tests.trials.escaped"], input=wanted, capture_output=True)
    assert answer.decode().split() == ["nothing"]
    assert {"data", "keys", "root", "memory", "network", "environment"} <= set(control.stdout.decode().split())


def test_nothing_outside_is_reached_over_the_network(cells: Cells) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        said = told(cells, f"(echo > /dev/tcp/127.0.0.1/{port}) && echo reached")
    assert "reached" not in said
    network = bundle("echo > /dev/tcp/127.0.0.1/9 && exit 0")
    network["procedure.yaml"] = network["procedure.yaml"].replace(b"script: act.sh", b"script: act.sh, network: true")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        script = f"#!/bin/bash\n: > /dev/tcp/127.0.0.1/{listening.getsockname()[1]} || exit 7\n"
        [row] = pool.results(cells, {**network, "act.sh": script.encode()})
    assert (row["ok"], "ended 7" in row["told"]) == (False, True), "network: true gives a test no network"


def test_what_forks_on_and_on_is_gone_when_its_test_has_ended(cells: Cells) -> None:
    mark = f"sleep 98{os.getpid()}"
    told(cells, f"for i in $(seq 40); do setsid {mark} > /dev/null 2>&1 & done; sleep 0.2")
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline and (alive := running(mark)):
        time.sleep(0.05)
    assert not alive


def running(words: str) -> list[str]:
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text.startswith(words):
            found.append(text)
    return found


def test_a_full_disk_is_the_cell_s_own_and_leaves_nothing_behind(cells: Cells) -> None:
    before = set(Path("/var/tmp").glob("opsportal-*"))
    said = told(cells, "for i in 1 2 3 4 5; do head -c 60000000 /dev/zero > /scratch/big$i; done")
    assert "No space left" in said
    new = set(Path("/var/tmp").glob("opsportal-*")) - before
    assert not [path for path in new if any(path.rglob("big*"))], "whatever else is new there is another process's"


def test_what_does_not_end_is_ended_with_everything_in_it(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "ONE_S", 3.0)
    began = time.monotonic()
    [row] = pool.results(cells, bundle("trap '' TERM INT; sleep 60"))
    assert (row["ok"], row["told"]) == (False, "took longer than 3 s and was ended")
    assert time.monotonic() - began < 6


def test_no_test_gets_time_that_the_five_minutes_do_not_have(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "ALL_S", 0.5)
    [row] = pool.results(cells, bundle("echo fine"))
    assert (row["ok"], "not run" in row["told"]) == (False, True)


def test_a_secret_of_the_test_is_masked_in_what_is_told(cells: Cells) -> None:
    files = bundle('echo "the token is $PARAM_WORD"; exit 3')
    files["procedure.yaml"] = (
        files["procedure.yaml"]
        .replace(b"  steps:", b"  secrets: {schema: {properties: {token: {type: string, title: T}}}}\n  steps:")
        .replace(b"script: act.sh", b"script: act.sh, env: {TOKEN: '${{ secrets.token }}'}")
    )
    files["act.sh"] = b"echo it is $TOKEN, $(echo $TOKEN | base64); exit 3\n"
    files["tests/act.yaml"] = f"secrets: {{token: {CANARY}}}\nexpect: {{steps: {{act: {{exit: 0}}}}}}\n".encode()
    [row] = pool.results(cells, files)
    assert "it is ***" in row["told"]
    assert CANARY not in row["told"]


@pytest.mark.parametrize(
    "test",
    [
        b"a: &a [x, x]\nexpect: {order: [*a, *a]}\n",
        b"expect: !!python/object/apply:os.system ['id']\n",
        b"[" * 20_000,
        b"x" * 300_000,
        b"\xff\xfe",
        b"expect: {order: 7}\n",
        b"expect: {steps: {act: {exit: 0}}}\nrecorded: {act: [1]}\n",
        b"expect: {steps: [act]}\n",
        b"expect: {steps: {act: 5}}\n",
        b"expect: {plan: {act: {argv: 1}}}\ntargets: [{name: x, tags: 7}]\n",
    ],
)
def test_no_file_of_tests_does_more_than_fail(test: bytes) -> None:
    row = suite.result(bundle("echo fine", test=test), "tests/act.yaml")
    assert row["ok"] is False
    assert "tests/act.yaml:" in row["told"]


def test_without_a_starter_there_is_no_cell_and_nothing_runs(portal: Path) -> None:
    cells = Cells([portal])
    cells.close()
    with pytest.raises(NoCell, match="gone"):
        pool.results(cells, bundle("echo fine"))


def test_somebody_who_is_not_root_gets_the_same_cell(shared: Path) -> None:
    """By way of a user name space, with the system's own Python, since ours may lie where only root goes."""
    (shared / "cell.py").write_bytes((Path(pool.__file__).parent.parent / "sandbox" / "cell.py").read_bytes())
    (shared / "seen.py").write_text(
        "import os, socket\n"
        "print(os.getpid(), os.geteuid(), os.listdir('/var/tmp'), socket.if_nameindex(), os.path.exists('/dev/shm/x'))"
    )
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    assert python is not None
    who = ["setpriv", "--reuid", "64000", "--regid", "64000", "--clear-groups"] if os.geteuid() == 0 else []
    argv = [*who, python, "-I", "-S", str(shared / "cell.py"), str(shared), "--", "seen"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    uid = 64000 if os.geteuid() == 0 else os.geteuid()
    assert (done.stdout.strip(), done.stderr) == (f"1 {uid} [] [(1, 'lo')] False", "")


def test_a_step_of_a_draft_that_is_canceled_ends_at_once_with_all_that_it_started(cells: Cells) -> None:
    mark = f"sleep 97{os.getpid()}"
    call = step_call({"argv": ["sh", "-c", f"trap '' TERM; {mark} & {mark}"]}, seconds=30)
    io = Quiet(Masker())
    threading.Timer(1.5, io.cancelled.set).start()
    began = time.monotonic()
    result = InCell(registry.actions()["local:command"], cells).run(call, io)
    assert (result.outcome, time.monotonic() - began < 8) == ("canceled", True), result
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline and (alive := running(mark)):
        time.sleep(0.05)
    assert not alive


def step_call(given: dict[str, object], *, seconds: float) -> ActionCall:
    return ActionCall(
        run_id=uuid4(),
        step="one",
        attempt=1,
        nonce="n",
        input=given,
        files={},
        parameters={},
        env={},
        secret_env={},
        stdin=None,
        target=None,
        lease=None,
        seconds_left=seconds,
    )
