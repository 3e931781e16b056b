"""The log's key is changed while sequencer and witness run, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from procedures.evidence import verify
from procedures.evidence.check import check, kept_outside, outside
from procedures.evidence.models import Event, WitnessContact
from procedures.services.exports import log_key
from tests.factories.witnesses import policy_file, running, sequencing, until
from tests.fixtures.serving import free_port
from tests.keeping.conftest import Place
from tests.keeping.test_witnessed_log import cosigned, environ, grow, key_of, size


def rotate(here: Place, policy: Path | None, reason: str = "yearly") -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "opsportal.cli.main", "evidence", "rotate-key", "--reason", reason]
    return subprocess.run(
        words, env=environ(here, policy), capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )


def test_it_is_changed_under_way_and_the_witness_follows_once_its_keeper_says_so(bare: Place) -> None:
    first, port, public = key_of(bare), free_port(), bare.folder / "log" / "public"
    with running(bare.folder / "w", [first], port=port) as witness:
        policy = policy_file(bare.folder / "policy", (witness.verifier, witness.url))
        with sequencing(environ(bare, policy), bare.folder):
            grow(3)
            until(cosigned)
            had = size()
            assert rotate(bare, policy, reason=" ").returncode == 1
            done = rotate(bare, policy)
            assert "The log is signed by the new key." in done.stdout, done.stderr
            until(lambda: "knows another key" in WitnessContact.objects.get().problem)
            assert (log_key() in done.stdout, log_key() != first, size() > had) == (True, True, True)
            witness.process.terminate()
            with running(bare.folder / "w", [first], port=port, turns=public / "turns"):
                until(cosigned, 90)
    event = Event.objects.get(kind="log.key_turned")
    assert json.loads(bytes(event.body))["former"] == first
    turns = verify.Turns.read((public / "turns").read_bytes())
    note = (public / "witnessed").read_text()
    assert list(turns.open("x", note, first, [witness.verifier])[3]) == [witness.verifier]
    assert (check(), list(outside(kept_outside()))) == ([], [])
    assert not list(bare.key.parent.glob("*.coming"))
    assert bare.key.stat().st_mode & 0o777 == 0o600
