"""The issuer's socket from the attacker's position: another user or pool, a thief of a token, a heard proof."""

from __future__ import annotations

import base64
import os
import re
import socket
import stat
import subprocess
from contextlib import closing
from pathlib import Path
from threading import Thread
from uuid import UUID

import pytest

from procedures.domain.lending import NEVER, Return
from procedures.issuer import wire
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.runners import challenge_about
from procedures.models import LeaseRecord, Notice
from procedures.runner.apart import Apart, IssuerBroke
from procedures.runner.drive import identity
from tests.factories.lending import Claimed, listens
from tests.factories.machines import Machine
from tests.issuer.raw import door, proved, raw, under_way

pytestmark = pytest.mark.once
__all__ = ["door", "under_way"]
STRANGER = 64_999


def test_a_process_of_another_user_hears_not_a_word(under_way: Claimed, caplog: pytest.LogCaptureFixture) -> None:
    with listens(peers={STRANGER}) as path, raw(path) as link:
        link.send({"ask": wire.ALIVE})
        assert link.hear() is None
        assert "issuer.stranger" in caplog.text
    assert not LeaseRecord.objects.exists()


def test_the_kernel_keeps_other_users_from_the_socket_and_names_those_that_it_lets_in(door: Path) -> None:
    """As root: one user outside the folder's group, and one inside it."""
    assert os.geteuid() == 0, "this test gives processes other users, so it must be root in a throw-away machine"
    assert stat.S_IMODE(door.parent.stat().st_mode) == 0o710
    assert stat.S_IMODE(door.stat().st_mode) == 0o660
    program = f"""
import socket
link = socket.socket(socket.AF_UNIX)
link.settimeout(5)
link.connect({str(door)!r})
link.sendall(b"\\0\\0\\0\\x0f" + b'{{"ask":"Alive"}}')
print(link.recv(100))
"""
    door.parent.parent.chmod(0o711)
    for group, said in ((STRANGER, "PermissionError"), (os.getegid(), "b''|BrokenPipe|ConnectionReset")):
        who = ["setpriv", f"--reuid={STRANGER}", f"--regid={group}", "--clear-groups", "--"]
        argv = [*who, "/usr/bin/python3", "-c", program]
        told = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert re.search(said, told.stdout + told.stderr), told


def test_the_issuer_of_another_environment_lends_nothing_and_security_is_told(under_way: Claimed) -> None:
    words = "This is the issuer of staging; the run is of development"
    with listens("staging") as path, pytest.raises(LeaseRefused, match=words):
        Apart(str(path), identity()).lend(under_way.ask()).__enter__()
    assert under_way.told("lease.refused")
    assert Notice.objects.filter(kind="runner.refused", person=under_way.world.mira).count() == 1


def test_whoever_supplies_more_than_names_is_refused_whole(under_way: Claimed, door: Path) -> None:
    good = wire.asking(under_way.ask())
    for more in ("scope", "role", "ttl_s", "runner", "environment", "command_sha256"):
        with raw(door) as link:
            link.send({**good, more: "root"})
            said = link.hear()
            assert said is not None
            assert said["refused"]["message"] == f"The issuer takes names alone, and {more} is none of them."
            assert link.hear() is None
    assert not LeaseRecord.objects.exists()


def test_a_proof_that_was_heard_is_worthless_afterwards(under_way: Claimed, door: Path) -> None:
    asked = under_way.ask()
    with raw(door) as link:
        signature, said = proved(link, asked)
        assert said is not None
        assert "lease" in said, "the control: it was good the first time"
    for other in (asked, under_way.ask(target="web-2"), under_way.secrets):
        with raw(door) as link:
            _, said = proved(link, other, lambda _, heard=signature: heard)
            assert said is not None
            assert "does not hold the key" in said["refused"]["message"]


def test_a_runner_signs_for_its_own_question_alone(under_way: Claimed, tmp_path: Path) -> None:
    """Somebody listens in the issuer's place and wants a signature with which to ask for another target."""
    path = tmp_path / "socket"
    wanted = challenge_about(under_way.ask(target="web-2"))
    heard: list[bytes] = []
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(path))
        listening.listen()

        def relay() -> None:
            link, _ = listening.accept()
            with closing(link):
                link.recv(1000)
                link.sendall(wire.framed({"prove": base64.b64encode(wanted).decode()}, most=1000))
                heard.append(link.recv(1000))

        relaying = Thread(target=relay)
        relaying.start()
        with pytest.raises(IssuerBroke, match="over something else"):
            Apart(str(path), identity()).lend(under_way.ask()).__enter__()
        relaying.join(5)
    assert heard == [b""], "it sent no signature"


def test_the_token_of_another_runner_s_claim_is_of_no_use_to_a_runner_of_the_same_pool(
    under_way: Claimed, door: Path, tmp_path: Path
) -> None:
    machine = Machine(tmp_path / "second")
    under_way.world.may(under_way.world.manager(), "operate")
    under_way.world.confirmed("runner", machine.object)
    with raw(door) as link:
        _, said = proved(link, under_way.ask(), machine.me.sign)
        assert said is not None
        assert "does not hold the key with which it was enrolled" in said["refused"]["message"]
    with raw(door) as link:
        _, said = proved(link, under_way.ask())
        assert said is not None
        back = Return(machine.me.id, UUID(said["lease"]["id"]))
        with pytest.raises(LeaseRefused, match="is another runner's"):
            Apart(str(door), machine.me)._asked(back, NEVER)
        assert LeaseRecord.objects.get().state == "issued", "nor does it end what that one has in hand"
