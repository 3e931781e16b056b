"""A host that the inventory ends or replaces while a long run is under way is left out, and the run says so (H41)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from procedures.domain.clock import now
from procedures.domain.ports import ActionCall, ActionIO, ActionResult
from procedures.evidence.queries import facts_of_run
from procedures.models import Run, Target
from procedures.services import claims
from tests.engine.going_on import Step, Story, driven, row, story
from tests.engine.test_runs import procedure
from tests.engine.test_strategies import town
from tests.factories.portal import World
from tests.fixtures.parts import as_owner

pytestmark = pytest.mark.ordinary
__all__ = ["story"]
CHANGES: Mapping[str, tuple[dict[str, Any], str]] = {
    "ended": ({"ended_at": now()}, "no longer has this target"),
    "another key": ({"host_key": "ssh-ed25519 BBBB"}, "Another host key"),
    "another proof": ({"host_authority": "ssh-ed25519 BBBB"}, "prove itself in another way"),
    "another address": ({"address": "192.0.2.99"}, "moved from"),
}


def rolling(world: World, story: Story, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], *names: str) -> Run:
    """A run of three batches; the inventory changes while the first is under way."""
    town(world, "web-1", "web-2", "web-3")
    real = Step.run

    def changing(self: Step, call: ActionCall, io: ActionIO) -> ActionResult:
        with as_owner():
            Target.objects.filter(name__in=names).update(**change)
        return real(self, call, io)

    monkeypatch.setattr(Step, "run", changing)
    tail = "  targets: {filter: 'role=web', strategy: {mode: rolling, batch: 1}}\n"
    each = ", each: '${{ targets }}'"
    return driven(world.ask(procedure(world, "rolls", row("a", each), row("b", each), tail=tail), procedure="rolls"))


@pytest.mark.parametrize("what", CHANGES)
def test_it_is_left_out_of_later_batches_and_the_end_says_so(
    world: World, story: Story, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    change, why = CHANGES[what]
    run = rolling(world, story, monkeypatch, change, "web-1", "web-3")
    assert story.took() == ["a@web-1", "b@web-1", "a@web-2", "b@web-2"]
    assert (run.state, run.output["excluded"]) == ("succeeded", ["web-3"])
    assert run.message == "1 target was left out, ended or replaced in the inventory meanwhile: web-3."
    said = next(f.facts for f in facts_of_run(run.pk) if f.kind == "run.targets_changed")
    assert (said["batch"], list(said["targets"])) == (2, ["web-3"])
    assert why in said["targets"]["web-3"]
    task = run.tasks.get(target="web-3")
    assert (task.state, why in task.message) == ("unreachable", True)


def test_where_no_target_is_left_the_run_failed(world: World, story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    town(world, "web-1")
    run = world.ask(procedure(world, "one", row("a", ", each: '${{ targets }}'"), tail=TAIL), procedure="one")
    real = claims._take

    def took(*args: Any, **more: Any) -> Any:
        with as_owner():
            Target.objects.update(address="192.0.2.99")
        return real(*args, **more)

    monkeypatch.setattr(claims, "_take", took)
    assert driven(run).state == "failed"
    assert run.message.startswith("None of the targets is still the one that was approved. No step ran.")
    assert story.took() == []


TAIL = "  targets: {filter: 'role=web'}\n"
