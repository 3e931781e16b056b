"""A compromised web process shows one thing and hands over another to be signed: no signature is given (H21)."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from opsportal.cli.main import main
from procedures.domain.canonical import canon
from tests.house import tree

pytestmark = [pytest.mark.ordinary, pytest.mark.timeout(60)]
RUN, CHANGE = str(uuid4()), str(uuid4())
PLAN = canon(
    {
        "run": RUN,
        "procedure": "restart",
        "environment": "production",
        "risk": "moderate",
        "reason": "r",
        "parameters": {},
        "batches": [],
        "strategy": {},
        "steps": [],
    }
)
SHOWN = "sha256:" + hashlib.sha256(PLAN).hexdigest()
GRANT = {"principal": "person:mallory", "verbs": ["run", "approve"], "environments": ["production"]}
APPROVAL = {"type": "opsportal/approval/v1", "run": RUN, "plan_digest": SHOWN, "verdict": "approve", "nonce": "n"}
HONEST = {"type": "opsportal/control/v1", "control": "labels", "object": {"procedure": "x", "labels": []}, "nonce": "n"}
OTHER = {
    "another plan": {**APPROVAL, "plan_digest": "sha256:" + "0" * 64},
    "another run": {**APPROVAL, "run": str(uuid4())},
    "the other verdict": {**APPROVAL, "verdict": "reject"},
    "a grant for a friend": {"type": "opsportal/control/v1", "control": "grant", "object": GRANT, "nonce": "n"},
    "a grant that carries the words of the approval": {**APPROVAL, "type": "opsportal/control/v1", "object": GRANT},
    "another object": {**HONEST, "object": {"procedure": "x", "labels": ["qa-safe"]}},
    "another control": {**HONEST, "control": "policy"},
}


@dataclass
class Liar:
    """Answers as a portal does; `signs` are the bytes that it wants signed, whatever it shows beside them."""

    signs: bytes = b""
    url: str = ""
    got: list[Any] = field(default_factory=list)

    def answer(self, path: str) -> dict[str, Any]:
        statement = base64.b64encode(self.signs).decode()
        if path.endswith("/plan/"):
            return {"bytes": base64.b64encode(PLAN).decode(), "plan_digest": SHOWN}
        if "/statement/" in path and "controls" not in path:
            return {"value": APPROVAL, "statement": statement}
        if path.endswith("/controls/statement/"):
            return {"value": HONEST, "statement": statement}
        told = {"id": CHANGE, "control": "labels", "object": HONEST["object"], "state": "confirmed", "no": 1}
        return {**told, "statement": statement}


@pytest.fixture
def liar(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Liar]:
    told = Liar()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            if self.command == "POST" and size:
                told.got.append(json.loads(self.rfile.read(size)))
            body = json.dumps(told.answer(self.path.partition("?")[0])).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        monkeypatch.setenv("OPSPORTAL_URL", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("OPSPORTAL_CONFIG_DIR", str(tmp_path / "config"))
        yield told
        server.shutdown()


@pytest.fixture
def key(tmp_path: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    return str(tmp_path / "key")


def asked(what: str, key: str, tmp_path: Path) -> Result:
    (tmp_path / "object.json").write_text(json.dumps(HONEST["object"]))
    words = {
        "approve": ["approve", RUN, "--yes", "--key", key],
        "propose": ["control", "propose", "labels", str(tmp_path / "object.json"), "--key", key],
        "confirm": ["control", "confirm", CHANGE, "--key", key],
    }
    return CliRunner().invoke(main, words[what])


def signatures(liar: Liar) -> list[Any]:
    return [body["signature"] for body in liar.got if body.get("signature")]


WORDS = [("approve", APPROVAL), ("propose", HONEST), ("confirm", HONEST)]


@pytest.mark.parametrize(("what", "honest"), WORDS, ids=[what for what, _ in WORDS])
def test_what_is_shown_and_handed_over_alike_is_signed(
    liar: Liar, key: str, tmp_path: Path, what: str, honest: dict[str, Any]
) -> None:
    liar.signs = canon(honest)
    assert asked(what, key, tmp_path).exit_code == 0
    (signature,) = signatures(liar)
    assert base64.b64decode(signature["statement"]) == canon(honest)


@pytest.mark.parametrize("name", OTHER)
@pytest.mark.parametrize(("what", "honest"), WORDS, ids=[what for what, _ in WORDS])
def test_nothing_is_signed_that_does_not_say_what_is_shown(
    liar: Liar, key: str, tmp_path: Path, name: str, what: str, honest: dict[str, Any]
) -> None:
    liar.signs = canon(OTHER[name])
    done = asked(what, key, tmp_path)
    assert (done.exit_code, signatures(liar)) == (1, [])
    assert "nothing was signed" in done.output


def test_the_plan_of_another_run_is_not_signed_for(liar: Liar, key: str) -> None:
    liar.signs = canon(APPROVAL)
    done = CliRunner().invoke(main, ["approve", str(uuid4()), "--yes", "--key", key])
    assert (done.exit_code, signatures(liar)) == (1, [])


def test_every_command_that_signs_reads_what_it_signs() -> None:
    """One place takes the bytes out of an answer; whoever adds a command goes through it."""
    for path in tree.python_files("opsportal/cli"):
        if path.name != "statements.py":
            assert '["statement"]' not in path.read_text(), tree.short(path)


@pytest.mark.parametrize(
    "bent",
    [b"", b"not json", b"[]", canon(APPROVAL)[:-1] + b',"run":"x"}', b" " + canon(APPROVAL), canon(APPROVAL) + b"\n"],
    ids=["nothing", "no JSON", "a list", "a name twice", "blank before", "line after"],
)
def test_nor_are_bytes_that_two_readers_could_read_in_two_ways(
    liar: Liar, key: str, tmp_path: Path, bent: bytes
) -> None:
    liar.signs = bent
    done = asked("approve", key, tmp_path)
    assert (done.exit_code, signatures(liar)) == (1, [])
