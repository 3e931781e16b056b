"""Every role as docker-compose.yml describes it, on PostgreSQL and Redis, until a procedure has run on a host."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from opsportal.demo.client import PASSWORD
from opsportal.demo.company import Company
from procedures.evidence import verify
from tests.deploy.composed import ENVIRONMENTS, ISSUERS, WORKERS, services
from tests.deploy.conftest import Installed, Practice, wait_until

pytestmark = [pytest.mark.figures, pytest.mark.once, pytest.mark.timeout(600)]
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
    assert (engine.folder / "target-staging" / "notes").read_text() == "noted\n"
    assert "Accepted certificate ID" in (engine.folder / "target-staging.log").read_text()
    pack = mira.good("POST", "/api/v1/evidence/exports/", {})
    key = (engine.volume("log-public") / "evidence.pub").read_text().strip()
    witness = verify.Policy.of_keys([(engine.volume("witness") / "witness.pub").read_text()], 1)
    assert verify.verify(pack, key, "WITNESSED", witness)["verdict"] == "WITNESSED"
    members = verify.unzip(pack)
    assert b"by process: the web tier cannot open a key" in members["README.txt"]
    assert b"shares its runner's process" not in members["README.txt"]
    assert b"as the owner of its tables" not in members["README.txt"], "web has a login of its own"
    lines = b"".join(data for name, data in members.items() if name.startswith("bodies/")).splitlines()
    bodies = [json.loads(line) for line in lines]
    assert [body["issuer"] for body in bodies if "issuer" in body and "lease" in body] == ["apart"]

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
        for volume in (*(f"runner-{name}" for name in ENVIRONMENTS), *ISSUERS, "disposable", "log-key", "witness")
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


def test_a_runner_beside_which_an_issuer_s_keys_lie_takes_no_work(installed: Installed) -> None:
    row = services()["runner-staging"]
    program = """
import os, pathlib, shutil, sys
place = pathlib.Path("/tmp/data/keys")
place.mkdir(parents=True, mode=0o700)
for path in pathlib.Path("/var/lib/opsportal/issuer-staging/keys").iterdir():
    shutil.copy(path, place)
(place / "runner.json").write_bytes(sys.argv[1].encode())
os.environ["OPSPORTAL_DATA_DIR"] = "/tmp/data"
os.execv(sys.executable, [sys.executable, "-m", "opsportal.cli.main", "runner", "--environment", "staging"])
"""
    engine = installed.engine
    mine = (engine.volume("runner-staging") / "keys" / "runner.json").read_text()
    changed = {"environment": row["environment"], "secrets": row["secrets"]}
    told = engine.run("issuer-staging", sys.executable, "-c", program, mine, **changed)
    assert told.returncode != 0
    for file in ("pool-staging.key", "ssh-ca-staging"):
        assert f"{file} lies beside this runner's key, though its issuer is apart" in told.stderr


def test_the_runner_of_staging_gets_not_a_word_from_the_issuer_of_production(installed: Installed) -> None:
    """From its own place it sees no such socket; and where that volume is mounted by mistake, the kernel names it."""
    engine = installed.engine
    program = """
import socket, sys
for path in sys.argv[1:]:
    link = socket.socket(socket.AF_UNIX)
    try:
        link.connect(path)
        link.sendall(bytes([0, 0, 0, 15]) + b'{"ask":"Alive"}')
        print(link.recv(200)[4:].decode())
    except OSError as problem:
        print(type(problem).__name__)
"""
    doors = [f"/var/lib/opsportal/doors/{name}/socket" for name in ("staging", "production")]
    told = engine.run("runner-staging", sys.executable, "-c", program, *doors)
    assert told.stdout.splitlines() == ['{"alive":"staging"}', "FileNotFoundError"], told
    user = services()["runner-staging"]["user"].partition(":")[0]
    who = ["setpriv", f"--reuid={user}", "--regid=10000", "--clear-groups", "--"]
    path = str(engine.volume("door-production") / "socket")
    told = subprocess.run([*who, "/usr/bin/python3", "-c", program, path], capture_output=True, text=True, check=True)
    assert told.stdout.strip() in {"", "BrokenPipeError", "ConnectionResetError"}
    assert '"event": "issuer.stranger"' in engine.log("issuer-production").read_text()


def test_web_asks_its_way_out_which_refuses_what_nobody_signed_and_answers_no_other_user(installed: Installed) -> None:
    """The process runs as its own user, with its own login in the database: it reads the log, and writes one kind."""
    engine = installed.engine
    program = """
import django
django.setup()
from procedures.domain.errors import OpsError
from procedures.signon import egress
try:
    egress.get("https://id.example.com/jwks?stolen=x")
except OpsError as refusal:
    print(refusal.code)
"""
    environ = {**services()["web"]["environment"], "DJANGO_SETTINGS_MODULE": "opsportal.settings"}
    told = engine.run("web", sys.executable, "-c", program, environment=environ)
    assert told.stdout.strip() == "egress.refused", told.stdout + told.stderr
    path = str(engine.volume("door-web") / "socket")
    ask = "import socket, sys\nl = socket.socket(socket.AF_UNIX)\nl.connect(sys.argv[1])\nprint(len(l.recv(99)))"
    said = []
    for name in ("web", "scheduler", "runner-staging"):
        user = services()[name]["user"].partition(":")[0]
        who = ["setpriv", f"--reuid={user}", "--regid=10000", "--clear-groups", "--"]
        done = subprocess.run([*who, "/usr/bin/python3", "-c", ask, path], capture_output=True, text=True, check=False)
        said.append(done.stdout.strip())
    assert said == ["32", "0", "0"]
    log = engine.log("egress").read_text()
    assert '"asked": "GET https://id.example.com/jwks"' in log
    assert log.count('"event": "egress.stranger"') == 2
    assert "permission denied" not in log


def test_a_web_process_that_sees_a_key_refuses_to_start(installed: Installed) -> None:
    row = services()["sequencer"]
    changed = {"command": services()["web"]["command"], "environment": row["environment"]}
    told = installed.engine.run("sequencer", **changed)
    assert told.returncode != 0
    assert "Refusing to start: this web process can read private keys" in told.stderr
