"""Real runs, and a manuscript that lacks what they were seen not to use; what proves nothing, narrows nothing."""

from __future__ import annotations

import base64

import pytest

from procedures.definitions.load import definition_of
from procedures.domain.canonical import digest, parse
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed, OpsError
from procedures.domain.observed import NotObserved
from procedures.evidence.queries import facts_of_kinds
from procedures.models import Grant, Manuscript, Person, Task, Version
from procedures.queries import observed
from procedures.runner.drive import drive
from procedures.services import manuscripts, narrowing, versions
from procedures.services.manuscripts import unpacked
from tests.factories.portal import World
from tests.narrowing.using import FEW, lines, ran

OLD, API = ("host", "old.example.com"), ("host", "api.example.com")


def test_what_a_step_was_seen_to_use_is_in_its_runners_signed_words(
    world: World, quinn: tuple[Person, Grant], port: int
) -> None:
    (run,) = ran(world, quinn[0], 1)
    (told,) = [fact.facts for fact in facts_of_kinds("task.finished") if fact.facts["step"] == "go"]
    seen = {"network": "listed", "hosts": [f"api.example.com:{port}"]}
    assert told["facts"]["seen"] == seen
    assert seen == Task.objects.get(run=run).facts["seen"]
    assert parse(base64.b64decode(told["dsse"]["payload"]))["predicate"]["facts"]["facts"]["seen"] == seen


def test_too_few_runs_say_nothing_and_enough_begin_a_manuscript_for_reviewers(
    world: World, adam: Person, quinn: tuple[Person, Grant], port: int
) -> None:
    ran(world, quinn[0], FEW - 1)
    assert (lines(adam)[API].verdict, lines(adam)[OLD].verdict) == ("used", "few")
    with pytest.raises(NotObserved):
        narrowing.narrow_procedure(actor=adam, name="look", lines=[lines(adam)[OLD].id], at=now())
    ran(world, quinn[0], 1)
    found = lines(adam)
    assert (found[OLD].verdict, found[OLD].runs) == ("unused", FEW)

    chosen = [found[OLD].id, found["environment", "staging"].id]
    made = narrowing.narrow_procedure(actor=adam, name="look", lines=chosen, at=now())
    less = definition_of(unpacked(made.manuscript))
    assert less.environments == ("development",)
    assert less.steps[0].input["egress"] == [f"api.example.com:{port}"]
    assert made.observation.digest in made.note
    standing = Version.objects.get(procedure__name="look", state="accepted")
    assert "old.example.com" in str(standing.definition), "nothing narrows by itself"

    (fact,) = facts_of_kinds("use.observed")
    assert (fact.actor, fact.facts["of"]) == (str(adam.subject), "procedure:look")
    assert (fact.facts["runs"], fact.facts["digest"]) == (FEW, made.observation.digest)
    assert digest(fact.facts["observation"]) == fact.facts["digest"], "whoever reads the log can compute it again"
    assert ["host", "go", f"old.example.com:{port}"] in fact.facts["cuts"]

    version = manuscripts.submit_manuscript(actor=adam, name="look", note=made.note, at=now())
    assert (version.state, made.observation.digest in version.note) == ("in_review", True)
    with pytest.raises(OpsError):
        world.review(adam, version, "operations")


