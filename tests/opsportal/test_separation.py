"""Web, keeper and disposable pool are taken out of sight of the keys by the kernel: tried from an attacker's place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from opsportal.supervisor import confine
from opsportal.supervisor.parts import confined
from opsportal.supervisor.portal import Portal

pytestmark = pytest.mark.once
PASSWORD = "nine yards of twine"
ATTACK = """
import ctypes, json, os, sys
from pathlib import Path
folder, victim = Path(sys.argv[1]), int(sys.argv[2])
got = []
def tries(name, attempt):
    try:
        attempt()
        got.append(name)
    except OSError:
        pass
def trace():
    if ctypes.CDLL(None, use_errno=True).ptrace(16, victim, 0, 0):
        raise OSError(ctypes.get_errno())
for key in sorted((folder / "keys").iterdir()):
    tries(f"open {key.name}", lambda: key.open("rb").close())
tries("link", lambda: os.link(folder / "keys" / "evidence", folder / "database" / "stolen"))
tries("rename", lambda: os.rename(folder / "keys", folder / "database" / "stolen-keys"))
tries("ptrace", trace)
tries("mem", lambda: open(f"/proc/{victim}/mem", "rb").close())
tries("root", lambda: open(f"/proc/{victim}/root" + str(folder / "keys" / "evidence"), "rb").close())
tries("write beside", lambda: (folder / "planted").write_text("x"))
tries("write code", lambda: Path(sys.argv[3]).write_text("x"))
tries("own database", lambda: (folder / "database" / "probe").write_text("x"))
print(json.dumps(got))
"""


def attack(data_dir: Path, victim: int, prefix: tuple[str, ...]) -> list[str]:
    planted = Path(__file__).with_name("planted.py")
    argv = [*prefix, sys.executable, "-c", ATTACK, str(data_dir), str(victim), str(planted)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
    finally:
        planted.unlink(missing_ok=True)
    found: list[str] = json.loads(done.stdout)
    return found


@pytest.fixture
def keys(data_dir: Path) -> Path:
    for name in ("evidence", "runner", "ssh-ca-production"):
        path = data_dir / "keys" / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_text("a private key")
    (data_dir / "database").mkdir()
    return data_dir


def test_from_the_place_of_the_web_process_no_key_can_be_had(keys: Path) -> None:
    assert confine.version() > 0, "this kernel has no Landlock: the gate needs one"
    victim = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        assert attack(keys, victim.pid, confined(keys)) == ["own database"]
    finally:
        victim.kill()
        victim.wait()


def test_the_same_attack_succeeds_where_nothing_confines_it(keys: Path) -> None:
    """The control: without it the test above could pass because the attack is broken."""
    victim = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        got = attack(keys, victim.pid, ())
    finally:
        victim.kill()
        victim.wait()
    assert {"open evidence", "open runner", "mem", "ptrace", "rename"} <= set(got)


def test_the_real_web_process_says_that_it_sees_no_key_and_the_pack_would_say_so(data_dir: Path) -> None:
    with Portal(data_dir) as portal:
        portal.wait_for("web")
        token = portal.first_link
        assert token is not None
        pid = portal.pid("keeper")
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        assert len(children) == 1, "the sequencer is the keeper's child"
        for name in (pid, portal.pid("web"), portal.pid("pool")):
            assert "NoNewPrivs:\t1" in Path(f"/proc/{name}/status").read_text()
        with httpx.Client(base_url=portal.url, headers={"Referer": portal.url + "/"}, timeout=60) as http:
            made = {
                "token": token.strip("/").split("/")[1],
                "username": "mira",
                "name": "Mira",
                "password": PASSWORD,
            }
            welcome = http.post("/api/v1/welcome/", json=made)
            assert welcome.status_code == 201, welcome.text
            body = {"username": "mira", "password": PASSWORD}
            assert http.post("/api/v1/session/", json=body).status_code == 200
            page = http.get("/").text
            assert outcomes(http) == {"passed"}, "the shipped runbooks' own tests ran in the disposable pool"
        assert "Separation by the kernel between web and keys" in page
        assert (data_dir / "keys" / "evidence").exists()


IN_ITS_PLACE = """
import os, runpy, sys, threading, time
from pathlib import Path
def attack():
    room = Path(os.environ["OPSPORTAL_DATA_DIR"]) / "database"
    while not (room / "victims").exists():
        time.sleep(0.05)
    code = (room / "attack.py").read_text()
    for victim in (room / "victims").read_text().split():
        sys.argv = ["attack", os.environ["OPSPORTAL_DATA_DIR"], victim, os.environ["PLANTED_CODE"]]
        name = room / ("said-" + victim)
        tells = "name.with_suffix('.new').write_text(json.dumps(got))"
        exec(code.replace("print(json.dumps(got))", tells), {"name": name})
        name.with_suffix(".new").rename(name)
