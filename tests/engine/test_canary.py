"""A secret that passes through everything is found nowhere; without the mask the same search finds it."""

from __future__ import annotations

import inspect
import io
import os
import smtplib
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as portal

from opsportal.celery import queue_of
from procedures.actions.local import LocalScript
from procedures.definitions import registry
from procedures.definitions.load import load
from procedures.domain import canary
from procedures.domain.clock import now
from procedures.domain.masking import Masker, _Stream
from procedures.evidence.notes import load_key
from procedures.evidence.sequence import Sequencer
from procedures.models import Run
from procedures.runner import notifying
from procedures.runner.drive import drive
from procedures.runner.tasks import drive_run
from procedures.services import versions
from tests.engine import canary_search as look
from tests.engine.canary_search import SECRET, Search
from tests.evidence.conftest import Log
from tests.factories.portal import World
from tests.fixtures.counterparts import need
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.valkey import Broker
from tests.opsportal.test_celery import sender

pytestmark = pytest.mark.ordinary

YAML = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: canary}
spec:
  owner: group:default/x
  type: diagnostic
  risk: low
  environments: [development]
  timeout: 2m
  secrets: {schema: {properties: {token: {type: string, title: Token}}}}
  steps:
    - id: says
      action: local:script
      onFailure: continue
      input: {script: says.py, env: {T: "${{ secrets.token }}"}, stdin: "${{ secrets.token }}"}
      artifacts: [{name: kept.txt, path: kept.txt}]
    - id: breaks
      action: local:script
      input: {script: breaks.sh, env: {T: "${{ secrets.token }}"}}
  output: {values: {word: "${{ steps.says.output.word }}"}}
"""
SAYS = f"""\
#!/usr/bin/python3
from __future__ import annotations
import base64, html, json, os, shlex, sys, time, urllib.parse
from collections.abc import Mapping
{inspect.getsource(canary.encodings)}
secret = os.environ["T"]
assert secret == sys.stdin.read()
forms = encodings(secret)
for out in (sys.stdout.buffer, sys.stderr.buffer):
    for name, form in forms.items():
        for start in range(0, len(form), 7):
            out.write(form[start : start + 7])
            out.flush()
        out.write(b" is " + name.encode() + b"\\n")
with open("kept.txt", "wb") as file:
    file.write(b"\\n".join(forms.values()))
with open(os.environ["OPSPORTAL_OUTPUT"], "a") as file:
    file.write(json.dumps({{"word": secret, "hex": forms["hex"].decode()}}) + "\\n")
