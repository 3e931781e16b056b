"""An action of another package from the attacker's place: what it does is done, and it sees nothing of ours (H4)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection

from procedures.definitions import registry
from procedures.domain.ports import ActionCall, ActionIO, ActionResult
from procedures.domain.secrets import Secret
from tests.engine.attack import ATTACK, HEAD
from tests.engine.test_runs import procedure, run_it
from tests.factories.portal import World
from tests.factories.site import Site

STEP = "{id: one, action: 'acme:greet', timeout: 20s, input: %s}"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    made = Site(folder)
    yield made
    monkeypatch.undo()
    made.restart()


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What the attacker knows: where everything lies; and all of it is really there."""
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "evidence").write_text("a private key")
    canary, mark = uuid4().hex, uuid4().hex
    monkeypatch.setenv("OPSPORTAL_CANARY", canary)
    with socket.socket(socket.AF_UNIX) as broker, socket.create_server(("127.0.0.1", 0)) as server:
        broker.bind(str(tmp_path / "broker"))
        broker.listen()
        yield {
            "keys": [str(keys)],
            "files": [str(keys / "evidence"), "/etc/shadow", str(Path(__file__))],
            "canary": canary,
            "parent": os.getpid(),
            "socket": str(tmp_path / "broker"),
            "port": server.getsockname()[1],
            "home": str(Path.home()),
            "mark": mark,
        }


class Heard(ActionIO):
    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.text: dict[str, bytes] = {}
        self.secrets: list[bytes] = []

    def write(self, stream: Literal["stdout", "stderr", "system"], data: bytes) -> None:
        self.text[stream] = self.text.get(stream, b"") + data

    def register_secret(self, secret: Secret) -> None:
        self.secrets.append(secret.reveal())


def call(seconds: float = 10, **more: Any) -> ActionCall:
    plain: dict[str, Any] = {"input": {}, "files": {}, "parameters": {}, "env": {}, "secret_env": {}} | more
    return ActionCall(uuid4(), "one", 1, "", stdin=None, target=None, lease=None, seconds_left=seconds, **plain)


def acted(site: Site, body: str, more: str = "", **given: Any) -> tuple[ActionResult, Heard]:
    lines = "".join(f"        {line}\n" for line in body.splitlines())
    site.install("1.0", HEAD.replace("MORE", more) + lines)
    site.restart()
    io = Heard()
    return registry.actions()["acme:greet"].run(call(**given), io), io


def alive(mark: str) -> list[str]:
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                found += [place.name] if mark.encode() in (place / "cmdline").read_bytes() else []
            except OSError:
                continue
    return found


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)


def test_it_sees_nothing_of_ours_and_its_honest_work_arrives(world: World, site: Site, given: dict[str, Any]) -> None:
    """On a real run, with the real keys and the real database of this test."""
    given["keys"].append(str(settings.OPSPORTAL_KEYS_DIR))
    given["keys"].append(str(settings.OPSPORTAL_DATA_DIR))
    name = str(connection.settings_dict["NAME"])
    given["files"] += [name] if name.startswith("/") else []
    site.install("1.0", ATTACK.replace("MORE", ""))
    site.restart()
    site.let_in(world)
    run = run_it(world, procedure(world, "greet", STEP % json.dumps(given)), "greet")
    assert (run.state, "".join(run.log.order_by("seq").values_list("text", flat=True))) == (
        "succeeded",
        "honest work\n[]",
    )
    task = run.tasks.get()
    assert task.output == {"got": [], "environment": ["HOME", "LANG", "PATH", "PWD"]}
    assert alive(given["mark"]) == []


def test_the_same_attack_succeeds_where_nothing_holds_it(site: Site, given: dict[str, Any]) -> None:
    """The control: without it the test above could pass because the attack is broken."""
    site.install("1.0", ATTACK.replace("MORE", ""))
    given = json.dumps(given | {"mark": ""})
    words = f"import acme_actions, json; print(json.dumps(acme_actions.attack(json.loads({given!r}))))"
    environ = {**os.environ, "PYTHONPATH": f"{site.folder}:{Path.cwd()}"}
    done = subprocess.run([sys.executable, "-c", words], env=environ, capture_output=True, text=True, check=True)
    seen = {"keys", "files", "canary", "environments", "parent's environment", "broker", "network", "home"}
    assert seen | {"issuer", "models"} <= {*json.loads(done.stdout)}


def test_it_reaches_the_network_where_it_says_so_and_weighs_more_then(site: Site, given: dict[str, Any]) -> None:
    body = 'socket.create_connection(("127.0.0.1", call.input["port"]), timeout=2)\nreturn ActionResult("succeeded")'
    result, _ = acted(site, body, "network = True", input={"port": given["port"]})
    assert (result.outcome, registry.actions()["acme:greet"].floor) == ("succeeded", "moderate")
    result, _ = acted(site, body, input={"port": given["port"]})
    assert (result.outcome, registry.actions()["acme:greet"].floor) == ("failed", "low")


