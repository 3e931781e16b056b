"""What a runner can do, what a run needs, and in words which of the two is missing. Plain values, no tables.

What a runner *reports* (tier, actions, software, plan format) is its own word; its environments, zones and the software
that it may run are what people signed at its enrolment (H42).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

TIERS = ("A", "B", "C", "D")  # from the strongest sandbox to none
SANDBOXES = TIERS[:-1]
ZONE = "zone"  # the attribute of a target that says in which network zone it lies
SANDBOXED = ("local:",)


@dataclass(frozen=True, slots=True)
class Need:
    """What one run asks of the runner that takes it. `tier` "" asks for none; `actions`: id → mark."""

    environment: str
    tier: str = ""
    actions: Mapping[str, str] = field(default_factory=dict)
    zones: frozenset[str] = frozenset()
    plan_format: int = 1
    lent: bool = False  # something has to be lent or opened for it


@dataclass(frozen=True, slots=True)
class Ability:
    """One runner: what was signed of it, and what it reports; `reported` False: it has said nothing yet."""

    name: str
    environments: tuple[str, ...] = ()
    zones: frozenset[str] = frozenset()
    attested: tuple[str, ...] = ()
    reported: bool = False
    tier: str = ""
    actions: Mapping[str, str] = field(default_factory=dict)
    software: str = ""
    plan_format: int = 1
    away: frozenset[str] = frozenset()  # environments whose issuer does not answer it
    unmasked: tuple[str, ...] = ()  # encodings of a secret that its mask lets through


def lacks(need: Need, one: Ability) -> str:
    """What keeps this runner from this run, in words that fit after "no runner …"; "" if nothing does.

    What a runner has not reported is not held against it, unless people asked for it: a tier, or a software.
    """
    return _signed(need, one) or (_reported(need, one) if one.reported else "")


def _signed(need: Need, one: Ability) -> str:
    """What people signed: of the runner at its enrolment, and of the environment in its rules."""
    if need.environment not in one.environments:
        return f"serves {need.environment}"
    if missing := sorted(need.zones - one.zones):
        return f"reaches the zone {missing[0]}"
    if one.attested and one.software not in one.attested:
        return "reports the software that was attested at its enrolment"
    return f"offers tier {need.tier}" if need.tier and _rank(one.tier) > _rank(need.tier) else ""


def _reported(need: Need, one: Ability) -> str:
    if one.plan_format != need.plan_format:
        return f"reads plans of format {need.plan_format}: web and runners run different versions"
    if one.unmasked:
        return "masks a secret in every encoding"
    if need.lent and need.environment in one.away:
        return "reaches its issuer"
    for action, mark in sorted(need.actions.items()):
        if action not in one.actions:
            return f"has the action {action}"
        if one.actions[action] != mark:
            return f"has {action} with the digest that was accepted"
    sandboxed = any(action.startswith(SANDBOXED) for action in need.actions)
    return "has a sandbox, which local steps need" if sandboxed and _rank(one.tier) == _rank("D") else ""


def able(need: Need, runners: Iterable[Ability]) -> list[Ability]:
    """Those that could take this run."""
    return [one for one in runners if not lacks(need, one)]


def told(need: Need, runners: Sequence[Ability]) -> str:
    """Why none of these can take this run, in a sentence; "" if one can."""
    serving = [one for one in runners if need.environment in one.environments]
    if not serving:
        return f"No runner serves {need.environment}: an operator enrols one."
    if able(need, serving):
        return ""
    why = [lacks(need, one) for one in serving]
    first = max(sorted(set(why)), key=why.count)
    said = f"No runner of {need.environment} {first}"
    if first.startswith("offers tier"):
        said += f"; {_counted(serving)}"
    return f"{said}."


def _counted(runners: Sequence[Ability]) -> str:
    """`two are there with B`."""
    tiers = sorted(one.tier or "none" for one in runners)
    words = {1: "one is", 2: "two are", 3: "three are"}
    parts = [
        f"{words.get(tiers.count(tier), f'{tiers.count(tier)} are')} there with {tier}" for tier in dict.fromkeys(tiers)
    ]
    return " and ".join(parts)


def strongest(tiers: Iterable[str]) -> str:
    """The tier that is enough for all of these; "" if none of them asks for any."""
    return min((tier for tier in tiers if tier in SANDBOXES), key=TIERS.index, default="")


def _rank(tier: str) -> int:
    return TIERS.index(tier) if tier in TIERS else len(TIERS) - 1
