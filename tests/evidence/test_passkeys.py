"""What a passkey decided is proven offline; a forged row gives no lease: attackers c and e, who write rows and events.

The issuer judges the run from its replay of the log; `verify.py` judges the pack alone, with the standard library.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from procedures.domain.canonical import canon, parse
from procedures.domain.clock import now
from procedures.domain.ids import uuid7
from procedures.evidence import verify
from procedures.evidence.notes import load_key
from procedures.evidence.sequence import Sequencer
from procedures.evidence.verify import Failed
from procedures.issuer.judgement import judge_run
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.models import Person, Run, Version
from procedures.runner.drive import drive
from procedures.services import approvals, controls, reviews, versions
from procedures.services.run_states import note
from tests.engine.test_two_people import YAML, furnished
from tests.evidence.conftest import Log
from tests.factories.passkeys import ALGORITHMS, PRESENT, SoftPasskey
from tests.factories.portal import World, new_world
from tests.fixtures.settled import Settled

pytestmark = pytest.mark.ordinary


@dataclass(slots=True)
class Office:
    """Mira asked for a production run of what she accepted by passkey; Jonas may approve it by his."""

    log: Log
    jonas: Person
    hers: SoftPasskey
    his: SoftPasskey

    @property
    def run(self) -> Run:
        return self.log.run

    def statement(self, **changed: Any) -> bytes:
        value = approvals.statement_for(actor=self.jonas, run=self.run, verdict="approve", at=now())
        return canon({**value, **changed})

    def approve(self) -> None:
        approvals.decide_run(
            actor=self.jonas,
            run=self.run.id,
            verdict="approve",
            plan_digest=self.run.plan_digest,
            comment="",
            signature=self.his.given(self.statement()),
            at=now(),
        )

    def written(self, statement: bytes, row: dict[str, str]) -> None:
        """The event exactly as a compromised portal would write it, its trigger satisfied."""
        with transaction.atomic():
            note(
                "run.approved",
                self.run,
                at=now(),
                actor=self.jonas.subject,
                statement=statement,
                signatures=[row],
                facts={
                    "plan_digest": self.run.plan_digest,
                    "digest": self.run.digest,
                    "gate": "",
                    "verdict": "approve",
                    "duties": ["operations"],
                    "strength": "signed",
                    "comment": "",
                },
            )

    def judged(self) -> tuple[str, ...]:
        return judge_run(replay(), self.run, parse(bytes(self.run.plan)), at=now())


def opened(tmp_path: Path, algorithm: str = "ES256") -> Office:
    world = new_world()
    jonas = furnished(world)
    hers, his = SoftPasskey(algorithm).enrol(world, world.mira), SoftPasskey(algorithm).enrol(world, jonas)
    version = versions.submit_version(actor=jonas, files={"procedure.yaml": YAML, "README.md": b"x"}, note="", at=now())
    accepted(world, version, hers)
    run = world.ask(world.mira, procedure="clear-cache", environment="production")
    assert run.state == "awaiting_approval"
    sequencer = Sequencer(load_key(tmp_path / "log.key", "test/log"), tmp_path / "log.published")
    return Office(Log(world, sequencer, run), jonas, hers, his)


def accepted(world: World, version: Version, soft: SoftPasskey) -> None:
    statement = reviews.statement_for(actor=world.mira, version=version, verdict="accept", duties=["operations"])
    reviews.review_version(
        actor=world.mira,
        version=version.id,
        digest=version.digest,
        verdict="accept",
        duties=["operations"],
        comment="",
        signature=soft.given(canon(statement)),
        at=now(),
    )


@pytest.fixture
def office(db: None, settled: Settled, tmp_path: Path) -> Office:
    return settled(opened, tmp_path)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_run_accepted_and_approved_by_passkeys_is_proven_offline(db: None, tmp_path: Path, algorithm: str) -> None:
    office = opened(tmp_path, algorithm)
    office.approve()
    assert office.judged() == (str(office.jonas.subject),)
    drive(office.run.id)
    office.run.refresh_from_db()
    assert office.run.state == "succeeded", office.run.message
    pack = tmp_path / "pack.zip"
    pack.write_bytes(office.log.pack())
    words = [sys.executable, "-I", "-S", verify.__file__, str(pack), "--log-key", office.log.key]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "verdict: SIGNED"), done.stdout
    assert "ASSERTED" not in done.stdout
    assert "Reviews and approvals by strength: session 0, totp 0, signed 2." in done.stdout
    told = json.loads(subprocess.run([*words, "--json"], capture_output=True, text=True, check=True).stdout)
    assert told["decisions"] == {"session": 0, "totp": 0, "signed": 2}
    assert b"0 session, 0 totp, 2 signed" in verify.unzip(pack.read_bytes())["reports/report.html"]


def for_another_run(office: Office) -> tuple[bytes, dict[str, str]]:
    signed = office.his.row(office.jonas, office.statement(run=str(uuid7())))
    return office.statement(), signed


def for_another_plan(office: Office) -> tuple[bytes, dict[str, str]]:
    signed = office.his.row(office.jonas, office.statement(plan_digest="sha256:" + "0" * 64))
    return office.statement(), signed


def without_verification(office: Office) -> tuple[bytes, dict[str, str]]:
    return (statement := office.statement()), office.his.row(office.jonas, statement, flags=PRESENT)


def from_a_foreign_origin(office: Office) -> tuple[bytes, dict[str, str]]:
    statement = office.statement(portal="https://evil.example")
    return statement, office.his.row(office.jonas, statement, origin="https://evil.example")


def for_a_foreign_party(office: Office) -> tuple[bytes, dict[str, str]]:
    return (statement := office.statement()), office.his.row(office.jonas, statement, rp="evil.example")


def by_an_unknown_key(office: Office) -> tuple[bytes, dict[str, str]]:
    return (statement := office.statement()), SoftPasskey().row(office.jonas, statement)


def by_the_requesters_own_key(office: Office) -> tuple[bytes, dict[str, str]]:
    statement = office.statement()
    return statement, {**office.hers.row(office.log.world.mira, statement), "by": str(office.jonas.subject)}


def by_a_key_that_was_only_written_down(office: Office) -> tuple[bytes, dict[str, str]]:
    """H1: the approver's new passkey, enrolled by SQL with its event."""
    intruder, statement = SoftPasskey(), office.statement()
    enrolled(office, intruder)
    return statement, intruder.row(office.jonas, statement)


