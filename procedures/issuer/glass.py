"""Whether a break-glass stands by itself: judged from signed events alone, as every other decision (H25)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from procedures.domain import break_glass
from procedures.domain.canonical import moment, parse_moment
from procedures.domain.controls import Authority
from procedures.evidence.queries import Fact, glass_facts
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import by_now, checked, statement_of
from procedures.models import Run

Covers = Callable[[Mapping[str, Any]], bool]
NAMED = ("run", "plan_digest", "digest", "skips", "not_after")
SKEW = timedelta(minutes=1)


@dataclass(slots=True)
class Seen:
    """A use that its signature proves, as the log tells of it."""

    fact: Fact
    at: datetime
    reviewed: bool = False

    @property
    def by(self) -> str:
        return self.fact.actor


def through_freeze(authority: Authority, run: Run, covers: Covers, *, begun: datetime, at: datetime) -> None:
    """Raise LeaseRefused for a run that began in a freeze of its environment, unless the glass was broken for that."""
    rules = authority.environments.get(run.environment_id, {})
    if not rules.get("frozen_from", "") <= moment(begun) < rules.get("frozen_until", ""):
        return
    if why := why_not(authority, run, run.plan_digest, covers, at=at, skips="freeze"):
        raise LeaseRefused(f"{run.environment_id} is frozen until {rules['frozen_until']}. Break-glass: {why}.")


def why_not(
    authority: Authority, run: Run, plan_digest: str, covers: Covers, *, at: datetime, skips: str = "approval"
) -> str:
    """Why no break-glass lets this run do without its approvals, or through a freeze; empty if one does.

    `covers` judges a grant.
    """
    seen: list[Seen] = []
    why = "no break-glass of this run stands in the log"
    for fact in glass_facts():
        if fact.kind == "break_glass.reviewed":
            _review(authority, seen, fact)
            continue
        problem = _proven(authority, fact)
        earlier = [break_glass.Use(one.at, one.reviewed) for one in seen if one.by == fact.actor]
        when = parse_moment(by_now(fact.at))
        if not problem:
            problem = break_glass.refusal(earlier, when)
            seen.append(Seen(fact, when))
        if fact.facts["run"] == str(run.id) and fact.facts["plan_digest"] == plan_digest:
            why = problem or _holds(authority, fact, covers, at, skips)
            if not why:
                return ""
    return why


def _proven(authority: Authority, fact: Fact) -> str:
    """Why the statement of this event does not prove it, or an empty string."""
    said = statement_of(fact)
    if said.get("type") != break_glass.USED or not break_glass.same(said, fact.facts, NAMED):
        return "its statement is about something else"
    rows = checked(authority, fact.statement, fact.signatures, at=by_now(fact.at), index=fact.index)
    if said.get("by") != fact.actor or fact.actor not in {row.by for row in rows if row.valid}:
        return "no key that counts signed it"
    if not fact.at < said["not_after"] <= moment(parse_moment(fact.at) + break_glass.LIVES + SKEW):
        return "it is good for longer than four hours"
    return ""


def _holds(authority: Authority, fact: Fact, covers: Covers, at: datetime, skips: str) -> str:
    if skips not in fact.facts["skips"]:
        return f"it does not skip the {skips}"
    if moment(at) > fact.facts["not_after"]:
        return f"it ended at {fact.facts['not_after']}"
    for grant in authority.grants.values():
        mine = fact.actor in authority.holders(grant["principal"])
        if "break_glass" in grant["verbs"] and grant["stands"] and mine and covers(grant):
            return ""
    return "no grant that stands by itself gives that permission"


def _review(authority: Authority, seen: list[Seen], fact: Fact) -> None:
    """Mark what a review counts for: signed, by somebody outside the run and the grant."""
    said = statement_of(fact)
    for use in seen:
        grant = authority.grants.get(str(use.fact.facts["grant"]), {})
        rows = checked(authority, fact.statement, fact.signatures, at=by_now(fact.at), index=fact.index)
        proven = said.get("type") == break_glass.REVIEWED and fact.actor in {row.by for row in rows if row.valid}
        barred = break_glass.may_review(
            fact.actor, user=use.by, chain=use.fact.facts["chain"], grantors=grant.get("signers", ())
        )
        if proven and not barred and said.get("use") == use.fact.facts["use"] == fact.facts["use"]:
            use.reviewed = True
