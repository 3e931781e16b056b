"""RFC 3161 time stamps over checkpoints, from a real authority: up to TIMESTAMPED, and every wrong answer refused."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from procedures.domain.clock import now
from procedures.evidence import anchored, anchoring, verify
from procedures.evidence.anchoring import Anchoring, AnchorRefused, authority
from procedures.evidence.models import Anchor, AnchorState, Checkpoint, Event
from procedures.evidence.verify import Failed, Policy
from tests.evidence.conftest import Log
from tests.evidence.test_witnessed_packs import KEYS, Witnessed, cosigned
from tests.factories.authorities import TimeAuthority, made, openssl, serving

__all__ = ["cosigned"]
HOUR = timedelta(hours=1)


@pytest.fixture
def tsa(tmp_path: Path, settings: Any) -> Iterator[TimeAuthority]:
    with serving(made(tmp_path / "tsa")) as found:
        settings.OPSPORTAL_TSA_URL, settings.OPSPORTAL_TSA_ROOTS_FILE = found.url, str(found.roots)
        yield found


def thread(every: timedelta = HOUR) -> Anchoring:
    found = authority()
    assert found is not None
    return Anchoring(found, every)


def test_the_newest_checkpoint_is_stamped_once_in_a_while_and_the_log_commits_to_the_token(
    log: Log, tsa: TimeAuthority
) -> None:
    log.sequence()
    size, one = Checkpoint.objects.order_by("-size")[0].size, thread()
    assert one.once() is not None
    row = Anchor.objects.get()
    assert (row.checkpoint_id, row.authority) == (size, "127.0.0.1")
    assert abs(row.at - now()) < timedelta(minutes=1)
    said = Event.objects.get(kind="log.anchored")
    assert verify.sha256(bytes(row.token)) in bytes(said.body).decode()
    log.sequence()
    assert one.once() is None, "not before an hour is over"
    assert thread(timedelta(0)).once() is not None
    assert AnchorState.objects.get().problem == ""


def test_what_was_stamped_stays_as_it_is(log: Log, tsa: TimeAuthority) -> None:
    log.sequence()
    thread().once()
    for statement in ("UPDATE evidence_anchor SET token = NULL", "DELETE FROM evidence_anchor"):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


def exported(log: Witnessed, one: Anchoring) -> bytes:
    """A pack; the thread takes up its wish as the sequencer's process would."""
    real = anchored._refused

    def taken_up(checkpoint: Checkpoint) -> bool:
        one.once()
        return real(checkpoint)

    anchored._refused = taken_up
    try:
        return log.pack()
    finally:
        anchored._refused = real