def test_a_run_that_needs_what_was_taken_away_names_it_and_the_way_back(
    world: World, adam: Person, quinn: tuple[Person, Grant], port: int
) -> None:
    ran(world, quinn[0], FEW)
    found = lines(adam)
    chosen = [found[OLD].id, found["environment", "staging"].id]
    made = narrowing.narrow_procedure(actor=adam, name="look", lines=chosen, at=now())
    files = unpacked(made.manuscript)
    text = files["procedure.yaml"]
    files["procedure.yaml"] = text.replace(b'HOST: "api.example.com', b'HOST: "old.example.com')
    assert b"the former one" not in text
    again = versions.submit_version(actor=adam, files=files, note=made.note, at=now())
    world.review(world.mira, again, "operations", "security", signed=True)

    run = world.ask(quinn[0], procedure="look")
    drive(run.pk)
    task = Task.objects.get(run=run)
    assert task.state == "failed"
    assert f"host old.example.com:{port} was taken out" in task.message, task.message
    assert made.observation.digest[:19] in task.message
    assert "put it in again and hand that in for review" in task.message
    with pytest.raises(InvalidInput, match="environment staging was taken out") as refusal:
        world.ask(quinn[0], procedure="look", environment="staging")
    assert "hand that in for review" in refusal.value.message


def test_an_author_who_looks_harmless_by_own_runs_proves_nothing(world: World, adam: Person) -> None:
    """Their runs are counted and said; only use counts from them."""
    ran(world, adam, FEW + 2)
    version = Version.objects.get(procedure__name="look", state="accepted")
    seen = observed.of_procedure(adam, version.procedure, version, now())
    assert (seen.runs, seen.own) == (FEW + 2, FEW + 2)
    found = lines(adam)
    assert (found[OLD].verdict, found[API].verdict, found["environment", "staging"].verdict) == ("few", "used", "idle")
    robot = world.account(adam)
    world.may(robot, "run", procedure="look")
    ran(world, robot, FEW)
    assert lines(adam)[OLD].verdict == "few", "nor do those of an account of theirs"


def test_whoever_sees_a_part_of_the_runs_sees_a_part_of_the_use_and_narrows_nothing(
    world: World, adam: Person, quinn: tuple[Person, Grant]
) -> None:
    ran(world, quinn[0], FEW)
    iris = world.person("iris")
    world.may(iris, "author")
    found = lines(iris)
    assert found[API].verdict == "idle", "no word of what others' runs reached"
    with pytest.raises(NotAllowed, match="every run"):
        narrowing.narrow_procedure(actor=iris, name="look", lines=[found[OLD].id], at=now())
    with pytest.raises(NotAllowed):
        narrowing.narrow_procedure(actor=quinn[0], name="look", lines=[found[OLD].id], at=now())
    hidden = [refused(quinn[0], name) for name in ("look", "nothing")]
    assert hidden[0].replace("look", "X") == hidden[1].replace("nothing", "X")
    assert not Manuscript.objects.exists()


def refused(actor: Person, name: str) -> str:
    with pytest.raises(NotAllowed) as refusal:
        narrowing.narrow_procedure(actor=actor, name=name, lines=["x"], at=now())
    return refusal.value.message


def test_files_that_somebody_writes_already_are_not_lost(
    world: World, adam: Person, quinn: tuple[Person, Grant]
) -> None:
    ran(world, quinn[0], FEW)
    manuscripts.open_manuscript(actor=adam, name="look", empty={}, at=now())
    with pytest.raises(narrowing.NothingToNarrow):
        narrowing.narrow_procedure(actor=adam, name="look", lines=[lines(adam)[OLD].id], at=now())


def test_a_runner_that_lies_is_named_by_its_own_signature_and_changes_nothing_by_itself(
    world: World, adam: Person, quinn: tuple[Person, Grant], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its word is all there is: it can make a right look needless or needed, under its key, and people decide."""
    monkeypatch.setattr("procedures.actions.leaving.seen", lambda **_: {"seen": {"network": "listed"}})
    ran(world, quinn[0], FEW)
    assert (lines(adam)[API].verdict, lines(adam)[API].cut) == ("unused", True)
    said = [fact.facts["dsse"] for fact in facts_of_kinds("task.finished")]
    runners = {fact.facts["runner"] for fact in facts_of_kinds("run.claimed")}
    assert {one["signatures"][0]["keyid"] for one in said} == runners
    version = Version.objects.get(procedure__name="look")
    assert (version.state, Manuscript.objects.count()) == ("accepted", 0)
