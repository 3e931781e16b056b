"""A log with a witness in other hands: cosigned as it grows, never held up, and refused once it went back or forked.

The sequencer and the witness are processes; what is between them is HTTP.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from opsportal.keeping import backup
from opsportal.keeping.recovering import recover
from opsportal.keeping.restore import restore
from procedures.domain.clock import now
from procedures.evidence import place, verify, witness_home
from procedures.evidence.check import check
from procedures.evidence.models import Checkpoint, Cosignature, Leaf, Outbox, WitnessContact
from procedures.evidence.notes import COSIGNATURE, load_key, verifier_text
from procedures.evidence.record import record
from procedures.evidence.recovery import NothingToRecover
from procedures.evidence.verify import Policy
from procedures.evidence.witness_memory import Memory
from procedures.services.exports import log_key
from tests.factories.witnesses import Say, lying, policy_file, running, sequencing, until
from tests.fixtures.serving import free_port
from tests.keeping.conftest import Kept, Place

SIZE, PLAIN = "text/x.tlog.size", "text/plain"


def grow(count: int = 1) -> None:
    for _ in range(count):
        with transaction.atomic():
            record("heartbeat", actor=None, at=now(), facts={})


def key_of(here: Place) -> str:
    """The log's verifier key, which is made here if it is not there yet."""
    return load_key(here.key, place.origin(here.key)).verifier


def environ(here: Place, policy: Path | None) -> dict[str, str]:
    found = {**here.database.environ, "OPSPORTAL_DATA_DIR": str(here.folder / "log"), "OPSPORTAL_LOG_FORMAT": "json"}
    return found | ({"OPSPORTAL_WITNESS_POLICY_FILE": str(policy)} if policy else {})


def size() -> int:
    last = Checkpoint.objects.order_by("-size").first()
    return last.size if last else 0


def cosigned() -> bool:
    """Whether all that was written is in the log, and its newest checkpoint cosigned."""
    return not Outbox.objects.exists() and size() > 0 and Cosignature.objects.filter(checkpoint_id=size()).exists()


def ended(process: subprocess.Popen[bytes], folder: Path) -> str:
    """What a sequencer said that refused to go on."""
    until(lambda: process.poll() is not None)
    said = (folder / "sequencer").read_text()
    assert process.returncode == 1, said
    return said


def test_checkpoints_are_cosigned_and_published_as_the_log_grows(bare: Place) -> None:
    with running(bare.folder / "w", [key_of(bare)]) as witness:
        policy = policy_file(bare.folder / "policy", (witness.verifier, witness.url))
        with sequencing(environ(bare, policy), bare.folder):
            for count in (3, 1, 300):
                grow(count)
                until(cosigned)
        public = bare.folder / "log" / "public"
        note = until(lambda: _witnessed(public, size()))
        assert verify.open_note("x", note, log_key(), [witness.verifier])[1:4:2] == (
            size(),
            {witness.verifier: int(Cosignature.objects.get(checkpoint_id=size()).at.timestamp())},
        )
        told = Policy.read((public / "witnesses").read_bytes())
        assert (told.logs, told.urls, told.met({witness.verifier})) == ([key_of(bare)], {}, True)
        contact = WitnessContact.objects.get()
        assert (contact.size, contact.problem, contact.forgot_at) == (size(), "", None)
        assert check() == []


def _witnessed(public: Path, size: int) -> str:
    note = (public / "witnessed").read_text() if (public / "witnessed").exists() else ""
    return note if f"\n{size}\n" in note else ""


