"""What a grant may say, and whether a request lies inside it: one answer for the portal and for the issuer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from procedures.domain import filters, parameters, windows
from procedures.domain.canonical import parse_moment

SOFTWARE_NEVER = frozenset({"review", "approve", "manage_access", "break_glass"})  # it asks; people decide
TERMS: Mapping[str, int] = {
    "days": 365,
    "production_run_days": 180,
    "break_glass_days": 90,
}  # unless a change says else
UNBOUND = frozenset({"manage_access", "operate"})  # what stands behind a change must not depend on the hour


def problems(grant: Mapping[str, Any], prefix: str) -> list[tuple[str, str]]:
    """What a grant of the right shape still may not say, with pointers."""
    found = []
    if grant["expires_at"] <= grant["not_before"]:
        found.append((f"{prefix}/expires_at", "must be after not_before"))
    if "procedure" in grant and "selector" in grant:
        found.append((f"{prefix}/selector", "a grant names one procedure or labels, not both"))
    if "period" in grant:
        found += _of_period(grant, f"{prefix}/period")
    if "window" in grant:
        found += windows.problems(grant["window"], f"{prefix}/window")
        for verb in sorted(UNBOUND & set(grant["verbs"])):
            found.append((f"{prefix}/window", f"{verb} has dates, and no hours: changes are confirmed at any time"))
    return found


def _of_period(grant: Mapping[str, Any], pointer: str) -> list[tuple[str, str]]:
    """A period says which runs an engagement is about; of no other verb could it say anything."""
    found = [] if grant["verbs"] == ["audit"] else [(pointer, "bounds audit alone: give other verbs another grant")]
    try:
        first, last = (parse_moment(grant["period"][name]) for name in ("from", "to"))
    except ValueError:
        return [*found, (pointer, "is from a moment to a moment")]
    return found + ([] if first < last else [(f"{pointer}/to", "lies before the beginning")])


def in_place(grant: Mapping[str, Any], environment: str | None, production: Collection[str]) -> bool:
    """Whether a grant reaches an environment; None is every one.

    One for every environment that was given unsigned, where there was no production, reaches no production that came
    later: `everywhere` is false then.
    """
    if grant["environments"]:
        return environment in grant["environments"]
    return bool(grant.get("everywhere", True) or not (production if environment is None else environment in production))


def longest(grant: Mapping[str, Any], terms: Mapping[str, Any], production: Collection[str]) -> tuple[int, str]:
    """(days, of what): the longest term that this grant may have."""
    named, verbs = grant["environments"], grant["verbs"]
    found = [(int(terms["days"]), "any access")]
    if "run" in verbs and production and (not named or set(named) & set(production)):
        found.append((int(terms["production_run_days"]), "running in production"))
    if "break_glass" in verbs:
        found.append((int(terms["break_glass_days"]), "break_glass"))
    return min(found)


def too_long(grant: Mapping[str, Any], terms: Mapping[str, Any], production: Collection[str]) -> str:
    """Why a grant lasts longer than the portal's terms allow, or an empty string."""
    days, what = longest(grant, terms, production)
    lasts = parse_moment(grant["expires_at"]) - parse_moment(grant["not_before"])
    return "" if lasts <= timedelta(days=days) else f"is longer than the {days} days that {what} is given for at most"


def outside(
    *,
    at: datetime,
    constraint: Mapping[str, Any] | None = None,
    unconstrained: Collection[str] = (),
    target_filter: str = "",
    window: Mapping[str, Any] | None = None,
    resolved: Mapping[str, Any] | None = None,
    secrets: Collection[str] = (),
    targets: Sequence[Any] | None = None,
) -> str:
    """Why a request lies outside what a grant allows, or an empty string.

    `resolved` are parameters after defaults (H8), `secrets` the names of those handed in; None: not part of the
    question. A grant that limits parameters lets no secret and no file through that it does not name.
    """
    if window is not None and not windows.is_open(window, at):
        return _closed(window, at)
    if constraint is not None and resolved is not None:
        found = parameters.check_constraint(constraint, resolved, free=unconstrained)
        if found:
            return f"Your grant limits the parameters: {found[0][0]}: {found[0][1]}."
        for name in sorted(set(secrets) - set(unconstrained)):
            return f"Your grant limits the parameters: /secrets/{name}: your grant does not cover it."
    if target_filter and targets is not None:
        bound = filters.parse(target_filter).bind({})
        for target in targets:
            if not bound.matches(target):
                name = target["name"] if isinstance(target, Mapping) else target.name
                return f"Your grant does not cover the target {name}."
    return ""


def _closed(window: Mapping[str, Any], at: datetime) -> str:
    text = f"Your grant is for {windows.told(window)}"
    opens = windows.opens_next(window, at)
    return f"{text}; it opens next {windows.told_moment(window, opens)}." if opens else f"{text}."
