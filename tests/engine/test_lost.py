"""What a lost runner left on a host is looked for by the next one, ended, and known dead, or said to be unknown."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from typing import Any

import pytest

from procedures.actions import ssh
from procedures.domain import lost
from procedures.domain.clock import now
from procedures.domain.ids import uuid7
from procedures.evidence.queries import facts_of_kinds
from procedures.issuer.looking import lend_to_look
from procedures.issuer.refusals import LeaseRefused
from procedures.models import Runner, Target, Task
from procedures.runner.drive import identity, keys
from procedures.runner.providers import providers
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
    return Reconciler(["development"], providers(keys()), Runner.objects.get(pk=identity().id))


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


def test_nobody_gets_a_credential_by_saying_that_a_run_was_lost(cut: Task, world: Any) -> None:
    with pytest.raises(LeaseRefused, match="had a credential"):
        lent(cut, "ab" * 32)
    mark = remotes.mark_of(cut)
    assert mark
    Target.objects.filter(name="web-01").update(address="127.0.0.2")
    with pytest.raises(LeaseRefused, match="not the one that was confirmed"):
        lent(cut, mark)
    run = world.ask(cut.run.requester, procedure="who-am-i")
    Task.objects.filter(pk=cut.pk).update(run=run)
    moved = Task.objects.select_related("run__environment").get(pk=cut.pk)
    with pytest.raises(LeaseRefused, match="nobody knows what became"):
        lent(moved, mark)


def lent(task: Task, mark: str) -> None:
    runner = Runner.objects.get(pk=identity().id)
    with lend_to_look(providers(keys()), runner, task, mark, at=now()):
        raise AssertionError("a credential was lent")


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