def test_a_backup_of_the_whole_machine_is_refused_by_what_the_witness_saw(kept: Kept) -> None:
    """Attack 14, with key, memory and public note of the same day: nothing of the portal's own knows better."""
    kept.run()
    with running(kept.folder / "w", [key_of(kept)]) as witness:
        policy = policy_file(kept.folder / "policy", (witness.verifier, witness.url))
        with sequencing(environ(kept, policy), kept.folder):
            until(cosigned)
        older, had = kept.folder / "older.tar", size()
        backup.make(older, at=now())
        shutil.copytree(kept.folder / "log", kept.folder / "log-then")
        with sequencing(environ(kept, policy), kept.folder):
            grow(4)
            until(cosigned)
        lost = size()
        assert lost >= had + 4

        kept.empty()
        shutil.rmtree(kept.folder / "log")
        shutil.copytree(kept.folder / "log-then", kept.folder / "log")
        done = restore(older)
        assert (done.behind, done.size) == ([], had), "here nothing tells that it is old"
        with sequencing(environ(kept, policy), kept.folder) as process:
            said = ended(process, kept.folder)
        assert f"cosigned {lost} events of this log, and it stands at {had} (proven" in said
        assert (Leaf.objects.count(), size()) == (had, had), "nothing was appended"
        with sequencing(environ(kept, None), kept.folder) as process:
            assert "was published" in ended(process, kept.folder), "and it is remembered without the witness too"

        former = key_of(kept)
        opened = recover(reason="the disk died", by="root", checkpoints=[])
        assert (opened.former, opened.lost) == (former, lost - had)
        with sequencing(environ(kept, policy), kept.folder):
            until(lambda: size() > had)
            until(lambda: "404: it does not know this log" in WitnessContact.objects.get().problem)
    with running(kept.folder / "w", [former, key_of(kept)], port=int(witness.url.rpartition(":")[2])):
        with sequencing(environ(kept, policy), kept.folder):
            until(cosigned, 90)
        contact = WitnessContact.objects.get()
        assert (contact.problem, contact.forgot_at) == ("", None), "of the new log it had seen nothing"
    assert check() == []


def test_a_fork_by_the_same_key_is_refused_by_the_witness_and_ends_the_sequencer(kept: Kept) -> None:
    """Attack 11: the portal is copied, and each half goes on; the witness sees the second one late."""
    kept.run()
    key = key_of(kept)
    port = free_port()
    with sequencing(environ(kept, None), kept.folder):
        until(lambda: size() > 3)
    copy = kept.folder / "copy.tar"
    backup.make(copy, at=now())
    shutil.copytree(kept.folder / "log", kept.folder / "log-copied")
    with running(kept.folder / "w", [key], port=port) as witness:
        policy = policy_file(kept.folder / "policy", (witness.verifier, witness.url))
        with sequencing(environ(kept, policy), kept.folder):
            grow(3)
            until(cosigned)
        seen = size()
    kept.empty()
    restore_copy(kept, copy)
    with sequencing(environ(kept, policy), kept.folder) as process:
        grow(9)
        until(lambda: size() > seen)
        assert process.poll() is None, "whoever cannot be reached makes nothing wait"
        with running(kept.folder / "w", [key], port=port):
            said = ended(process, kept.folder)
    assert f"saw another tree than that of the first {seen} events (proven" in said
    assert not Cosignature.objects.exists()
    with sequencing(environ(kept, None), kept.folder) as process:
        assert f"A checkpoint of size {seen} was published" in ended(process, kept.folder)


def restore_copy(kept: Kept, copy: Path) -> None:
    shutil.rmtree(kept.folder / "log")
    shutil.copytree(kept.folder / "log-copied", kept.folder / "log")
    restore(copy)


def test_a_witness_that_is_down_slow_or_wrong_holds_nothing_up_and_cosigns_late(bare: Place) -> None:
    key, port = key_of(bare), free_port()
    with running(bare.folder / "w", [key], port=port) as witness:
        policy = policy_file(
            bare.folder / "policy", (witness.verifier, witness.url), (other(bare), "http://127.0.0.1:9"), quorum=1
        )

    def hangs(method: str, path: str, body: bytes) -> tuple[int, str, bytes]:
        time.sleep(30)
        return 200, PLAIN, b""

    with lying(hangs, port=port), sequencing(environ(bare, policy), bare.folder) as process:
        begun = time.monotonic()
        for number in range(3):
            grow()
            until(lambda number=number: size() > number, 20)  # type: ignore[misc]
        assert time.monotonic() - begun < 20
        until(lambda: WitnessContact.objects.filter(problem__contains="does not answer").count() == 2)
        assert process.poll() is None
        assert not Cosignature.objects.exists()
    with running(bare.folder / "w", [key], port=port), sequencing(environ(bare, policy), bare.folder):
        until(cosigned)
        until(lambda: WitnessContact.objects.get(pk=witness.verifier).problem == "")
        public = bare.folder / "log" / "public"
        until(lambda: _witnessed(public, size()))  # one of two is a quorum; the file follows what is committed


def other(here: Place) -> str:
    return witness_home.make(here.folder / "other", "other.example/witness").text


