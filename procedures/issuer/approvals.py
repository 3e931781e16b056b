"""Whether a run has the approvals that it needs: its own, once those of the run that it goes on with, or ahead ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from procedures.domain.controls import Authority, Signature
from procedures.domain.profiles import approvals_missing, approvals_union
from procedures.domain.software import with_a_person
from procedures.domain.statements import strong_enough
from procedures.evidence.queries import Fact, authority_facts
from procedures.issuer import ahead, going_on
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import by_now, checked, replay, statement_of
from procedures.models import Run


def approvals_of(
    authority: Authority,
    run: Run,
    plan: Mapping[str, Any],
    risk: str,
    facts: list[Fact],
    more: Mapping[str, int],
    *,
    at: datetime,
    software: bool,
    behind: Collection[str],
) -> tuple[str, ...]:
    """Subjects of those who approved this run. Raises LeaseRefused. `at`: when a runner last took it.

    `behind` are those who stand behind the schedule or hook that asked, as signed changes name them.
    """
    needed = _needed(authority, run, risk, more, software=software)
    chain = _chain(authority, facts, behind)
    given = _given(authority, run, facts, chain, needed=bool(needed))
    if approvals_missing(needed, given) and (earlier := going_on.approved_before(run, plan, facts, at=at)):
        chain |= _chain(authority, earlier.facts, behind)
        carried = _given(authority, earlier.run, earlier.facts, chain, needed=True)
        given |= {who: duties for who, duties in carried.items() if who in earlier.carried}
    why = ""
    if approvals_missing(needed, given):
        let_go, why = ahead.approved_ahead(authority, run, plan, risk, facts, chain, at=at)
        given |= {who: duties for who, duties in let_go.items() if who not in given}
    lacking = approvals_missing(needed, given)
    if lacking:
        told = ", ".join(f"{n} × {duty}" for duty, n in lacking.items())
        raise LeaseRefused(f"Approvals are missing: {told}.{f' Approved ahead: {why}.' if why else ''}")
    return tuple(sorted(given))


def _needed(authority: Authority, run: Run, risk: str, more: Mapping[str, int], *, software: bool) -> dict[str, int]:
    rules = authority.environments.get(run.environment_id)
    if rules is None:
        raise LeaseRefused(f"The log knows no environment {run.environment_id}.")
    needed = dict(rules["approvals"].get(risk, {}))
    if authority.profile == "pair" and risk == "high" and not needed:
        needed = {"operations": 1}
    needed = with_a_person(needed, production=run.environment_id in authority.production, software=software)
    return approvals_union(needed, more)


def _chain(authority: Authority, facts: Sequence[Fact], behind: Collection[str]) -> set[str]:
    """Everybody behind a request, as the log tells of it: none of them approves."""
    requested = next(f for f in facts if f.kind == "run.requested")
    chain = {link["by"] for link in requested.facts["chain"]} | {requested.facts["requester"], *behind}
    chain |= {fact.actor for fact in facts if fact.kind == "run.answered" and fact.actor}
    return chain | {owner for who in chain for owner in authority.behind(who)}


def _given(
    authority: Authority, run: Run, facts: Sequence[Fact], chain: set[str], *, needed: bool
) -> dict[str, list[str]]:
    """Who approved this run's plan, and the duties that they held at the request and hold now (H26)."""
    requested = next(f for f in facts if f.kind == "run.requested")
    then = replay(authority_facts(before=requested.id)) if needed else authority
    rules, given = authority.environments[run.environment_id], {}
    for fact in facts:
        if fact.kind != "run.approved" or fact.facts["gate"]:
            continue
        statement = statement_of(fact)
        same = statement.get("run") == str(run.id) and statement.get("plan_digest") == run.plan_digest
        if not same or statement.get("verdict") != "approve" or fact.actor in chain | authority.owners.keys():
            continue
        if after_leaving(authority, fact):
            continue
        when = by_now(fact.at) if run.environment_id in authority.production else None
        rows = checked(authority, fact.statement, fact.signatures, at=when, index=fact.index)
        strength = _strength(rows, fact.actor)
        if strong_enough(strength, rules["min_strength"]):
            held = authority.duties_of(fact.actor) & then.duties_of(fact.actor)
            given[fact.actor] = [duty for duty in fact.facts["duties"] if duty in held]
    return given


def after_leaving(authority: Authority, fact: Fact) -> bool:
    """Whether a decision was written down after its person had left; ids are in order of time."""
    return fact.actor in authority.closed and fact.id > authority.closed[fact.actor]


def _strength(rows: Sequence[Signature], approver: str) -> str:
    """What the approver's rows support: `signed` if a signature holds, else at most what the portal alone can say."""
    own = [row for row in rows if row.by == approver]
    if any(row.valid for row in own):
        return "signed"
    return "totp" if any(row.strength == "totp" for row in own) else "session"