def test_what_it_is_handed_arrives_whole_and_what_it_gives_comes_back(site: Site) -> None:
    body = """\
io.register_secret(call.secret_env["TOKEN"])
io.write("stdout", call.files["a/b"] * 70000)
print("by the way")
out = {"out": bytes(range(256))}
return ActionResult("failed", 7, {"n": [1, None]}, {"x": "y", "sandbox": "Z"}, None, "no", out)"""
    more = {"files": {"a/b": b"\x00\xff"}, "secret_env": {"TOKEN": Secret("hush")}}
    result, io = acted(site, body, **more)
    assert (result.outcome, result.exit_status, result.output, result.message) == ("failed", 7, {"n": [1, None]}, "no")
    assert result.files == {"out": bytes(range(256))}
    assert result.facts["x"] == "y"
    assert result.facts["sandbox"] in {"A", "B"}
    assert io.text == {"stdout": b"\x00\xff" * 70000, "stderr": b"by the way\n"}
    assert io.secrets == [b"hush"]


def test_a_plan_knows_the_names_of_secrets_and_no_value(site: Site) -> None:
    acted(site, 'return ActionResult("succeeded")')
    plan = registry.actions()["acme:greet"].plan(call(input={"word": "a"}, secret_env={"TOKEN": Secret("hush")}))
    assert plan == {"word": "a", "secrets": ["TOKEN"]}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("os._exit(3)", "ended with status 3 before it answered"),
        ("raise RuntimeError('its own defect')", "its own defect"),
        ("return None", "ended with status 1"),
        ("return ActionResult('splendid')", "a type that it may not have"),
        ("return ActionResult('succeeded', output={'a': b'bytes'})", "a type that it may not have"),
        ("[os.write(fd, b'gibberish\\n') for fd in range(3, 9) if os.path.exists(f'/proc/self/fd/{fd}')]", "no answer"),
        ("x = bytearray(3 << 30); x[::4096] = b'x' * len(x[::4096])", "MemoryError"),
    ],
    ids=["dies", "raises", "nothing", "outcome", "bytes in output", "gibberish", "memory"],
)
def test_what_is_no_answer_is_a_failed_task_that_says_so(site: Site, body: str, told: str) -> None:
    result, io = acted(site, body)
    assert result.outcome == "failed"
    assert told in result.message
    assert told.encode() in io.text["system"]


def test_one_that_gives_another_id_is_not_believed(site: Site) -> None:
    turned = "id = 'acme:greet' if resource.getrlimit(resource.RLIMIT_CPU)[0] == 10 else 'acme:other'"
    result, _ = acted(site, 'return ActionResult("succeeded")', turned)
    assert (result.outcome, "'acme:other'" in result.message) == ("failed", True)


def test_one_that_hangs_times_out_with_all_that_it_started(site: Site) -> None:
    mark = uuid4().hex
    body = f"subprocess.Popen(['sleep', '600', '{mark}'], start_new_session=True)\ntime.sleep(600)"
    began = time.monotonic()
    result, _ = acted(site, body, seconds=1.5)
    assert (result.outcome, result.remote, alive(mark)) == ("timed_out", "dead", [])
    assert time.monotonic() - began < 10


def test_a_cancel_ends_all_that_it_started(site: Site) -> None:
    mark = uuid4().hex
    body = f"subprocess.Popen(['sh', '-c', 'sleep 600', '{mark}'], start_new_session=True); time.sleep(600)"
    site.install("1.0", f"{HEAD.replace('MORE', '')}        {body}\n")
    site.restart()
    io = Heard()
    threading.Thread(target=lambda: (until(lambda: alive(mark)), io.cancelled.set())).start()
    result = registry.actions()["acme:greet"].run(call(30), io)
    assert (result.outcome, result.remote, alive(mark)) == ("canceled", "dead", [])


@pytest.mark.parametrize(
    "more",
    ["gate = True", "shares_files = True", "id = 'Not an id'", "floor = 'none'", "input_schema = {'type': 7}"],
)
def test_a_class_that_is_no_usable_action_is_not_there(site: Site, more: str) -> None:
    site.install("1.0", HEAD.replace("MORE", more) + "        pass\n")
    site.restart()
    assert "acme:greet" not in registry.actions()


def test_a_module_that_attacks_when_it_is_imported_gains_nothing(site: Site, tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    site.install("1.0", f"open({str(planted)!r}, 'w').write('x')\n")
    site.restart()
    assert "acme:greet" not in registry.actions()
    assert not planted.exists()
