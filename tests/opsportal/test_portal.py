"""The supervisor: nobody outlives it, whoever dies comes back, one portal per data folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from opsportal.supervisor.parts import Part, broker_part, web_part
from opsportal.supervisor.portal import Portal, PortalAlreadyRuns, PortalDidNotStart

SLEEPER = Part("sleeper", (sys.executable, "-c", "import time; time.sleep(600)"), grace_s=1.0)
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
)
PARENT = """
import sys, time
from pathlib import Path
from opsportal.supervisor.parts import Part, broker_part
from opsportal.supervisor.portal import Portal
folder = Path(sys.argv[1])
sleeper = Part("sleeper", (sys.executable, "-c", "import time; time.sleep(600)"))
portal = Portal(folder, parts=[broker_part(folder), sleeper]).start()
print(portal.pid("broker"), portal.pid("sleeper"), flush=True)
time.sleep(600)
"""


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def comes_true(question: Callable[[], bool], *, within_s: float = 10.0) -> bool:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if question():
            return True
        time.sleep(0.02)
    return False


def test_stop_ends_every_part(data_dir: Path) -> None:
    portal = Portal(data_dir, parts=[broker_part(data_dir), SLEEPER]).start()
    pids = [portal.pid("broker"), portal.pid("sleeper")]
    assert all(is_alive(pid) for pid in pids)
    portal.stop()
    assert not any(is_alive(pid) for pid in pids)


def test_part_that_dies_is_started_again(data_dir: Path) -> None:
    with Portal(data_dir, parts=[SLEEPER]) as portal:
        former = portal.kill("sleeper")
        assert comes_true(lambda: portal.living_pid("sleeper") not in {None, former})
        assert not is_alive(former)


def test_part_that_keeps_dying_is_started_ever_more_slowly(data_dir: Path) -> None:
    hasty = Part("hasty", (sys.executable, "-c", "raise SystemExit(3)"), serves=lambda: False)
    portal = Portal(data_dir, parts=[hasty])
    with pytest.raises(PortalDidNotStart, match=r"hasty does not serve after . s; see .*hasty\.log"):
        portal.start(timeout_s=2.4)
    assert 2 <= portal.starts("hasty") <= 4


def test_restart_gives_a_new_process_that_serves(data_dir: Path) -> None:
    with Portal(data_dir, parts=[broker_part(data_dir)]) as portal:
        former = portal.pid("broker")
        portal.restart("broker")
        assert portal.pid("broker") != former
        assert not is_alive(former)


def test_part_that_ignores_the_request_to_end_is_killed_after_its_grace(data_dir: Path) -> None:
    deaf = Part("deaf", (sys.executable, "-c", STUBBORN), grace_s=0.3)
    portal = Portal(data_dir, parts=[deaf]).start()
    assert comes_true(lambda: "deaf" in portal.log("deaf").read_text())
    pid, began = portal.pid("deaf"), time.monotonic()
    portal.stop()
    assert time.monotonic() - began < 3
    assert not is_alive(pid)


def test_second_portal_on_the_same_folder_is_refused_and_told_where_the_first_is(data_dir: Path) -> None:
    with Portal(data_dir, parts=[SLEEPER]) as first:
        with pytest.raises(PortalAlreadyRuns, match=first.url):
            Portal(data_dir, parts=[SLEEPER]).start()
        assert is_alive(first.pid("sleeper"))
    with Portal(data_dir, parts=[SLEEPER]) as again:
        assert is_alive(again.pid("sleeper"))


def test_no_part_outlives_a_parent_that_was_killed(data_dir: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(data_dir)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    assert all(is_alive(pid) for pid in pids)
    parent.kill()
    parent.wait(10)
    parent.stdout.close()
    assert comes_true(lambda: not any(is_alive(pid) for pid in pids))


def test_broker_socket_is_for_its_owner_alone(data_dir: Path) -> None:
    with Portal(data_dir, parts=[broker_part(data_dir)]):
        socket = data_dir / "broker" / "socket"
        assert socket.stat().st_mode & 0o077 == 0
        assert socket.parent.stat().st_mode & 0o777 == 0o700


def test_folder_with_a_long_path_still_has_a_broker(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 20) / ("path" * 20)
    folder.mkdir(parents=True)
    with Portal(folder, parts=[broker_part(folder)]) as portal:
        assert is_alive(portal.pid("broker"))


def test_web_part_answers_on_the_loopback_address(data_dir: Path) -> None:
    probe = Portal(data_dir)
    with Portal(data_dir, port=probe.port, parts=[web_part(data_dir, probe.port, no_tcp=True)]) as portal:
        assert is_alive(portal.pid("web"))
        assert portal.environ["OPSPORTAL_PROFILE"] == "embedded"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_ends_everything_at_a_signal(data_dir: Path, number: int) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom opsportal.supervisor.parts import broker_part\n"
        "from opsportal.supervisor.portal import Portal\nfrom opsportal.supervisor.up import serve\n"
        "folder = Path(sys.argv[1])\nportal = Portal(folder, parts=[broker_part(folder)])\nserve(portal)\n"
    )
    environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
    argv = [sys.executable, "-c", program, str(data_dir)]
    up = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environ)
    assert up.stdout is not None
    assert up.stdout.readline().startswith("http://localhost:")
    assert "Ctrl-C ends" in up.stdout.readline()
    up.send_signal(number)
    assert up.wait(10) == 0
    up.stdout.close()
    assert not (data_dir / "broker" / "socket").exists()
