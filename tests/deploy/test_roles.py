"""Every role as docker-compose.yml describes it, on PostgreSQL and Redis, until a procedure has run on a host."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from opsportal.demo.client import PASSWORD
from opsportal.demo.company import Company
from opsportal.supervisor import broker, launcher
from procedures.evidence import verify
from tests.deploy.composed import ENVIRONMENTS, ROOT, WORKERS, services
from tests.deploy.contained import Engine
from tests.fixtures import postgres
from tests.fixtures.counterparts import need
from tests.fixtures.serving import free_port

pytestmark = [pytest.mark.figures, pytest.mark.once, pytest.mark.timeout(420)]
PROCEDURE = b"""\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: note-down}
spec:
  owner: group:default/x
  type: operation
  risk: moderate
  environments: [staging]
  timeout: 1m
  targets: {filter: "role=web"}
  credentials: {deploy: {kind: ssh, ttl: 2m}}
  steps:
    - {id: write, action: "ssh:script", credentials: [deploy], input: {script: write.sh}, timeout: 20s}
"""


@dataclass(slots=True)
class Practice:
    """The practice target of staging, as the company adds a host."""

    port: int
    host_key: str
    name: str = "staging-web-01"
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
        values = {"OPSPORTAL_PUBLIC_URL": f"http://localhost:{port}", "OPSPORTAL_PORT": str(port)}
        engine = Engine(folder, values, binds=[socket])
        with _broker(folder, at):
            _secrets(folder, database, at)
            _static(folder)
            try:
                yield _installed(engine, port)
            finally:
                engine.stop()


def _installed(engine: Engine, port: int) -> Installed:
    for name in (*ENVIRONMENTS, "disposable"):
        done = engine.run(f"keys-{name}")
        assert done.returncode == 0, done.stderr
    done = engine.run("install")
    assert done.returncode == 0, done.stderr
    link = re.search(r"/welcome/\S+", done.stdout)
    assert link, done.stdout
    for name in WORKERS:
        engine.start(name)
    for name in WORKERS:
        _wait_for(engine, name)
    people = engine.folder / "people"
    people.mkdir(mode=0o700)
    company = Company(f"http://localhost:{port}", people)
    company.found(link.group())
    return Installed(engine, company, company.url)


def _wait_for(engine: Engine, name: str) -> None:
    """Until its health check says yes; one that ended tells why."""
    until = time.monotonic() + 90
    while not engine.alive(name):
        if engine.started[name].poll() is not None or time.monotonic() > until:
            pytest.fail(f"{name}: {engine.log(name).read_text()[-3000:]}")
        time.sleep(0.3)


def _broker(folder: Path, port: int) -> Any:
    """Redis behind a password, as the file starts it."""
    from contextlib import contextmanager

    @contextmanager
    def running() -> Iterator[None]:
        guard = [sys.executable, "-I", "-S", launcher.__file__, str(os.getpid())]
        words = [
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--requirepass",
            "open-sesame",
            "--save",
            "",
            "--dir",
            str(folder),
        ]
        process = subprocess.Popen([*guard, broker.program(), *words], stdout=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)

    return running()


def _secrets(folder: Path, database: str, port: int) -> None:
    subprocess.run(["sh", ROOT / "deploy" / "secrets.sh", folder / "secrets"], check=True, capture_output=True)
    for name, text in (("database-url", database), ("broker-url", f"redis://:open-sesame@127.0.0.1:{port}/0")):
        (folder / "secrets" / name).unlink()
        (folder / "secrets" / name).write_text(text + "\n")


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
    """deploy/target/target.sh as its image starts it: sshd as an ordinary user, with what staging's card says."""
    engine, port = installed.engine, free_port()
    place, etc = engine.folder / "target", engine.folder / "target-etc"
    for folder in (place, etc):
        folder.mkdir()
    os.chown(place, 10100, 10100)
    etc.joinpath("passwd").write_text("root:x:0:0::/root:/bin/sh\ndeploy:x:10100:10100::/var/lib/target:/bin/sh\n")
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
    for name, value in {"TARGET": "staging-web-01", "CARD": "/mnt/cards/staging.json", "PORT": str(port)}.items():
        words += ["--setenv", name, value]
    words += [
        "--",
        "setpriv",
        "--reuid=10100",
        "--regid=10100",
        "--clear-groups",
        "--no-new-privs",
        "--bounding-set=-all",
    ]
    log = engine.folder / "target.log"
    with log.open("wb") as out:
        process = subprocess.Popen([*words, "--", "sh", "/mnt/target"], stdout=out, stderr=out)
    engine.started["target"] = process
    wait_until(lambda: "Server listening" in log.read_text() or process.poll() is not None, "the target", within_s=20)
    key = re.search(r"Host key, .*: (ssh-ed25519 \S+)", log.read_text())
    assert key, log.read_text()
    return Practice(port, key.group(1))


