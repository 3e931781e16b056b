"""What pages, API, health and notices say of witnesses: the truth, and nothing at all where there are none."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings as live
from django.test import Client

from procedures.domain.clock import now
from procedures.domain.notices import KINDS
from procedures.evidence.check import check
from procedures.evidence.cosignatures import note_with_lines
from procedures.evidence.cosigning import CosigningKey
from procedures.evidence.models import Checkpoint, Cosignature, WitnessContact
from procedures.evidence.notes import load_key, split_note
from procedures.evidence.sequence import Sequencer, beat
from procedures.evidence.witnessed import Witnessed, witnessed
from procedures.models import Notice
from procedures.services import witness_alarms
from tests.web.hostile import PAYLOADS
from tests.web.town import Town

pytestmark = pytest.mark.once
KEY = CosigningKey("w.example/witness", Ed25519PrivateKey.from_private_bytes(b"w" * 32))
TEXT = KEY.verifier.text


@pytest.fixture
def log(town: Town, tmp_path: Path, settings: Any) -> Sequencer:
    settings.OPSPORTAL_PUBLIC_DIR = tmp_path / "public"
    settings.OPSPORTAL_PUBLIC_DIR.mkdir()
    key = load_key(tmp_path / "key", "test/log")
    (settings.OPSPORTAL_PUBLIC_DIR / "evidence.pub").write_text(key.verifier)
    return Sequencer(key, tmp_path / "published", settings.OPSPORTAL_PUBLIC_DIR / "checkpoint")


def sequence(log: Sequencer, at: datetime) -> Checkpoint:
    beat(at)
    while log.step(at):
        continue
    return Checkpoint.objects.order_by("-size")[0]


def cosign(last: Checkpoint, at: datetime) -> None:
    """What the submitting thread does once the witness answered."""
    line = KEY.cosign(split_note(last.note)[0], int(at.timestamp())).text
    row = Cosignature.objects.create(checkpoint=last, witness=TEXT, line=line, at=at.replace(microsecond=0))
    WitnessContact.objects.get_or_create(pk=TEXT, defaults={"added_at": at})
    WitnessContact.objects.filter(pk=TEXT).update(size=last.size, cosigned_at=at, problem="", problem_at=None)
    (Path(live.OPSPORTAL_PUBLIC_DIR) / "witnessed").write_text(note_with_lines(last, [row.witness]))


def with_policy() -> None:
    public = Path(live.OPSPORTAL_PUBLIC_DIR)
    (public / "witnesses").write_text(f"witness w {TEXT}\nquorum w\n")


def page(town: Town) -> str:
    return town.client("aisha").get("/evidence/").content.decode()


def known(at: datetime) -> Witnessed:
    found = witnessed(at)
    assert found is not None
    return found


def test_where_there_is_none_nothing_names_one(town: Town, log: Sequencer) -> None:
    sequence(log, now())
    assert witnessed(now()) is None
    for path, name in (("/", "jonas"), ("/evidence/", "aisha"), ("/settings/", "jonas"), ("/environments/", "jonas")):
        assert "itness" not in town.client(name).get(path).content.decode(), path
    assert town.client("aisha").get("/api/v1/evidence/log/").json()["witnessed"] is None
    assert "witnessed" not in Client(HTTP_HOST="localhost").get("/readyz").json()
    assert "witness" not in Client(HTTP_HOST="localhost").get("/metrics").content.decode()
    assert witness_alarms.alarm(at=now()) == 0


def test_page_api_and_health_say_the_level_and_since_when_it_is_owed(town: Town, log: Sequencer) -> None:
    with_policy()
    then = now() - timedelta(minutes=40)
    first = sequence(log, then)
    cosign(first, then)
    assert (known(then).level, known(then).size, known(now()).sound) == ("WITNESSED", first.size, True)
    shown = page(town)
    assert "<dd>WITNESSED</dd>" in "".join(shown.split("\n")).replace("  ", "")
    assert "--witness-key KEY --require WITNESSED" in shown
    said = town.client("aisha").get("/api/v1/evidence/log/").json()["witnessed"]
    assert (said["level"], said["size"], said["behind_since"]) == ("WITNESSED", first.size, None)
    assert [line.name for line in split_note(said["checkpoint"])[1]] == ["test/log", "w.example/witness"]
    assert Client(HTTP_HOST="localhost").get("/readyz").json()["witnessed"] is True

    owed = now() - timedelta(minutes=20)
    last = sequence(log, owed)
    assert last.size > first.size
    WitnessContact.objects.update(problem="w does not answer (ConnectError).", problem_at=owed)
    found = known(now())
    assert (found.level, found.behind_since, found.witnesses[0].silent_since) == ("SIGNED", owed, owed)
    assert known(owed + timedelta(seconds=90)).level == "WITNESSED", "a minute is no silence"
    assert found.sentences == [
        f"A quorum of witnesses cosigned the first {first.size:,} of {last.size:,} events ({then:%Y-%m-%d %H:%M} UTC).",
        f"What was written since {owed:%Y-%m-%d %H:%M} UTC is signed by the log's key alone.",
        f"w.example/witness has cosigned nothing since {owed:%Y-%m-%d %H:%M} UTC. w does not answer (ConnectError).",
    ]
    assert found.sentences[2] in page(town)
    answer = Client(HTTP_HOST="localhost").get("/readyz")
    assert answer.json()["witnessed"] is False
    assert answer.json()["checks"].keys() <= {"database", "runner", "clocks"}, "it makes nothing unready"
    figures = Client(HTTP_HOST="localhost").get("/metrics").content.decode()
    assert f"opsportal_log_size {last.size}\n" in figures
    assert f"opsportal_log_witnessed_size {first.size}\n" in figures
    assert 'opsportal_witness_silent_seconds{witness="w.example/witness"} 120' in figures.replace("119", "120")

    cosign(last, now())
    assert known(now()).sound
    assert check() == []


def test_a_witness_that_is_new_to_an_old_log_owes_nothing_of_before(town: Town, log: Sequencer) -> None:
    with_policy()
    sequence(log, now() - timedelta(days=3))
    WitnessContact.objects.create(witness=TEXT)
    found = known(now())
    assert (found.level, found.witnesses[0].silent_since) == ("SIGNED", None)
    assert known(now() + timedelta(minutes=5)).witnesses[0].silent_since is not None


def test_a_note_that_is_newer_than_the_database_vouches_for_nothing(town: Town, log: Sequencer) -> None:
    with_policy()
    last = sequence(log, now())
    cosign(last, now())
    path = Path(live.OPSPORTAL_PUBLIC_DIR) / "witnessed"
    path.write_text(path.read_text().replace(f"\n{last.size}\n", f"\n{last.size + 5}\n"))
    assert (known(now()).level, known(now()).size) == ("SIGNED", 0)


def test_security_hears_once_of_each_silence_and_for_good_of_a_witness_that_went_back(
    town: Town, log: Sequencer
) -> None:
    with_policy()
    then = now() - timedelta(minutes=14)
    sequence(log, then)
    WitnessContact.objects.create(witness=TEXT, added_at=then)
    assert witness_alarms.alarm(at=now()) == 0
    late = now() + timedelta(minutes=2)
    assert [witness_alarms.alarm(at=late) for _ in range(3)] == [1, 0, 0]
    rows = Notice.objects.filter(kind="witness.silent")
    assert {row.person.username for row in rows} == {"jonas", "aisha"}, "security, and who manages access"
    assert rows[0].facts["witness"] == "w.example/witness"
    assert KINDS["witness.silent"].security
    cosign(Checkpoint.objects.order_by("-size")[0], now())
    WitnessContact.objects.update(forgot_at=now())
    assert [witness_alarms.alarm(at=late) for _ in range(2)] == [1, 0]
    assert {row.path for row in Notice.objects.filter(kind="witness.forgot")} == {"/evidence/"}
    found = known(now())
    assert not found.sound
    assert found.witnesses[0].sentences[0].endswith("it is no witness any more.")


def test_what_a_witness_is_called_or_answers_is_text_on_every_page(town: Town, log: Sequencer) -> None:
    with_policy()
    sequence(log, now() - timedelta(hours=1))
    for number, payload in enumerate(PAYLOADS):
        name = "".join(payload.split()).replace("+", "")
        problem, added = payload[:300], now() - timedelta(hours=1)
        WitnessContact.objects.create(witness=f"{name}+{number}"[:300], problem=problem, added_at=added)
    shown = page(town)
    for payload in PAYLOADS:
        if "<" in payload:
            assert payload not in shown
    assert json.dumps(town.client("aisha").get("/api/v1/evidence/log/").json())