def test_a_bare_word_stops_the_start_and_later_nothing(bare: Place) -> None:
    """A witness without proof is believed once, before anything is signed; else a liar could end the log at will."""
    says: list[tuple[int, str, bytes]] = [(404, PLAIN, b"")]
    say: Say = lambda method, *_: says[0] if method == "POST" else (404, PLAIN, b"")  # noqa: E731
    with lying(say) as url:
        policy = policy_file(bare.folder / "policy", (other(bare), url))
        with sequencing(environ(bare, policy), bare.folder) as process:
            grow()
            until(lambda: size() > 0)
            until(lambda: WitnessContact.objects.filter(problem__contains="404").exists())
            says[0] = (409, SIZE, b"99999\n")
            until(lambda: WitnessContact.objects.filter(problem__contains="without a proof").exists())
            grow()
            until(lambda: Leaf.objects.count() == size() > 1)
            assert process.poll() is None
        with sequencing(environ(bare, policy), bare.folder) as process:
            assert "cosigned 99999 events of this log" in ended(process, bare.folder)
        policy.write_text("quorum none\n")
        with sequencing(environ(bare, policy), bare.folder):
            grow()
            until(lambda: Leaf.objects.count() == size() > 2)
        with pytest.raises(NothingToRecover):
            recover(reason="a liar", by="root", checkpoints=[])


def test_a_bare_word_lets_a_new_log_be_opened(bare: Place, settings: Any) -> None:
    """Some witnesses show no checkpoint. If theirs is the only word there is, a person may believe it."""
    with sequencing(environ(bare, None), bare.folder):
        grow()
        until(lambda: size() > 0)
    with lying(lambda method, *_: (409, SIZE, b"99999\n") if method == "POST" else (404, PLAIN, b"")) as url:
        settings.OPSPORTAL_WITNESS_POLICY_FILE = str(policy_file(bare.folder / "policy", (other(bare), url)))
        assert recover(reason="an old disk", by="root", checkpoints=[]).lost == 0


def test_a_witness_that_lost_its_memory_is_told_for_good(bare: Place) -> None:
    key, port = key_of(bare), free_port()
    with running(bare.folder / "w", [key], port=port) as witness:
        policy = policy_file(bare.folder / "policy", (witness.verifier, witness.url))
        with sequencing(environ(bare, policy), bare.folder):
            grow(3)
            until(cosigned)
    (bare.folder / "w" / "seen.db").unlink()
    Memory.make(bare.folder / "w")
    with running(bare.folder / "w", [key], port=port), sequencing(environ(bare, policy), bare.folder):
        grow()
        until(cosigned)
        until(lambda: WitnessContact.objects.get().forgot_at)
        told = WitnessContact.objects.get().forgot_at
        grow()
        until(cosigned)
    assert WitnessContact.objects.get().forgot_at == told, "that it agrees again takes nothing of it back"


def test_killed_at_any_moment_sequencer_and_witness_agree_afterwards(bare: Place) -> None:
    key, port = key_of(bare), free_port()
    policy = bare.folder / "policy"
    for number in range(4):
        with running(bare.folder / "w", [key], port=port) as witness:
            policy_file(policy, (witness.verifier, witness.url))
            with sequencing(environ(bare, policy), bare.folder) as process:
                had = size()
                grow(5)
                until(lambda had=had: size() > had)  # type: ignore[misc]
                time.sleep(0.15 * number)
                os.kill(process.pid if number % 2 else witness.process.pid, signal.SIGKILL)
                (process if number % 2 else witness.process).wait(10)
    with running(bare.folder / "w", [key], port=port), sequencing(environ(bare, policy), bare.folder):
        until(cosigned)
    assert check() == []
    assert WitnessContact.objects.get().forgot_at is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("quorum w\n", "is not defined above"),
        ("witness w <OWN> http://w.example\nquorum w\n", "the log's own key"),
        ("witness w <OTHER> ftp://w.example\nquorum w\n", "where http"),
        (None, "is no tlog-policy"),
    ],
)
def test_a_policy_that_is_none_stops_the_sequencer_by_name(bare: Place, text: str | None, why: str) -> None:
    policy = bare.folder / "policy"
    if text is not None:
        own = verifier_text("w", load_key(bare.key, place.origin(bare.key)).raw, COSIGNATURE)
        policy.write_text(text.replace("<OWN>", own).replace("<OTHER>", other(bare)))
    with sequencing(environ(bare, policy), bare.folder) as process:
        said = ended(process, bare.folder)
    assert why in said
    assert "OPSPORTAL_WITNESS_POLICY_FILE" in said