def _submitted(company: Company) -> None:
    """A procedure of Adam's, accepted by Mira."""
    mira, adam = company["mira"], company["adam"]
    invited = mira.good("POST", "/api/v1/people/", {"username": "adam", "name": "Adam"})
    token = invited["invitation"].strip("/").rpartition("/")[2]
    adam.good("POST", "/api/v1/join/", {"token": token, "password": PASSWORD})
    adam.login()
    company.people["jonas"] = mira
    company.grant("adam", ["author"], [])
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        script = b'echo noted >>"$HOME/notes"\n'
        for path, content in {"procedure.yaml": PROCEDURE, "write.sh": script, "README.md": b"x"}.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    version = adam.good("POST", "/api/v1/versions/", files={"bundle": ("b.tar.gz", raw.getvalue())})
    duties = ["operations", "security"]
    place = f"/api/v1/versions/{version['id']}/statement/"
    asked = mira.good("GET", place, params={"verdict": "accept", "duties": duties})
    body = {"version": version["id"], "digest": version["digest"], "verdict": "accept", "duties": duties}
    mira.good("POST", "/api/v1/reviews/", {**body, "signature": mira.sign(asked["statement"])})


def test_a_procedure_runs_on_a_host_from_page_to_evidence(installed: Installed, target: Practice) -> None:
    company, engine = installed.company, installed.engine
    mira = company["mira"]
    _submitted(company)
    company.add_hosts({"staging": [target]})  # type: ignore[list-item]
    wish = {"procedure": "note-down", "environment": "staging", "reason": "a test", "parameters": {}}
    run = mira.good("POST", "/api/v1/runs/", wish)

    def ended() -> bool:
        return bool(mira.good("GET", f"/api/v1/runs/{run['id']}/")["state"] not in {"queued", "running", "requested"})

    wait_until(ended, f"runner-staging: {engine.log('runner-staging').read_text()[-3000:]}")
    found = mira.good("GET", f"/api/v1/runs/{run['id']}/")
    assert found["state"] == "succeeded", found
    assert (engine.folder / "target" / "notes").read_text() == "noted\n"
    assert "Accepted certificate ID" in (engine.folder / "target.log").read_text()
    pack = mira.good("POST", "/api/v1/evidence/exports/", {})
    key = (engine.volume("log-public") / "evidence.pub").read_text().strip()
    assert verify.verify(pack, key)["verdict"] == "SIGNED"
    assert b"by process: the web tier cannot open a key" in verify.unzip(pack)["README.txt"]

    done = engine.run("backup", *_of_the_console("backup", "/var/lib/opsportal/backups/a.tar"))
    assert done.returncode == 0, done.stderr
    assert "1 runs" in done.stdout
    assert list(engine.volume("backups").iterdir())


def _of_the_console(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "opsportal.cli.main", *words)


def test_no_role_writes_to_its_image_or_is_root(installed: Installed) -> None:
    program = """
import os, sys
print(os.getuid(), os.getgroups())
for path in sys.argv[1:]:
    try:
        open(path, "w")
        print("wrote", path)
    except OSError:
        continue
"""
    for name in WORKERS:
        places = ["/opt/opsportal/x", "/etc/x", "/x", "/usr/x", "/opt/opsportal/opsportal/__init__.py"]
        told = installed.engine.run(name, sys.executable, "-c", program, *places)
        user = services()[name]["user"].partition(":")[0]
        assert told.stdout.strip() == f"{user} []", told.stdout + told.stderr


def test_no_user_opens_the_volume_of_another_even_where_it_is_mounted_by_mistake(installed: Installed) -> None:
    """Two walls: a volume is mounted to one role, and its files belong to one user."""
    engine = installed.engine
    private = [
        path
        for volume in (*(f"runner-{name}" for name in ENVIRONMENTS), "disposable", "log-key")
        for path in engine.volume(volume).rglob("*")
        if path.is_file() and path.suffix not in {".pub", ".published"}
    ]
    assert len(private) >= 11
    program = "import sys\nfor p in sys.argv[1:]:\n try: open(p, 'rb').close(); print(p)\n except OSError: pass"
    for name in WORKERS:
        user = services()[name]["user"].partition(":")[0]
        who = ["setpriv", f"--reuid={user}", "--regid=10000", "--clear-groups", "--"]
        told = subprocess.run(
            [*who, "/usr/bin/python3", "-c", program, *map(str, private)], capture_output=True, text=True, check=True
        )
        mine = engine.volume(name if name != "sequencer" else "log-key")
        opened = {Path(line) for line in told.stdout.splitlines()}
        assert opened == {path for path in private if path.is_relative_to(mine)}, name


def test_a_runner_with_the_volume_of_another_environment_takes_no_work(installed: Installed) -> None:
    row = services()["runner-staging"]
    told = installed.engine.run("runner-production", command=row["command"])
    assert told.returncode != 0
    assert "runner-production is not enrolled for staging" in told.stderr


def test_a_web_process_that_sees_a_key_refuses_to_start(installed: Installed) -> None:
    row = services()["sequencer"]
    changed = {"command": services()["web"]["command"], "environment": row["environment"]}
    told = installed.engine.run("sequencer", **changed)
    assert told.returncode != 0
    assert "Refusing to start: this web process can read private keys" in told.stderr
