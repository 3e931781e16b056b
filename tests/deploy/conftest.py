"""A portal as docker-compose.yml describes it: every role, on PostgreSQL and Redis, with a practice target."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from opsportal.demo.company import Company
from opsportal.supervisor import broker, launcher
from tests.deploy.composed import ENVIRONMENTS, ISSUERS, ROOT, WORKERS, services
from tests.deploy.contained import Engine
from tests.fixtures import postgres
from tests.fixtures.counterparts import need
from tests.fixtures.serving import free_port


@dataclass(slots=True)
class Practice:
    """The practice target of staging, as the company adds a host."""

    port: int
    host_key: str
    name: str = "staging-web-01"
    address: str = "127.0.0.1"
    account: str = "deploy"

    def trust(self, *, ca: str) -> None:
        """It trusts what its environment's card says, and needs no telling."""


@dataclass(slots=True)
class Installed:
    engine: Engine
    company: Company
    url: str


def wait_until(question: Callable[[], bool], what: str, *, within_s: float = 90) -> None:
    until = time.monotonic() + within_s
    while not question():
        assert time.monotonic() < until, what
        time.sleep(0.3)


@pytest.fixture(scope="module")
def installed() -> Iterator[Installed]:
    if os.geteuid() != 0:
        pytest.fail("This test gives each role its own user, so it must be root in a throw-away machine.")
    need("sshd")
    with tempfile.TemporaryDirectory(prefix="opsportal-roles-", dir="/var/tmp") as name, postgres.running() as database:
        folder = Path(name)
        folder.chmod(0o711)
        port, at = free_port(), free_port()
        socket = Path(database.partition("@")[2].partition("/")[0].replace("%2F", "/"))
        socket.chmod(0o755)
        _portals_database(socket)
        values = {"OPSPORTAL_PUBLIC_URL": f"http://localhost:{port}", "OPSPORTAL_PORT": str(port)}
        engine = Engine(folder, values, binds=[socket])
        _secrets(folder, socket, at)
        with _broker(folder, at):
            _static(folder)
            try:
                yield _installed(engine, port)
            finally:
                engine.stop()


def _on_loopback(name: str, port: int) -> dict[str, Any]:
    """The witness's own network is this machine's here: its name becomes an address that nobody else listens on."""
    words, here = services()[name].get("command", []), f"127.0.0.1:{port}"
    return {"command": [word.replace("witness:8300", here).replace("0.0.0.0:8300", here) for word in words]}


def _installed(engine: Engine, port: int) -> Installed:
    at = free_port()
    for name in (*(f"keys-{name}" for name in (*ENVIRONMENTS, *ISSUERS, "disposable")), "witness-key"):
        done = engine.run(name, **_on_loopback(name, at))
        assert done.returncode == 0, done.stderr
    done = engine.run("install")
    assert done.returncode == 0, done.stderr
    link = re.search(r"/welcome/\S+", done.stdout)
    assert link, done.stdout
    for name in (*WORKERS, "witness"):
        engine.start(name, **_on_loopback(name, at))
    for name in (*WORKERS, "witness"):
        _wait_for(engine, name)
    people = engine.folder / "people"
    people.mkdir(mode=0o700)
    company = Company(f"http://localhost:{port}", people)
    company.found(link.group())
    return Installed(engine, company, company.url)


def _wait_for(engine: Engine, name: str) -> None:
    """Until its health check says yes; one that ended tells why."""
    until = time.monotonic() + 200
    while not engine.alive(name):
        if engine.started[name].poll() is not None or time.monotonic() > until:
            pytest.fail(f"{name}: {engine.log(name).read_text()[-3000:]}")
        time.sleep(0.3)


@contextmanager
def _broker(folder: Path, port: int) -> Iterator[None]:
    """Redis with a user for each pool, as the file starts it."""
    guard = [sys.executable, "-I", "-S", launcher.__file__, str(os.getpid())]
    words = [
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--aclfile",
        str(folder / "secrets" / "broker-users"),
        "--save",
        "",
    ]
    argv = [*guard, broker.program(), *words, "--dir", str(folder)]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def _portals_database(socket: Path) -> None:
    """A database that asks everybody but its owner for a password, as PostgreSQL's image does over the network."""
    with psycopg.connect(host=str(socket), user="opsportal", dbname="postgres", autocommit=True) as link:
        link.execute("CREATE DATABASE opsportal")
        (Path(socket) / "data" / "pg_hba.conf").write_text("local all opsportal trust\nlocal all all scram-sha-256\n")
        link.execute("SELECT pg_reload_conf()")


