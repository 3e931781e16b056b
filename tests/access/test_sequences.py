"""Whatever is given, ended, labelled and outlived, in whatever order: tables, log, list and guardian's rows agree."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from procedures import access
from procedures.access import backend
from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.domain.controls import Authority
from procedures.domain.grants import SOFTWARE_NEVER
from procedures.domain.ids import uuid7
from procedures.evidence.queries import Fact
from procedures.issuer.judgement import _covers
from procedures.issuer.replay import replay
from procedures.models import ControlChange, Environment, Person, Procedure, Run
from procedures.services import control_effects, grant_rights
from tests.factories.portal import World

VERBS = ("run", "view", "approve")
PLACES = ("development", "staging")
NAMES = ("alpha", "beta", "gamma")
LABELS = ("safe", "team-a")
WHO = ("quinn", "tina", "robot", "night")
PLAN: dict[str, Any] = {"parameters": {}, "targets": [], "secrets": {}}
hour = st.integers(0, 23).map("{:02}:00".format)
window = st.fixed_dictionaries(
    {
        "days": st.sets(st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), min_size=4).map(sorted),
        "from": hour,
        "until": st.integers(0, 23).map("{:02}:30".format),
        "zone": st.sampled_from(["UTC", "Asia/Kathmandu"]),
    }
)
what = st.one_of(
    st.just({}),
    st.sampled_from(NAMES).map(lambda name: {"procedure": name}),
    st.tuples(st.sets(st.sampled_from(LABELS), min_size=1), st.booleans()).map(
        lambda both: {"selector": sorted(both[0]), "grows": both[1]}
    ),
)
grant = st.tuples(
    st.just("grant"),
    st.sampled_from(WHO),
    st.sets(st.sampled_from(VERBS), min_size=1).map(sorted),
    what,
    st.sets(st.sampled_from(PLACES)).map(sorted),
    st.one_of(st.none(), st.none(), window),
    st.integers(-2, 1),
    st.integers(2, 12),
)
step = st.one_of(
    grant,
    grant,
    st.tuples(st.just("end"), st.integers(0, 5)),
    st.tuples(st.just("label"), st.sampled_from(NAMES), st.sets(st.sampled_from(LABELS)).map(sorted)),
    st.tuples(st.just("member"), st.sampled_from(WHO[:3]), st.booleans()),
    st.tuples(st.just("wait"), st.integers(1, 180)),
)


@dataclass
class Story:
    """A portal without production, in which each change stands; `facts` are its log."""

    people: dict[str, Person]
    procedures: dict[str, Procedure]
    manager: Person
    at: datetime
    facts: list[Fact] = field(default_factory=list)
    given: list[str] = field(default_factory=list)

    def change(self, control: str, object: dict[str, Any]) -> str:
        """One confirmed change, in the tables and in the log."""
        row = ControlChange(control=control, object=object, proposer=self.manager)
        control_effects.apply(row, at=self.at, event=uuid7())
        facts = {"control": control, "change": str(row.pk), "object": object}
        at = moment(self.at)
        self.facts.append(Fact(str(uuid7()), "control.confirmed", "", facts, None, [], None, at))
        return str(row.pk)

    def go(self, step: tuple[Any, ...]) -> None:
        kind, *said = step
        if kind == "grant":
            who, verbs, reach, places, hours, begins, lasts = said
            if who == "robot":
                verbs = [verb for verb in verbs if verb not in SOFTWARE_NEVER] or ["view"]  # else no door takes it
            start = self.at + timedelta(hours=begins)
            principal = f"person:{self.people[who].subject}" if who in self.people else f"group:{who}"
            object = {"principal": principal, "verbs": verbs, "environments": places, "reason": "x", **reach}
            object |= {"not_before": moment(start), "expires_at": moment(start + timedelta(hours=lasts))}
            self.given.append(self.change("grant", object | ({"window": hours} if hours else {})))
        elif kind == "end" and self.given:
            self.change("grant_end", {"grant": self.given.pop(said[0] % len(self.given)), "reason": "x"})
        elif kind == "label":
            self.change("labels", {"procedure": said[0], "labels": said[1]})
        elif kind == "member":
            action = "add" if said[1] else "remove"
            subject = str(self.people[said[0]].subject)
            self.change("membership", {"person": subject, "group": "night", "action": action})
        elif kind == "wait":
            self.at += timedelta(minutes=said[0])
            if said[0] % 2:
                grant_rights.sweep(at=self.at)

    def logged(self, authority: Authority, person: Person, verb: str, place: str) -> set[str]:
        """The procedures for which the issuer would find a grant."""
        if verb in SOFTWARE_NEVER and person.kind != "person":
            return set()
        run, subject = Run(environment_id=place), str(person.subject)
        held = [
            one
            for one in authority.grants.values()
            if one["stands"] and verb in one["verbs"] and subject in authority.holders(one["principal"])
        ]
        live = [one for one in held if _covers(one, run, PLAN, self.at, self.at)]
        return {name for name in NAMES if any(authority.reaches(one, name) for one in live)}


def agree(story: Story, chosen: random.Random, questions: int) -> int:
    """Look at so many questions from every side; how many were allowed."""
    authority, allowed = replay(story.facts), 0
    for grant in authority.grants.values():
        grant["stands"] = True  # signatures are another test's: what nobody limited to places asks for them
    for _ in range(questions):
        person = story.people[chosen.choice(WHO[:3])]
        verb, place, name = chosen.choice(VERBS), chosen.choice(PLACES), chosen.choice(NAMES)
        procedure = story.procedures[name]
        logged = story.logged(authority, person, verb, place)
        rows = access.visible(Procedure.objects.all(), person, verb, at=story.at, environment=place)
        decided = access.decide(
            person, verb, at=story.at, procedure=procedure, environment=Environment(name=place)
        ).allowed
        told = (person.username, verb, name, place)
        assert set(rows.values_list("name", flat=True)) == logged, f"list and log differ: {told}"
        assert decided is (name in logged), f"decision and log differ: {told}"
        assert person.has_perm(f"procedures.{verb}", procedure) or not decided, f"guardian is narrower: {told}"
        allowed += decided
    return allowed


def cast(world: World) -> Story:
    Group.objects.create(name="night")
    people = {name: world.person(name) for name in WHO[:2]}
    people["robot"] = world.account(people["quinn"])
    procedures = {name: Procedure.objects.create(name=name, title=name, hidden=True) for name in NAMES}
    return Story(people, procedures, world.mira, now())


def play(world: World, monkeypatch: pytest.MonkeyPatch, sequences: int, *, questions: int) -> dict[str, int]:
    """That many random sequences, each undone at its end."""
    counted = {"sequences": 0, "steps": 0, "questions": 0, "allowed": 0}
    first = cast(world)

    @settings(
        max_examples=sequences,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(steps=st.lists(step, min_size=4, max_size=8), seed=st.integers(0, 2**32))
    def one(steps: list[tuple[Any, ...]], seed: int) -> None:
        story, chosen = Story(first.people, first.procedures, first.manager, first.at), random.Random(seed)
        monkeypatch.setattr(backend, "now", lambda: story.at)
        with transaction.atomic():
            for each in steps:
                story.go(each)
                counted["allowed"] += agree(story, chosen, questions)
                counted["steps"] += 1
                counted["questions"] += questions
            transaction.set_rollback(True)
        counted["sequences"] += 1

    one()
    return counted


def test_decision_list_log_and_guardian_agree_after_every_step(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = play(world, monkeypatch, 20, questions=6)
    assert counted["allowed"] > 10, "sequences in which nobody may do anything show nothing"


@pytest.mark.figures
@pytest.mark.once
@pytest.mark.timeout(7200)
def test_ten_thousand_sequences_agree(
    world: World, monkeypatch: pytest.MonkeyPatch, figure: Callable[[str, Any], None]
) -> None:
    counted = play(world, monkeypatch, 10_000, questions=2)
    assert counted["sequences"] >= 10_000
    figure("grant_sequences", counted)