def as_an_ssh_signature(office: Office) -> tuple[bytes, dict[str, str]]:
    return (statement := office.statement()), {**office.his.row(office.jonas, statement), "method": "ssh"}


def enrolled(office: Office, soft: SoftPasskey) -> None:
    from tests.evidence.test_asserted import written

    written("key", soft.object(office.jonas))


FORGERIES: tuple[Callable[[Office], tuple[bytes, dict[str, str]]], ...] = (
    for_another_run,
    for_another_plan,
    without_verification,
    from_a_foreign_origin,
    for_a_foreign_party,
    by_an_unknown_key,
    by_the_requesters_own_key,
    by_a_key_that_was_only_written_down,
    as_an_ssh_signature,
)


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda f: f.__name__)
def test_a_forged_row_gives_no_lease_and_fails_the_pack(office: Office, forge: Callable[..., Any]) -> None:
    office.written(*forge(office))
    with pytest.raises(LeaseRefused, match="Approvals are missing"):
        office.judged()
    with pytest.raises(Failed, match="no key enrolled for this person made"):
        verify.verify(office.log.pack(careless=True), office.log.key)


def test_a_true_signature_over_another_run_that_says_so_fails_too(office: Office) -> None:
    statement = office.statement(run=str(uuid7()))
    office.written(statement, office.his.row(office.jonas, statement))
    with pytest.raises(LeaseRefused, match="Approvals are missing"):
        office.judged()
    with pytest.raises(Failed, match="about another run or plan"):
        verify.verify(office.log.pack(careless=True), office.log.key)


def test_the_same_row_unforged_would_have_lent(office: Office) -> None:
    """The positive control of the forgeries."""
    office.written(statement := office.statement(), office.his.row(office.jonas, statement))
    assert office.judged() == (str(office.jonas.subject),)
    assert verify.verify(office.log.pack(), office.log.key)["decisions"]["signed"] == 2


def test_a_signature_before_its_key_was_enrolled_fails(office: Office) -> None:
    late = SoftPasskey()
    office.written(statement := office.statement(), late.row(office.jonas, statement))
    late.enrol(office.log.world, office.jonas)
    with pytest.raises(Failed, match="no key enrolled"):
        verify.verify(office.log.pack(careless=True), office.log.key)


def test_a_passkey_that_an_older_key_enrolled_stands_by_itself(office: Office) -> None:
    found = verify.verify(office.log.pack(), office.log.key)
    assert (found["asserted"], replay().asserted) == ([], {})


def test_nobody_takes_over_the_key_of_somebody_else_by_an_event(office: Office) -> None:
    """Jonas, who has a key, writes an event that makes Mira's passkey his: hers still counts, and his does not."""
    from tests.evidence.test_asserted import written

    stolen = office.hers.object(office.jonas)
    statement = canon(
        {**controls.statement_for(actor=office.jonas, control="key", object=stolen), "proposer": "somebody"}
    )
    written("key", stolen, statement, (office.his.row(office.jonas, statement, role="proposer"),))
    mark = stolen["fingerprint"]
    assert replay().keys[mark]["subject"] == str(office.log.world.mira.subject)
    office.approve()
    verify.verify(office.log.pack(), office.log.key)