def _secrets(folder: Path, socket: Path, port: int) -> None:
    environ = {**os.environ, "BROKER_HOST": "127.0.0.1", "BROKER_PORT": str(port)}
    environ["DATABASE_HOST"] = str(socket).replace("/", "%2F")
    script = ["sh", str(ROOT / "deploy" / "secrets.sh"), str(folder / "secrets")]
    subprocess.run(script, env=environ, check=True, capture_output=True)


def _static(folder: Path) -> None:
    """What the image's build does for the pages, at the place where the image has it."""
    text = (ROOT / "Dockerfile").read_text()
    assert "manage.py collectstatic --noinput" in text
    environ = {
        "PATH": os.environ["PATH"],
        "OPSPORTAL_NO_BOOTSTRAP": "1",
        "OPSPORTAL_PROFILE": "production",
        "OPSPORTAL_ROOT_OK": "yes",
        "OPSPORTAL_DATA_DIR": str(folder / "build"),
        **dict(re.findall(r"(OPSPORTAL_SECRET_KEY|DATABASE_URL|OPSPORTAL_BROKER_URL)=(\S+)", text)),
    }
    program = """
import sys
from django.conf import settings
settings.STATIC_ROOT = sys.argv[1]
import django
django.setup()
from django.core.management import call_command
call_command("collectstatic", interactive=False, verbosity=0)
"""
    place = folder / "image" / "staticfiles"
    place.mkdir(parents=True)
    environ["DJANGO_SETTINGS_MODULE"] = "opsportal.settings"
    subprocess.run([sys.executable, "-c", program, str(place)], cwd=ROOT, env=environ, check=True)


@pytest.fixture(scope="module")
def target(installed: Installed) -> Practice:
    return practice(installed, "staging", 10100)


def practice(installed: Installed, environment: str, user: int) -> Practice:
    """deploy/target/target.sh as its image starts it: sshd as an ordinary user, with what its pool's card says."""
    engine, port, name = installed.engine, free_port(), f"{environment}-web-01"
    place, etc = engine.folder / f"target-{environment}", engine.folder / f"target-{environment}-etc"
    for folder in (place, etc):
        folder.mkdir()
    os.chown(place, user, user)
    account = f"deploy:x:{user}:{user}::/var/lib/target:/bin/sh"
    etc.joinpath("passwd").write_text(f"root:x:0:0::/root:/bin/sh\n{account}\n")
    words = [
        str(need("bwrap")),
        "--die-with-parent",
        "--ro-bind",
        "/",
        "/",
        "--dev",
        "/dev",
        "--tmpfs",
        "/tmp",
        "--chmod",
        "1777",
        "/tmp",
    ]
    words += ["--tmpfs", "/var/lib", "--dir", "/var/lib/target", "--bind", str(place), "/var/lib/target"]
    words += ["--ro-bind", str(etc / "passwd"), "/etc/passwd", "--tmpfs", "/mnt"]
    words += ["--ro-bind", str(engine.volume("cards")), "/mnt/cards"]
    words += ["--ro-bind", str(ROOT / "deploy" / "target" / "target.sh"), "/mnt/target"]
    card = f"/mnt/cards/issuer-{environment}.json"
    for variable, value in {"TARGET": name, "CARD": card, "PORT": str(port)}.items():
        words += ["--setenv", variable, value]
    words += [
        "--",
        "setpriv",
        f"--reuid={user}",
        f"--regid={user}",
        "--clear-groups",
        "--no-new-privs",
        "--bounding-set=-all",
    ]
    log = engine.folder / f"target-{environment}.log"
    with log.open("wb") as out:
        process = subprocess.Popen([*words, "--", "sh", "/mnt/target"], stdout=out, stderr=out)
    engine.started[f"target-{environment}"] = process
    wait_until(
        lambda: "Server listening" in log.read_text() or process.poll() is not None,
        f"the target of {environment}",
        within_s=20,
    )
    key = re.search(r"Host key, .*: (ssh-ed25519 \S+)", log.read_text())
    assert key, log.read_text()
    return Practice(port, key.group(1), name)