time.sleep(1)
raise RuntimeError("no luck with " + secret)
"""
IN_ARGV = (
    YAML.partition("    - id: says")[0]
    + "    - {id: says, action: 'local:command', input: {argv: [echo, '${{ secrets.token }}']}}\n"
)


@dataclass(slots=True)
class Scene:
    """A portal with its broker, its mail server and its auditor."""

    world: World
    mailbox: Mailbox
    broker: Broker
    folder: Path
    capture: Any

    def passes(self, monkeypatch: pytest.MonkeyPatch) -> Search:
        """Let the secret pass through everything, and look everywhere."""
        before = look.there_now()
        with look.watched() as seen:
            run = self._run(monkeypatch)
        search = Search()
        assert run.state == "failed"
        assert notifying.deliver() >= 1
        search.look("database", look.database())
        search.look("broker", look.broker(self.broker))
        search.look("mail", (mail.as_bytes() + mail.get_content().encode() for mail in self.mailbox.mails))
        search.look("files", look.files(Path(portal.OPSPORTAL_DATA_DIR)))
        search.look("left behind", look.left_behind(before))
        search.look("pack", look.unzipped(self._pack(run)))
        said = self.capture.readouterr()
        search.look("logs", [said.out.encode(), said.err.encode()])
        for place in seen:
            search.found[f"another user's {place}"] = {"seen"}
        return search

    def _run(self, monkeypatch: pytest.MonkeyPatch) -> Run:
        adam, quinn = self.world.person("adam"), self.world.person("quinn")
        type(quinn).objects.filter(pk=quinn.pk).update(email="quinn@example.com")
        self.world.may(adam, "author")
        files = {"procedure.yaml": YAML.encode(), "says.py": SAYS.encode(), "breaks.sh": b"true\n", "README.md": b"x"}
        version = versions.submit_version(actor=adam, files=files, note="", at=now())
        self.world.review(self.world.mira, version, "operations")
        self.world.may(quinn, "run", procedure="canary")
        run = self.world.ask(quinn, procedure="canary", secrets={"token": SECRET})
        sender(self.broker.url).send_task(drive_run.name, [str(run.pk)], queue=queue_of("development"))
        real = LocalScript.run

        def breaks(self: LocalScript, call: Any, io: Any) -> Any:
            if call.step == "breaks":
                raise RuntimeError(f"no luck with {call.secret_env['T'].reveal().decode()}")
            return real(self, call, io)

        monkeypatch.setattr(LocalScript, "run", breaks)
        drive(run.pk)
        run.refresh_from_db()
        assert run.tasks.get(step="breaks").facts["defect"] == "RuntimeError"
        assert run.artifacts.count() == 1
        return run

    def _pack(self, run: Run) -> bytes:
        key = load_key(self.folder / "log.key", "test/log")
        return Log(self.world, Sequencer(key, self.folder / "log.published"), run).pack()


@pytest.fixture
def scene(world: World, mailbox: Mailbox, valkey: Broker, tmp_path: Path, capfd: Any) -> Scene:
    need("bwrap")
    import redis

    redis.Redis(unix_socket_path=str(valkey.socket)).config_set("appendonly", "yes")
    return Scene(world, mailbox, valkey, tmp_path, capfd)


def test_a_secret_that_passes_through_everything_is_found_nowhere(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = scene.passes(monkeypatch)
    assert search.found == {}
    assert Run.objects.get().masked_bytes > 1000


def test_with_the_mask_off_the_same_search_finds_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def bare(self: Masker, state: _Stream, data: bytes, *, final: bool) -> bytes:
        state.held = b""
        return data

    monkeypatch.setattr(Masker, "_mask", bare)
    monkeypatch.setattr("procedures.runner.mask.through", lambda: ())
    search = scene.passes(monkeypatch)
    assert search.found["database"] == set(look.needles())
    assert set(search.found) == {"database"}


def test_the_search_sees_every_other_place_too(scene: Scene) -> None:
    """Where nothing of a secret ever comes, mask or no mask, one is put there."""
    import redis

    search, folder = Search(), Path(portal.OPSPORTAL_DATA_DIR)
    planted = folder / "planted"
    try:
        planted.write_bytes(canary.encodings(SECRET)["base64, one byte in"])
        redis.Redis(unix_socket_path=str(scene.broker.socket)).lpush("queue", canary.encodings(SECRET)["hex"])
        with smtplib.SMTP("127.0.0.1", scene.mailbox.port) as server:
            server.sendmail("a@example.com", ["b@example.com"], f"Subject: x\r\n\r\n{look.RUN}\r\n".encode())
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as pack:
            pack.writestr("bodies/1", canary.encodings(SECRET)["base64 of UTF-16"] * 50)
        os.write(1, f"it is {SECRET}\n".encode())
        search.look("logs", [scene.capture.readouterr().out.encode()])
        search.look("pack", look.unzipped(packed.getvalue()))
        search.look("files", look.files(folder))
        search.look("broker", look.broker(scene.broker))
        search.look("mail", (mail.as_bytes() for mail in scene.mailbox.mails))
        assert {place: sorted(names) for place, names in search.found.items()} == {
            "files": ["base64, one byte in"],
            "broker": ["hex", "letters in hex"],
            "mail": ["letters"],
            "pack": ["base64 of UTF-16"],
            "logs": ["letters", "raw"],
        }
    finally:
        planted.unlink()


def test_the_watcher_sees_a_command_line_and_a_file(tmp_path: Path) -> None:
    with look.watched() as seen:
        argv = ["sh", "-c", 'printf %s "$1" >"$0"; sleep 1.5', f"/tmp/opsportal-planted-{os.getpid()}", SECRET]
        subprocess.run(argv, check=True)
    Path(argv[3]).unlink()
    assert seen >= {"command line", "file"}


def test_no_secret_goes_into_a_command_line() -> None:
    files = {"procedure.yaml": IN_ARGV.encode(), "says.py": SAYS.encode(), "README.md": b"x"}
    found = load(files, registry.actions()).findings
    assert "secret-place" in {one.code for one in found if one.severity == "error"}, found
