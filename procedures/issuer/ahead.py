"""Whether what was approved ahead lets a run of a schedule go, judged and counted from the log alone (H24).

A row in a table gives nothing, and neither does a count in one: the signed statement names what is approved and how
often, and each use is an event, counted by the statement's own nonce in the order of the log.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from procedures.domain import ahead, standing
from procedures.domain.canonical import canon, moment, parse_moment
from procedures.domain.controls import Authority
from procedures.domain.plan import plain
from procedures.evidence.queries import Fact, authority_facts, facts_naming, one_fact
from procedures.issuer.replay import by_now, checked, replay, statement_of
from procedures.models import Run

SKEW = timedelta(minutes=1)


def approved_ahead(
    authority: Authority,
    run: Run,
    plan: Mapping[str, Any],
    risk: str,
    facts: Sequence[Fact],
    chain: Collection[str],
    *,
    at: datetime,
) -> tuple[dict[str, list[str]], str]:
    """(duties by approver, why one does not count). A run that has begun is judged as of then: it goes on."""
    uses = [fact for fact in facts if fact.kind == ahead.USED]
    if not uses:
        return {}, ""
    asked = next(fact for fact in facts if fact.kind == "run.requested")
    rules = authority.environments[run.environment_id]
    if not ahead.allowed(rules, risk):
        return {}, f"the rules of {run.environment_id} let none be given ahead at {risk} risk"
    claim = next((fact for fact in facts if fact.kind == "run.claimed"), None)
    begun, when = (claim.id, parse_moment(by_now(claim.at))) if claim else ("~", at)
    found, why = {}, ""
    for use in uses:
        fact = one_fact(UUID(use.facts["given"]))
        problem = _why_not(authority, run, plan, asked, use, fact, begun, when)
        if fact is None or problem:
            why = problem
        elif fact.actor in {*chain, *authority.owners}:
            why = "its approver stands behind the run"
        elif not (duties := _duties(authority, asked, fact)):
            why = "its approver lost the duty"
        else:
            found[fact.actor] = duties
    return found, why


def _why_not(
    authority: Authority,
    run: Run,
    plan: Mapping[str, Any],
    asked: Fact,
    use: Fact,
    fact: Fact | None,
    begun: str,
    at: datetime,
) -> str:
    """Why this approval is not of this run, or does not count; empty if it does. `begun`: the event of the claim."""
    if fact is None or fact.kind != ahead.GIVEN:
        return "the log holds no such approval"
    said = statement_of(fact)
    if said.get("type") != ahead.TYPE or said.get("nonce") != use.facts["ahead"] or said.get("approver") != fact.actor:
        return "its statement is about something else"
    when = by_now(fact.at) if run.environment_id in authority.production else None
    rows = checked(authority, fact.statement, fact.signatures, at=when, index=fact.index)
    if fact.actor not in {row.by for row in rows if row.valid}:
        return "no key that counts signed it"
    if authority.closed.get(fact.actor, "~") < begun:
        return "its approver has left"
    return (
        _of_this_schedule(authority, run, plan, asked, said)
        or _stands(authority, asked, fact, said, begun, at)
        or ("" if ahead.work_digest(plan) == said["plan"] else "it is of another plan")
        or _counted(run, said)
    )


def _of_this_schedule(
    authority: Authority, run: Run, plan: Mapping[str, Any], asked: Fact, said: Mapping[str, Any]
) -> str:
    """The run is what this schedule, by this very change, asks for by its account."""
    named = asked.facts.get("standing", {})
    if named.get("kind") != standing.SCHEDULE or (named["name"], named["change"]) != (said["schedule"], said["change"]):
        return "it is of another schedule, or of another setting of it"
    account = str(run.requester.subject)
    same = (said["digest"], said["environment"], said["account"]) == (run.digest, run.environment_id, account)
    if not same or said["procedure"] != plan["procedure"]:
        return "it is of another version, place or account"
    return "" if canon(said["parameters"]) == canon(plain(plan["parameters"])) else "it is of other parameters"


def _stands(authority: Authority, asked: Fact, fact: Fact, said: Mapping[str, Any], begun: str, at: datetime) -> str:
    """It was given for a time that it may be given for, that time is not over, and nobody had ended it by the claim."""
    key = (standing.SCHEDULE, said["schedule"])
    row = standing.as_of(authority.standing.get(key), begun)
    if row is None or row["ended"] or row["change"] != said["change"]:
        return "the schedule had been set anew, or had ended"
    longest = ahead.latest(parse_moment(fact.at) + SKEW, parse_moment(row["expires_at"]))
    if said["not_after"] > moment(longest) or not asked.id > fact.id > row["event"]:
        return "it was given for too long, or for what was asked for before"
    if moment(at) > said["not_after"]:
        return f"it ended at {said['not_after']}"
    ends = facts_naming(said["nonce"], ahead.TAKEN_BACK)
    if any(one.facts["ahead"] == said["nonce"] and one.id < begun for one in ends):
        return "it had been taken back"
    turns = facts_naming(said["schedule"], "standing.paused", "standing.resumed")
    since = [one for one in turns if row["event"] < one.id < begun]
    turned = [one.kind for one in since if (one.facts["standing"], one.facts["name"]) == key]
    return "the schedule was paused" if turned[-1:] == ["standing.paused"] else ""


def _counted(run: Run, said: Mapping[str, Any]) -> str:
    """This run is among as many as were signed for, in the order of the log; what it does not hold yet comes last."""
    uses = [one for one in facts_naming(said["nonce"], ahead.USED) if one.facts["ahead"] == said["nonce"]]
    uses.sort(key=lambda one: (one.index is None, one.index or 0, one.id))
    runs = list(dict.fromkeys(one.run for one in uses))
    if not said["runs"] or type(said["runs"]) is not int or said["runs"] > ahead.MOST_RUNS:
        return "it is for no number of runs"
    return "" if run.pk in runs[: said["runs"]] else f"it was used up: {said['runs']} runs"


def _duties(authority: Authority, asked: Fact, fact: Fact) -> list[str]:
    """Duties that the approver held when it was given, when the run was asked for, and holds now (H26)."""
    given, then = (replay(authority_facts(before=event)) for event in (fact.id, asked.id))
    held = authority.duties_of(fact.actor) & then.duties_of(fact.actor) & given.duties_of(fact.actor)
    return [duty for duty in fact.facts["duties"] if duty in held]
