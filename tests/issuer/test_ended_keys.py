"""A key that was ended: what it signed before stands, and what appears in the log after its end proves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from procedures.domain.canonical import parse
from procedures.domain.clock import now
from procedures.evidence.models import Event
from procedures.evidence.notes import load_key
from procedures.evidence.sequence import Sequencer
from procedures.issuer.judgement import judge_run
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.models import EnrolledKey, Run
from tests.factories.portal import World

pytestmark = pytest.mark.once


class Scene:
    """Tom wrote `hello`; Tina, who fills the duty of operations, has a key; Quinn asks for it."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.sequencer = Sequencer(load_key(folder / "log.key", "test/log"), folder / "log.published")
        tom, self.tina = world.person("tom"), world.person("tina", "operations", key=True)
        world.may(tom, "author")
        world.may(self.tina, "review")
        world.propose("duty", {"principal": f"person:{self.tina.subject}", "duty": "operations", "action": "add"})
        self.version = world.submit(tom)

    def log(self) -> None:
        while self.sequencer.step(now()):
            continue

    def review(self) -> None:
        self.world.review(self.tina, self.version, "operations", signed=True)

    def run(self) -> Run:
        quinn = self.world.person("quinn")
        self.world.may(quinn, "run", procedure="hello")
        return self.world.ask(quinn)

    def end_the_key(self) -> None:
        mark = EnrolledKey.objects.get(person=self.tina).fingerprint
        self.world.propose("key_end", {"fingerprint": mark, "reason": "the laptop was stolen"})


@pytest.fixture
def scene(world: World, tmp_path: Path) -> Scene:
    return Scene(world, tmp_path)


def judged(run: Run) -> tuple[str, ...]:
    """As if the place where it runs were production, where signatures hold the acceptance up."""
    authority = replay()
    authority.production.add(run.environment_id)
    return judge_run(authority, run, parse(bytes(run.plan)), at=now())


def test_a_review_signed_before_its_key_was_ended_still_holds_the_acceptance_up(scene: Scene) -> None:
    scene.review()
    run = scene.run()
    scene.log()
    assert judged(run) == ()
    scene.end_the_key()
    scene.log()
    assert judged(run) == ()


def test_a_review_that_was_not_in_the_log_before_the_end_of_its_key_proves_nothing(scene: Scene) -> None:
    """A thief with key and database writes the review after the end, and lets the key live on in the table."""
    scene.end_the_key()
    scene.log()
    EnrolledKey.objects.filter(person=scene.tina).update(revoked_at=None)
    scene.review()
    run = scene.run()
    scene.log()
    assert Event.objects.filter(kind="version.accepted", actor=scene.tina.subject).exists()
    with pytest.raises(LeaseRefused, match="signed review"):
        judged(run)