def test_a_pack_reaches_timestamped_for_whoever_trusts_the_authority(
    cosigned: Witnessed, tsa: TimeAuthority, tmp_path: Path
) -> None:
    AnchorState.objects.create(pk=1)
    data = exported(cosigned, thread())
    assert len(tsa.asked) == 1
    policy = Policy.of_keys(KEYS, 2)
    found = verify.verify(data, cosigned.key, "TIMESTAMPED", policy, str(tsa.roots))
    assert (found["verdict"], [one["sound"] for one in found["stamps"]]) == ("TIMESTAMPED", [True])
    assert verify.verify(data, cosigned.key, policy=policy)["verdict"] == "WITNESSED", "no authority was named"
    assert verify.verify(data, cosigned.key, roots=str(tsa.roots))["verdict"] == "SIGNED", "a stamp is no witness"
    with pytest.raises(Failed, match="certificates that you gave") as refused:
        verify.verify(data, cosigned.key, "TIMESTAMPED", policy, str(made(tmp_path / "other").roots))
    assert refused.value.code == 1
    (tmp_path / "pack.zip").write_bytes(data)
    words = [sys.executable, "-I", verify.__file__, str(tmp_path / "pack.zip"), "--log-key", cosigned.key]
    words += [word for key in KEYS for word in ("--witness-key", key)] + ["--tsa-roots", str(tsa.roots)]
    done = subprocess.run([*words, "--require", "TIMESTAMPED"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "verdict: TIMESTAMPED"), done.stdout
    bare = subprocess.run(
        [*words, "--require", "TIMESTAMPED"], capture_output=True, text=True, check=False, env={"PATH": "/nowhere"}
    )
    assert (bare.returncode, "reaches WITNESSED" in bare.stdout) == (3, True), "without openssl nothing is claimed"


def test_a_stamp_over_something_else_fails_the_pack(cosigned: Witnessed, tsa: TimeAuthority) -> None:
    AnchorState.objects.create(pk=1)
    cosigned.sequence()
    found, last = authority(), Checkpoint.objects.order_by("-size")[0]
    assert found is not None
    token, at = found.stamp(b"another log's checkpoint", now())
    Anchor.objects.create(checkpoint=last, authority="x", token=token, at=at)
    data = cosigned.pack()
    with pytest.raises(Failed, match="something else than the end of this log"):
        verify.verify(data, cosigned.key)


def test_an_export_waits_for_no_authority_that_refuses(cosigned: Witnessed, tsa: TimeAuthority) -> None:
    AnchorState.objects.create(pk=1)
    tsa.answer = lambda query: (500, b"")
    data = exported(cosigned, thread())
    assert verify.verify(data, cosigned.key, policy=Policy.of_keys(KEYS, 2))["verdict"] == "WITNESSED"
    assert AnchorState.objects.get().problem == "127.0.0.1 answers with status 500."


def replayed(tsa: TimeAuthority) -> bytes:
    """The answer to an earlier question over the same bytes."""
    query = openssl("ts", "-query", "-digest", "00" * 32, "-sha256", "-cert")
    return tsa.reply(query)


def flipped(data: bytes, at: int) -> bytes:
    found = bytearray(data)
    found[at] ^= 1
    return bytes(found)


WRONG: dict[str, Callable[[TimeAuthority, bytes], tuple[int, bytes]]] = {
    "nothing": lambda tsa, query: (200, b""),
    "no DER": lambda tsa, query: (200, b"<html>sign in to this network</html>"),
    "cut short": lambda tsa, query: (200, tsa.reply(query)[:-9]),
    "a bit flipped": lambda tsa, query: (200, flipped(tsa.reply(query), -5)),
    "another imprint": lambda tsa, query: (200, replayed(tsa)),
    "refused": lambda tsa, query: (200, tsa.reply(b"\x30\x03\x02\x01\x01")),
    "too much": lambda tsa, query: (200, b"\x30" * 100_000),
    "redirect": lambda tsa, query: (302, b""),
    "not there": lambda tsa, query: (404, tsa.reply(query)),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_hostile_or_broken_authority_gets_nothing_stored(log: Log, tsa: TimeAuthority, wrong: str) -> None:
    log.sequence()
    tsa.answer = lambda query: WRONG[wrong](tsa, query)
    assert thread().once() is None
    assert (Anchor.objects.count(), Event.objects.filter(kind="log.anchored").count()) == (0, 0)
    assert AnchorState.objects.get().problem.startswith("127.0.0.1 ")


def test_a_stamp_by_another_authority_a_key_for_something_else_or_a_wrong_clock_is_refused(
    log: Log, tsa: TimeAuthority, tmp_path: Path, settings: Any
) -> None:
    found = authority()
    assert found is not None
    settings.OPSPORTAL_TSA_ROOTS_FILE = str(made(tmp_path / "other").roots)
    stranger = authority()
    assert stranger is not None
    with pytest.raises(AnchorRefused, match="no time stamp that holds"):
        stranger.stamp(b"x", now())
    for off in (timedelta(minutes=6), timedelta(minutes=-6)):
        with pytest.raises(AnchorRefused, match="which is not so"):
            found.stamp(b"x", now() + off)
    found.stamp(b"x", now() + timedelta(minutes=4))


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("OPSPORTAL_TSA_URL", "ftp://tsa.example", "http(s)://host is needed"),
        ("OPSPORTAL_TSA_ROOTS_FILE", "/nowhere", "holds no certificate"),
        ("OPSPORTAL_TSA_ROOTS_FILE", __file__, "holds no certificate"),
    ],
)
def test_wrong_settings_are_named(tsa: TimeAuthority, settings: Any, name: str, value: str, why: str) -> None:
    setattr(settings, name, value)
    with pytest.raises(AnchorRefused, match=name) as refused:
        authority()
    assert why in refused.value.message


def test_without_an_authority_nothing_is_asked_or_waited_for(log: Log, settings: Any) -> None:
    AnchorState.objects.create(pk=1)
    settings.OPSPORTAL_TSA_URL = ""
    assert anchoring.anchoring() is None
    assert not AnchorState.objects.exists()
    log.sequence()
    assert anchored.anchored(Checkpoint.objects.order_by("-size")[0]) == []
    assert threading.active_count() >= 1
