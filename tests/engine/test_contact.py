"""The contact check before a run: who is away is left out or fails the run, as declared, and never succeeded."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsportal.demo.hosts import Host
from procedures.domain.canonical import parse
from procedures.domain.errors import InvalidInput
from procedures.evidence.queries import facts_of_run
from procedures.models import Person, Run
from procedures.runner.drive import drive
from tests.engine.test_runs import procedure, run_it, shell, text
from tests.factories.portal import World
from tests.factories.transitions import unevidenced
from tests.fixtures.counterparts import need
from tests.inventories.conftest import host_key, target

pytestmark = pytest.mark.ordinary
EACH = "{{id: one, each: '${{{{ targets }}}}', action: 'local:command', timeout: 20s, input: {{argv: [echo, {word}]}}}}"


@pytest.fixture(scope="module")
def host(host_number: int) -> Iterator[Host]:
    need("sshd")
    folder = Path(tempfile.mkdtemp(prefix="opsportal-contact-", dir="/var/tmp"))
    folder.chmod(0o711)
    made = Host("web-1", folder / "web-1", 103 + host_number)
    made.start()
    yield made
    made.stop()


def town(world: World, host: Host, *, away: int = 1) -> None:
    """One host that answers, one whose key is not the confirmed one's, and some that do not answer."""
    here = {"address": "127.0.0.1", "trust": "certificate"}
    world.propose("target", target("web-1", "development", host.host_key, port=host.port, **here))
    for number in range(away):
        world.propose("target", target(f"gone-{number}", "development", host_key(), port=9 + number, **here))


def declared(world: World, unreachable: str, *rows: str, more: str = "") -> Person:
    tail = f"  targets: {{filter: '*', unreachable: {unreachable}{more}}}\n"
    tail += "  output: {values: {good: '${{ steps.one.output.targets.succeeded }}'}}\n"
    return procedure(world, "reaches", *(rows or (EACH.format(word="here"),)), tail=tail)


def states(run: Run, step: str) -> dict[str, str]:
    return dict(run.tasks.filter(step=step).values_list("target", "state"))


def contacts(run: Run) -> list[dict[str, object]]:
    return [dict(fact.facts) for fact in facts_of_run(run.pk) if fact.kind == "run.contacted"]


def test_who_is_not_in_contact_is_left_out_and_did_not_succeed(world: World, host: Host) -> None:
    town(world, host, away=2)
    quinn = declared(world, "exclude")
    run = run_it(world, quinn, "reaches")
    assert (run.state, states(run, "one")) == ("succeeded", {"web-1": "succeeded"})
    assert states(run, "contact") == {"gone-0": "unreachable", "gone-1": "unreachable"}
    assert run.output["values"] == {"good": 1}
    assert run.output["excluded"] == ["gone-0", "gone-1"]
    assert "2 of 3 targets were left out, not being in contact: gone-0, gone-1." in run.message
    assert "does not answer" in text(run)
    told = contacts(run)[0]
    assert (told["declared"], told["reached"], set(told["lost"])) == ("exclude", ["web-1"], {"gone-0", "gone-1"})  # type: ignore[call-overload]
    assert parse(bytes(run.plan))["strategy"]["unreachable"] == "exclude", "approvers see what was declared"


def test_one_target_without_contact_fails_the_run_before_its_first_step(world: World, host: Host) -> None:
    town(world, host)
    run = run_it(world, declared(world, "fail"), "reaches")
    assert (run.state, states(run, "one")) == ("failed", {})
    assert run.message == "1 of 2 targets was not in contact: gone-0. No step ran."


def test_when_nobody_is_in_contact_nothing_succeeded(world: World, host: Host) -> None:
    where = {"address": "127.0.0.1", "port": host.port, "trust": "certificate"}
    world.propose("target", target("web-1", "development", host_key(), **where))
    run = run_it(world, declared(world, "exclude"), "reaches")
    assert (run.state, run.message[:44]) == ("failed", "None of the targets was in contact. No step ")
    assert "another host key" in text(run)


def test_what_was_left_out_stays_out_after_a_gate(world: World, host: Host) -> None:
    town(world, host)
    wait = "{id: wait, action: 'gate:wait', input: {for: 1s}}"
    quinn = declared(world, "exclude", shell("zero", "true"), wait, EACH.format(word="later"))
    run = world.ask(quinn, procedure="reaches")
    drive(run.id)
    with unevidenced():
        Run.objects.filter(pk=run.pk).update(state="queued")
    host.port, kept = 9, host.port
    drive(run.id)
    host.port = kept
    run.refresh_from_db()
    assert (run.state, states(run, "one"), len(contacts(run))) == ("succeeded", {"web-1": "succeeded"}, 1)


def test_a_requester_narrows_only_where_the_author_lets_them(world: World, host: Host) -> None:
    town(world, host)
    quinn = declared(world, "exclude")
    with pytest.raises(InvalidInput, match="its author lets nobody narrow"):
        world.ask(quinn, procedure="reaches", targets=["web-1"])
    tail = "  targets: {filter: '*', narrow: true}\n"
    quinn = procedure(world, "narrows", EACH.format(word="here"), tail=tail)
    run = run_it(world, quinn, "narrows", targets=["web-1"])
    assert states(run, "one") == {"web-1": "succeeded"}
    with pytest.raises(InvalidInput, match="is not among the matching"):
        world.ask(quinn, procedure="narrows", targets=["elsewhere"])
