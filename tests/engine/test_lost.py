"""What a lost runner left on a host is looked for by the next one, ended, and known dead, or said to be unknown."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from procedures.actions import ssh
from procedures.domain import lost
from procedures.domain.clock import now
from procedures.domain.ids import uuid7
from procedures.domain.lending import Look
from procedures.evidence.queries import facts_of_kinds
from procedures.issuer.refusals import LeaseRefused
from procedures.models import Target, Task
from procedures.runner.drive import identity, issuer
from procedures.runner.identity import Identity, load_identity
from procedures.runner.reconciling import Reconciler
from procedures.services import endings, remotes
from procedures.ssh.stub import command
from tests.actions.calls import processes
from tests.engine import test_plain_key as plain
from tests.engine.going_on import Killed
from tests.engine.test_plain_key import Place, place

pytestmark = pytest.mark.ordinary
__all__ = ["place"]


@pytest.fixture
def cut(place: Place, monkeypatch: pytest.MonkeyPatch) -> Task:
    """A step that still runs on the host, though its runner is gone: the host has not noticed."""
    word = f"lost{time.time_ns()}"
    argv = f"[sh, -c, 'touch $HOME/began; sleep 300; true', '{word}']".encode()
    monkeypatch.setattr(plain, "YAML", plain.YAML.replace(b"[id, -un]", argv))

    def gone(transport: Any, words: str, payload: Any, **_: Any) -> None:
        channel = transport.open_session(timeout=10)
        channel.exec_command(words)
        channel.sendall(payload.data)
        monkeypatch.setattr(transport, "close", lambda: None)
        cut_off.append((transport, channel))
        end = time.monotonic() + 10
        while not (place.host.home / "began").exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        raise Killed

    cut_off: list[Any] = []
    monkeypatch.setattr(ssh, "drive", gone)
    place.seal()
    place.furnish()
    with pytest.raises(Killed):
        place.run()
    endings.interrupt_lost(at=now() + timedelta(minutes=1))
    task = Task.objects.get(state="interrupted")
    assert task.remote == "unknown"
    assert processes(word), "it still runs"
    task.message = word
    return task


def reconciler() -> Reconciler:
    return Reconciler(["development"], identity().id, issuer)


def looked(task: Task) -> list[dict[str, Any]]:
    return [dict(f.facts) for f in facts_of_kinds("task.looked_for") if f.facts["task"] == str(task.pk)]


def test_the_next_runner_ends_it_and_says_how_it_knows(cut: Task) -> None:
    assert reconciler().round() == 1
    assert processes(cut.message) == []
    cut.refresh_from_db()
    assert cut.remote == "dead"
    assert re.fullmatch(r"Looked at on the host: \d processes of it were ended.", cut.facts["looked"])
    assert [row["remote"] for row in looked(cut)] == ["dead"]
    assert {lease.state for lease in cut.run.leases.all()} == {"revoked"}
    assert reconciler().round() == 0, "what is known is not looked for again"


def test_a_host_that_does_not_answer_stays_unknown_with_why_said_once(cut: Task, place: Place) -> None:
    place.host.stop()
    for _ in range(2):
        assert reconciler().round() == 0
    cut.refresh_from_db()
    assert cut.remote == "unknown"
    assert "does not answer" in cut.facts["looked"]
    assert len(looked(cut)) == 1


def test_what_never_began_on_the_host_can_begin_no_more(cut: Task, place: Place) -> None:
    assert reconciler().round() == 1
    mark = "ab" * 32
    wanted = lost.looking(mark=mark, run=cut.run_id, host="web-01", salt="x")
    assert lost.found(b"began=0\nseen=0\nleft=0\n", 0)[0] == "dead"
    assert lost.found(b"began=1\nseen=2\nleft=1\n", 0) == (
        "unknown",
        "1 processes of the step do not end, also when killed.",
    )
    assert lost.found(b"", 0)[0] == lost.found(b"began=1\nseen=0\nleft=0\n", 126)[0] == "unknown"
    assert wanted.sha256 in command(wanted.sha256, 1)


def test_nobody_gets_a_credential_by_saying_that_a_run_was_lost(cut: Task, world: Any, tmp_path: Path) -> None:
    facts = cut.run.leases.get().facts
    cut.run.leases.update(facts={"command_sha256": "ab" * 32})
    assert "had a credential" in refusal(cut)
    cut.run.leases.update(facts=facts)
    Target.objects.filter(name="web-01").update(address="127.0.0.2")
    with issuer("development").look(Look(identity().id, cut.pk)) as (_, where):
        assert where.address == "127.0.0.1", "where the log says, whatever somebody wrote into the table"
    stranger = load_identity(tmp_path)
    assert "does not hold the key" in refusal(cut, replace(stranger, id=identity().id))
    assert "does not serve development" in refusal(cut, stranger)
    row = Target.objects.get(name="web-01")
    other = {name: getattr(row, name) for name in ("port", "trust", "tags", "attributes")}
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB8bYhIlcRoLxmZMcVoz5gGW7LZfaCnPBR0h0ZkIZs2u"
    place = {"environment": "development", "name": "web-01", "address": "127.0.0.1", "host_key": key, "action": "set"}
    world.propose("target", {**other, **place})
    assert "not the one that was confirmed" in refusal(cut)
    run = world.ask(cut.run.requester, procedure="who-am-i")
    Task.objects.filter(pk=cut.pk).update(run=run)
    assert "nobody knows what became" in refusal(cut)


def refusal(task: Task, who: Identity | None = None) -> str:
    me = who or identity()
    with pytest.raises(LeaseRefused) as refused, issuer("development", me).look(Look(me.id, task.pk)):
        raise AssertionError("a credential was lent")
    return refused.value.message


def test_what_had_no_credential_yet_was_never_sent(cut: Task) -> None:
    cut.run.leases.update(issued_at=None)
    assert reconciler().round() == 1
    cut.refresh_from_db()
    assert "nothing was sent" in cut.facts["looked"]


def test_a_lease_whose_runner_died_while_it_looked_is_ended(cut: Task) -> None:
    id = uuid7()
    remotes.intended(id=id, task=cut, credential="deploy", provider="ssh-key", at=now())
    assert remotes.end_overdue(at=now()) == 0
    assert remotes.end_overdue(at=now() + timedelta(minutes=3)) == 1
    assert {lease.state for lease in cut.run.leases.all()} == {"revoked"}
