"""What is thrown at the issuer's socket: garbage, a flood, a runner that is gone; and what of it is written down."""

from __future__ import annotations

import base64
import json
import logging
import os
import resource
import socket
import struct
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from procedures.credentials.ssh_certificate import SshCertificate
from procedures.issuer import place, wire
from procedures.issuer.door import MOST_WAITING
from procedures.models import LeaseRecord
from procedures.runner.apart import Apart, IssuerAway, IssuerBroke
from procedures.runner.drive import identity
from tests.factories.lending import CANARY, Claimed
from tests.issuer.raw import door, lent, proved, raw, under_way, until

pytestmark = pytest.mark.once
__all__ = ["door", "under_way"]


GARBAGE: tuple[bytes, ...] = (
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x00",
    struct.pack(">I", 9 * 1024) + b"{" * 9 * 1024,
    struct.pack(">I", 4) + b"[1]]",
    struct.pack(">I", 2) + b"[]",
    struct.pack(">I", 8000) + b"[" * 8000,
    struct.pack(">I", 3) + b"\xff\xfe\x00",
    struct.pack(">I", 2) + b"{}",
    struct.pack(">I", 17) + b'{"ask":"Nothing"}',
    struct.pack(">I", 14) + b'{"ask":"Lend"}',
    struct.pack(">I", 100) + b'{"ask":',
)


def test_garbage_is_refused_or_waited_out_and_the_issuer_goes_on(under_way: Claimed, door: Path) -> None:
    good = wire.asking(under_way.ask())
    odd: tuple[dict[str, Any], ...] = (
        {**good, "run": "x" * 36},
        {**good, "run": 5},
        {**good, "attempt": True},
        {**good, "attempt": "1"},
        {**good, "attempt": 10**400},
        {**good, "attempt": -1},
        {**good, "step": "a" * 401},
        {**good, "step": "one\x00"},
        {**good, "target": {"name": "web-1"}},
        {**good, "step": "\ud800"},
        {**good, "claim": None},
    )
    framed = [struct.pack(">I", len(data)) + data for data in (json.dumps(row).encode() for row in odd)]
    for data in (*GARBAGE, *framed):
        with raw(door) as link:
            with suppress(BrokenPipeError, ConnectionResetError):
                link.link.sendall(data)
                link.link.shutdown(socket.SHUT_WR)
            said = link.hear()
            assert said is None or said["refused"]["code"] == "issuer.not-understood", data[:80]
        assert Apart(str(door), identity()).answers()
    assert not LeaseRecord.objects.exists()
    assert lent(door, under_way.ask()), "the control"


def test_a_flood_of_silent_connections_keeps_nobody_from_a_credential(under_way: Claimed, door: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    try:
        with ExitStack() as stack:
            for _ in range(1000):
                stack.enter_context(raw(door))
            began = time.monotonic()
            assert lent(door, under_way.ask())
            assert time.monotonic() - began < 5
            half = [stack.enter_context(raw(door)) for _ in range(MOST_WAITING + 50)]
            for link in half:
                link.send(wire.asking(under_way.ask()))  # asks, and never proves
            assert lent(door, under_way.ask(attempt=2))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_runner_that_is_gone_has_nothing_in_hand_any_more(under_way: Claimed, door: Path) -> None:
    for last in (b"", struct.pack(">I", 2) + b"{}", b"\xff\xff\xff\xff"):
        with raw(door) as link:
            _, said = proved(link, under_way.ask())
            assert said is not None
            id = said["lease"]["id"]
            assert LeaseRecord.objects.get(pk=id).state == "issued"
            link.link.sendall(last)
        until(lambda id=id: LeaseRecord.objects.get(pk=id).state == "revoked")
        assert under_way.told("lease.revoked")[-1]["why"] == "its runner's connection was lost"


def test_what_breaks_in_a_provider_tells_its_kind_and_none_of_its_words(
    under_way: Claimed, door: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError(f"cannot use {CANARY}")

    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(SshCertificate, "issue", broken)
    with pytest.raises(IssuerBroke, match=r"met a defect \(RuntimeError\)"):
        Apart(str(door), identity()).lend(under_way.ask()).__enter__()
    assert "issuer.broke" in caplog.text
    assert "RuntimeError" in caplog.text
    assert CANARY not in caplog.text
    assert LeaseRecord.objects.get().state == "revoked"
    assert under_way.told("lease.revoked")[0]["how"] == "never-issued"


def test_nothing_of_what_is_lent_is_ever_logged(
    under_way: Claimed, door: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with Apart(str(door), identity()).lend(under_way.ask()) as lease:
        key = lease.material["private_key"].reveal().decode().splitlines()[2]
    assert Apart(str(door), identity()).open(under_way.secrets)["token"].reveal() == CANARY.encode()
    told = caplog.text + "".join(capfd.readouterr())
    assert "issuer.taken-back" in told, "the control: it was looked at"
    for secret in (key, CANARY, base64.b64encode(CANARY.encode()).decode()):
        assert secret not in told


def test_two_issuers_never_share_a_place_and_a_place_that_is_open_to_others_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "door" / "socket"
    with place.claim(path):
        with pytest.raises(SystemExit, match="Another issuer listens"):
            place.claim(path)
        place.listening(path).close()
        place.listening(path).close()  # what a killed one left is replaced
    path.parent.chmod(0o755)
    with pytest.raises(SystemExit, match="mode 0710, not 0755"):
        place.claim(path)
    with pytest.raises(SystemExit, match="no longer than 100"):
        place.path_of("/x" * 60, "staging", tmp_path)
    assert place.path_of("/run/{environment}/socket", "staging", tmp_path) == Path("/run/staging/socket")
    assert place.peers_of([]) == {os.geteuid()}
    assert place.peers_of(["root", "10011"]) == {0, 10011}
    with pytest.raises(SystemExit, match="names 'nobody-of-here'"):
        place.peers_of(["nobody-of-here"])


def test_nobody_waits_for_ever_for_an_issuer_that_is_not_there(under_way: Claimed, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(IssuerAway, match="did not answer within 1 s"):
        Apart(str(tmp_path / "nowhere"), identity()).lend(under_way.ask()).__enter__()
    assert time.monotonic() - began < 4
    assert not Apart(str(tmp_path / "nowhere"), identity()).answers()
