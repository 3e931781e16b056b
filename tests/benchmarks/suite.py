"""What is measured against what. Each pair is made inside the place that it needs and is gone afterwards."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.benchmarks.measure import Pair
from tests.benchmarks.rights import rights

NOTHING = b"""\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: do-nothing}
spec:
  owner: group:default/x
  type: diagnostic
  risk: low
  environments: [development]
  timeout: 1m
  steps:
    - {id: one, action: "local:command", timeout: 10s, input: {argv: ["true"]}}
"""


@contextmanager
def command_line(small: bool) -> Iterator[Pair]:
    words = [sys.executable, "-m", "opsportal.cli.main", "--help"]
    yield Pair(
        "opsportal --help",
        "python -c pass",
        lambda: subprocess.run(words, capture_output=True, check=True),
        lambda: subprocess.run([sys.executable, "-c", "pass"], check=True),
    )


@contextmanager
def local_step(small: bool) -> Iterator[Pair]:
    from procedures.actions.local import LocalCommand
    from tests.actions.calls import Collected, call

    asked = call(input={"argv": ["true"]})

    def ours() -> None:
        result = LocalCommand().run(asked, Collected())
        if result.outcome != "succeeded":
            raise RuntimeError(result.message)

    yield Pair(
        "local:command `true`", "subprocess without a sandbox", ours, lambda: subprocess.run(["true"], check=True)
    )


@contextmanager
def ssh_step(small: bool) -> Iterator[Pair]:
    """Certificate, pinned host key, stub, digest and lifeline against a bare exec with a plain key."""
    import paramiko

    from opsportal.demo.hosts import Host
    from procedures.actions.ssh import SshCommand
    from procedures.credentials.ssh_certificate import SshCertificate
    from procedures.domain.ports import Target
    from procedures.domain.sshkeys import fingerprint
    from procedures.ssh.authority import load_ca
    from tests.actions.calls import Collected, call
    from tests.ssh.conftest import Place

    folder = Path(tempfile.mkdtemp(prefix="opsportal-bench-", dir="/var/tmp"))
    folder.chmod(0o711)
    keys = folder / "keys"
    keys.mkdir(mode=0o700)
    load_ca(keys / "ssh-ca-staging")
    plain = paramiko.RSAKey.generate(2048)
    host = Host("web-01", folder / "web-01", 199)
    host.start()
    host.trust(ca=(keys / "ssh-ca-staging.pub").read_text(), keys=f"ssh-rsa {plain.get_base64()}\n")
    mark = fingerprint(host.host_key)
    target = Target(uuid4(), "web-01", "staging", "127.0.0.1", host.port, host.host_key, mark, "certificate")
    place, action = Place(host, target, SshCertificate(keys, "127.0.0.1/32"), keys), SshCommand()

    def ours() -> None:
        asked = call(input={"argv": ["true"]}, target=target, run_id=uuid4())
        result = action.run(replace(asked, lease=place.lease(action, asked)), Collected())
        if result.outcome != "succeeded":
            raise RuntimeError(result.message)

    def floor() -> None:
        link = paramiko.Transport(("127.0.0.1", host.port))
        link.connect(username=host.account, pkey=plain)
        channel = link.open_session()
        channel.exec_command("true")
        channel.recv_exit_status()
        link.close()

    try:
        yield Pair("ssh:command `true`, connect to end", "paramiko, plain key, any host key", ours, floor)
    finally:
        host.stop()


@contextmanager
def whole_run(small: bool) -> Iterator[Pair]:
    """Request, plan, claim, step, evidence and seal against the step alone, in this process."""
    from procedures.actions.local import LocalCommand
    from procedures.domain.clock import now
    from procedures.runner.drive import drive
    from procedures.services import versions
    from tests.actions.calls import Collected, call
    from tests.factories.portal import new_world

    world = new_world()
    adam, quinn = world.person("adam"), world.person("quinn")
    world.may(adam, "author")
    version = versions.submit_version(
        actor=adam, files={"procedure.yaml": NOTHING, "README.md": b"x"}, note="", at=now()
    )
    world.review(world.mira, version, "operations")
    world.may(quinn, "run", procedure="do-nothing")
    asked = call(input={"argv": ["true"]})

    def ours() -> None:
        run = world.ask(quinn, procedure="do-nothing")
        drive(run.id)
        run.refresh_from_db()
        if run.state != "succeeded":
            raise RuntimeError(f"{run.state}: {run.message}")

    yield Pair(
        "a run: request to seal",
        "its one local step alone",
        ours,
        lambda: LocalCommand().run(asked, Collected()),
        notes="SQLite; the web and the broker left out",
    )


@contextmanager
def masking(small: bool) -> Iterator[Pair]:
    chunks, secrets = _to_mask(small)

    def floor() -> None:
        out = io.BytesIO()
        for chunk in chunks:
            out.write(chunk)

    ours = _masking(chunks, secrets)
    yield Pair("masking, 20 secrets, per MiB", "copying the bytes", ours, floor, times=max(1, len(chunks) >> 4))


@contextmanager
def masking_naively(small: bool) -> Iterator[Pair]:
    """The floor looks for the very same forms with `bytes.replace`, and misses what is cut by a chunk's end."""
    from procedures.domain.encodings import forms

    chunks, secrets = _to_mask(small)
    patterns = {form for secret in secrets for form in forms(secret)}

    def floor() -> None:
        for chunk in chunks:
            shown = chunk
            for pattern in patterns:
                shown = shown.replace(pattern, b"***")

    ours = _masking(chunks, secrets)
    yield Pair("masking, per MiB", "bytes.replace of each form", ours, floor, times=max(1, len(chunks) >> 4))


