"""A real service on a practice target: a small web server under a supervisord of the account's own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from opsportal.demo.hosts import Host

CONF = """\
[unix_http_server]
file={place}/supervisor.sock
[supervisord]
directory={place}
logfile={place}/supervisord.log
pidfile={place}/supervisord.pid
nodaemon=true
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{place}/supervisor.sock
[program:{name}]
command={python} -m http.server 0 --bind 127.0.0.1 --directory {place}/www
startsecs=0
stdout_logfile={place}/{name}.log
redirect_stderr=true
"""


def python_for_hosts() -> str:
    """An interpreter that other users may run."""
    return "/usr/bin/python3" if os.geteuid() == 0 and os.access("/usr/bin/python3", os.X_OK) else sys.executable


def install_service(host: Host, name: str) -> subprocess.Popen[bytes]:
    """Put supervisord and the service into the account's home and start them as that account."""
    place = host.home / "service"
    (place / "www").mkdir(parents=True, exist_ok=True)
    spec = importlib.util.find_spec("supervisor")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package `supervisor` is not installed")
    shutil.copytree(
        Path(spec.origin).parent,
        place / "lib" / "supervisor",
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("tests", "__pycache__"),
    )
    python = python_for_hosts()
    (place / "supervisord.conf").write_text(CONF.format(place=place, name=name, python=python))
    for tool in ("supervisord", "supervisorctl"):
        start = f"import sys; sys.path.insert(0, {str(place / 'lib')!r}); from supervisor.{tool} import main; main()"
        (place / tool).write_text(f'#!/bin/sh\nexec {python} -W ignore -c "{start}" "$@"\n')
        (place / tool).chmod(0o755)
    command = [str(place / "supervisord"), "-c", str(place / "supervisord.conf")]
    if os.geteuid() == 0:
        for part in [place, *place.rglob("*")]:
            os.chown(part, host.uid, host.uid, follow_symlinks=False)
        who = str(host.uid)
        command = ["setpriv", "--reuid", who, "--regid", who, "--clear-groups", *command]
    process = subprocess.Popen(
        command,
        env={"HOME": str(host.home), "PATH": "/usr/local/bin:/usr/bin:/bin"},
        cwd=place,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _wait(place / "supervisor.sock", process)
    return process


def _wait(socket: Path, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 15
    while not socket.exists():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"supervisord did not start; see {socket.parent / 'supervisord.log'}")
        time.sleep(0.05)