if any(word.startswith("opsportal.asgi") for word in sys.orig_argv):
    threading.Thread(target=attack, daemon=True).start()
"""


def test_from_inside_the_real_web_process_no_key_of_issuer_runner_or_log_can_be_had(
    data_dir: Path, tmp_path: Path
) -> None:
    """What somebody who runs code there tries against the living runner (the issuer here) and the sequencer."""
    (tmp_path / "sitecustomize.py").write_text(IN_ITS_PLACE)
    planted = Path(__file__).with_name("planted.py")
    with Portal(data_dir, environ={"PYTHONPATH": str(tmp_path), "PLANTED_CODE": str(planted)}) as portal:
        portal.wait_for("web")
        room, keeper = data_dir / "database", portal.pid("keeper")
        keys = {"pool-production.key", "ssh-ca-production", "evidence"}  # the last by the sequencer, in its own time
        until = time.monotonic() + 60
        while not keys <= {path.name for path in (data_dir / "keys").iterdir()} and time.monotonic() < until:
            time.sleep(0.1)
        assert keys <= {path.name for path in (data_dir / "keys").iterdir()}
        (sequencer,) = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
        victims = [str(portal.pid("runner")), sequencer]
        (room / "attack.py").write_text(ATTACK)
        (room / "victims.new").write_text(" ".join(victims))
        (room / "victims.new").rename(room / "victims")
        said = [room / f"said-{victim}" for victim in victims]
        until = time.monotonic() + 30
        while not all(path.exists() for path in said) and time.monotonic() < until:
            time.sleep(0.1)
        assert [json.loads(path.read_text()) for path in said] == [["own database"]] * 2
        assert not planted.exists()


def outcomes(http: httpx.Client) -> set[str]:
    """How the tests of all versions ended; the pool takes them one by one."""
    until = time.monotonic() + 60
    found = {"waiting"}
    while found & {"waiting", "running"} and time.monotonic() < until:
        time.sleep(0.5)
        rows = http.get("/api/v1/versions/").json()["results"]
        found = {row["tests"]["state"] for row in rows}
    return found


def test_a_web_process_in_production_that_can_read_a_key_refuses_to_start(tmp_path: Path) -> None:
    key = tmp_path / "evidence"
    key.write_text("a private key")
    environ = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "opsportal.settings",
        "OPSPORTAL_PROFILE": "production",
        "OPSPORTAL_PUBLIC_URL": "https://ops.example.com",
        "OPSPORTAL_SECRET_KEY": "k" * 60,
        "DATABASE_URL": "postgres://portal:secret@db/portal",
        "OPSPORTAL_BROKER_URL": "redis://broker/0",
        "OPSPORTAL_ROOT_OK": "yes",
        "OPSPORTAL_DATA_DIR": str(tmp_path),
        "OPSPORTAL_EVIDENCE_KEY_FILE": str(key),
    }
    done = subprocess.run(
        [sys.executable, "-c", "import opsportal.asgi"], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"this web process can read private keys.\n- {key}" in done.stderr