def _masking(chunks: list[bytes], secrets: list[bytes]) -> Callable[[], None]:
    from procedures.domain.masking import Masker
    from procedures.domain.secrets import Secret

    masker = Masker()
    for secret in secrets:
        masker.register(Secret(secret))

    def ours() -> None:
        for chunk in chunks:
            masker.feed("stdout", chunk)
        masker.flush("stdout")

    return ours


def _to_mask(small: bool) -> tuple[list[bytes], list[bytes]]:
    """Chunks of a log, and twenty secrets that are not in it."""
    size = (1 if small else 8) << 20
    line = b"2026-11-24 12:00:00 web-01 checkout INFO request 4711 done in 12 ms, all is well here\n"
    data = (line * (size // len(line) + 1))[:size]
    chunks = [data[i : i + 65_536] for i in range(0, len(data), 65_536)]
    marks = [hashlib.sha256(bytes([number])).hexdigest() for number in range(20)]
    return chunks, [f"s3cret-value-number-{mark}".encode() for mark in marks]


@contextmanager
def recording(small: bool) -> Iterator[Pair]:
    from django.db import transaction

    from procedures.domain.clock import now
    from procedures.evidence.models import NumberSeries
    from procedures.evidence.record import record

    count = 20 if small else 500

    def ours() -> None:
        with transaction.atomic():
            for _ in range(count):
                record("heartbeat", actor=None, facts={}, at=now())

    def floor() -> None:
        with transaction.atomic():
            for _ in range(count):
                NumberSeries.objects.create(name=uuid4().hex)

    yield Pair("recording one event", "one row by the ORM", ours, floor, times=count, notes="grouped in one commit")


@contextmanager
def verifying(small: bool) -> Iterator[Pair]:
    """Strict parsing, canonical form and leaf hash of each header, against json.loads and one SHA-256."""
    from procedures.domain.canonical import canon, moment
    from procedures.domain.clock import now
    from procedures.evidence import verify

    count, at = 500 if small else 20_000, now()
    headers = [
        canon({"at": moment(at + timedelta(seconds=i)), "b": "0" * 64, "id": str(uuid4()), "k": "heartbeat", "v": 1})
        for i in range(count)
    ]

    def ours() -> Any:
        leaves = [verify.leaf(line) for line in headers if verify.parse("h", line)]
        return verify.root_of(leaves)

    def floor() -> Any:
        return [hashlib.sha256(line).digest() for line in headers if json.loads(line)]

    yield Pair("verify.py, per header", "json.loads and SHA-256", ours, floor, times=count)


SUITE: dict[str, Callable[[bool], Any]] = {
    "command-line": command_line,
    "local-step": local_step,
    "ssh-step": ssh_step,
    "whole-run": whole_run,
    "masking": masking,
    "masking-naively": masking_naively,
    "recording": recording,
    "verifying": verifying,
    "rights": rights,
}
