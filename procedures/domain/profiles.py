"""Review profiles: how many distinct persons must accept, and which duties they cover together (people.md, S1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

from procedures.domain.definition import DUTIES, Risk

PROFILES = ("separate", "team", "pair")
_DUTIES: Mapping[Risk, tuple[str, ...]] = {
    "low": ("operations",),
    "moderate": ("operations", "security"),
    "high": ("operations", "security", "compliance"),
}


@dataclass(frozen=True, slots=True)
class Requirement:
    """`persons` distinct persons who together cover `duties`; `one_each`: a person counts for one duty alone."""

    persons: int
    duties: tuple[str, ...]
    one_each: bool


def review_requirement(profile: str, risk: Risk) -> Requirement:
    duties = _DUTIES[risk]
    if profile == "separate":
        return Requirement(persons=len(duties), duties=duties, one_each=True)
    if profile == "team":
        return Requirement(persons=2 if risk == "high" else 1, duties=duties, one_each=False)
    if profile == "pair":
        return Requirement(persons=1, duties=duties, one_each=False)
    raise ValueError(f"unknown profile {profile!r}")


def missing_duties(requirement: Requirement, accepted: Mapping[str, Sequence[str]]) -> list[str]:
    """What is still missing, in words of duties (and "another person"); empty when the requirement is met.

    `accepted` maps each distinct person who accepted to the duties that they decided for.
    """
    if not requirement.one_each:
        covered = {duty for duties in accepted.values() for duty in duties}
        lacking = [duty for duty in requirement.duties if duty not in covered]
        short = requirement.persons - len(accepted)
        return lacking or (["another person"] * max(short, 0))
    people = list(accepted)
    best: list[str] = list(requirement.duties)
    for order in permutations(requirement.duties):
        free = list(people)
        lacking = []
        for duty in order:
            holder = next((p for p in free if duty in accepted[p]), None)
            if holder is None:
                lacking.append(duty)
            else:
                free.remove(holder)
        if len(lacking) < len(best):
            best = lacking
    return [duty for duty in DUTIES if duty in best]


def missing_reviews(
    requirement: Requirement, more: Mapping[str, int], accepted: Mapping[str, Sequence[str]]
) -> list[str]:
    """What is missing of a profile's requirement and of `{duty: count}` beside it, which policies ask for."""
    lacking = missing_duties(requirement, accepted)
    for duty, count in approvals_missing(more, accepted).items():
        lacking += [duty] * (count - lacking.count(duty))
    return lacking


def combined_duties(accepted: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Persons who decided for several duties: printed in every dossier and pack."""
    return {person: list(duties) for person, duties in accepted.items() if len(duties) > 1}


def approvals_missing(needed: Mapping[str, int], given: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """`{duty: how many more}` for a run or gate; a person counts once, for one duty."""
    slots = [duty for duty in DUTIES for _ in range(int(needed.get(duty, 0)))]
    taken: dict[int, str] = {}

    def place(person: str, seen: set[int]) -> bool:
        for index, duty in enumerate(slots):
            if duty in given[person] and index not in seen:
                seen.add(index)
                if index not in taken or place(taken[index], seen):
                    taken[index] = person
                    return True
        return False

    for person in given:
        place(person, set())
    left: dict[str, int] = {}
    for index, duty in enumerate(slots):
        if index not in taken:
            left[duty] = left.get(duty, 0) + 1
    return left


def approvals_union(*rules: Mapping[str, int]) -> dict[str, int]:
    """The stricter of several quorums, duty by duty."""
    union: dict[str, int] = {}
    for rule in rules:
        for duty, count in rule.items():
            union[duty] = max(union.get(duty, 0), int(count))
    return {duty: count for duty, count in union.items() if count}
