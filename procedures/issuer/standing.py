"""Whether the schedule or hook that asked for a run stands by itself, judged from signed events alone (H13, H40).

A row that somebody wrote into a table gives nothing: the change, its digest, its parameters and its planned moments are
those that people signed, and a delivery in production is verified here again, by the bytes that were delivered. A run
that goes on is judged by the request of the first one, and, where the account asks for it, by what stands now, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from procedures.domain import deliveries, parameters, planned, standing
from procedures.domain.canonical import canon, parse_moment
from procedures.domain.controls import Authority
from procedures.domain.definition import of_json
from procedures.domain.errors import InvalidInput
from procedures.domain.plan import plain
from procedures.evidence.queries import Fact, facts_of_kinds, facts_of_run, outcome_of, requests_by
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import by_now
from procedures.models import Fire, Run

Row = Mapping[str, Any]
MOST_IN_A_ROW = 50


def judge(authority: Authority, run: Run, plan: Row, procedure: str, facts: Sequence[Fact]) -> set[str]:
    """Subjects of everybody behind the schedule or hook that asked; empty where none did. Raises LeaseRefused.

    Any one source that says so is enough: the table, the log, or a fire that the run came of.
    """
    asked = requested(facts)
    if asked is None:
        return set()
    first = first_request(asked)
    said: Row = first.facts.get("standing", {})
    fired = run.of_fire_id is not None or Fire.objects.filter(run=run).exists()
    if not (said or fired or {run.door, asked.facts["door"], first.facts["door"]} & set(standing.KINDS)):
        return set()
    if not said or asked.facts.get("standing") != said:
        raise LeaseRefused("The log names no schedule or hook that asked for this run.")
    row = _stood(authority, said, first)
    _same(row, run, plan, procedure, said, first)
    _nobody_left(authority, row, said, first)
    if asked is not first:
        _goes_on(authority, row, run, said, asked)
    when = parse_moment(by_now(first.at))
    if said["kind"] == standing.HOOK:
        _delivered(authority, row, run, plan, first, when)
    else:
        _planned(row, run, plan, said, when)
    return {subject for subject, _ in standing.behind(row, profile=authority.profile)}


def _goes_on(authority: Authority, row: Row, run: Run, said: Row, asked: Fact) -> None:
    """Nothing else went on with the run before; and what the account asks for by itself it may ask for now."""
    if _gone_on_with(UUID(asked.facts["continues"])) - {run.pk}:
        raise LeaseRefused("Another run went on already with the one that this goes on with.")
    if str(run.requester.subject) == row["account"]:
        _stood(authority, said, asked)
        _nobody_left(authority, row, said, asked)


def _gone_on_with(run: UUID, *, by_itself: bool = False) -> set[UUID]:
    """Runs that went on with this one and began. `by_itself`: those that the portal asked for alone."""
    later = [f for f in facts_of_kinds("run.goes_on") if f.facts["with"] == str(run) and f.run is not None]
    asked = {f.run for f in later if f.facts["by_itself"] or not by_itself}
    return {one for one in asked if one and any(fact.kind == "run.claimed" for fact in facts_of_run(one))}


def requested(facts: Sequence[Fact]) -> Fact | None:
    return next((fact for fact in facts if fact.kind == "run.requested"), None)


def first_request(asked: Fact) -> Fact:
    """The request of the run with which a row of runs that went on began. Raises LeaseRefused."""
    first = asked
    for _ in range(MOST_IN_A_ROW):
        if not (before := first.facts.get("continues")):
            return first
        earlier = requested(facts_of_run(UUID(before)))
        if earlier is None:
            raise LeaseRefused("The log holds no request of the run that this one goes on with.")
        first = earlier
    raise LeaseRefused("Too many runs went on with each other.")


def _stood(authority: Authority, said: Row, asked: Fact) -> Row:
    """What stood when the run was asked for, as signed changes say."""
    called = f"The {said['kind']} {said['name']}"
    row = standing.as_of(authority.standing.get((str(said["kind"]), str(said["name"]))), asked.id)
    if row is None or row["ended"]:
        raise LeaseRefused(f"{called} was set by no change, or had ended.")
    if not row["stands"]:
        raise LeaseRefused(f"{called} is asserted by the platform alone.")
    if row["change"] != said["change"]:
        raise LeaseRefused(f"{called} was another one when this run was asked for.")
    if standing.too_long(row) or row["expires_at"] <= by_now(asked.at):
        raise LeaseRefused(f"{called} stood for longer than it may.")
    turns = facts_of_kinds("standing.paused", "standing.resumed")
    since = [one.kind for one in turns if _about(one, said) and row["event"] < one.id < asked.id]
    if since[-1:] == ["standing.paused"]:
        raise LeaseRefused(f"{called} was paused when this run was asked for.")
    return row


def _about(fact: Fact, said: Row) -> bool:
    return bool((fact.facts["standing"], fact.facts["name"]) == (said["kind"], said["name"]))


def _same(row: Row, run: Run, plan: Row, procedure: str, said: Row, first: Fact) -> None:
    """The run is of the procedure, digest, place and targets that were signed, and the account asked first for it."""
    pinned = (row["procedure"], row["digest"], row["environment"], row["account"])
    asker = str(run.requester.subject) if first.run == run.pk else first.facts["requester"]
    if pinned != (procedure, run.digest, run.environment_id, asker):
        raise LeaseRefused(f"The run is not what the {said['kind']} {said['name']} was signed for.")
    root = {name for batch in plan["batches"] for name in batch}
    if row["targets"] and not root <= set(row["targets"]):
        raise LeaseRefused(f"The plan has targets for which {said['name']} was not signed.")


def _nobody_left(authority: Authority, row: Row, said: Row, asked: Fact) -> None:
    """Whoever set it last, or holds the key that signed, had not left by then; ids are in order of time."""
    holders = {one["key"]: one["holder"] for one in row.get("keys", ())}
    for subject in {row["proposer"], holders.get(said.get("key", ""), "")}:
        if authority.closed.get(subject, asked.id) < asked.id:
            raise LeaseRefused(f"Somebody who stood behind {said['name']} had left when it asked.")


def _planned(row: Row, run: Run, plan: Row, said: Row, when: datetime) -> None:
    if canon(plan["parameters"]) != canon(plain(row["parameters"])):
        raise LeaseRefused(f"The plan has other parameters than the schedule {said['name']} was signed with.")
    if "followed" in said:
        _followed(row, run, said)
        return
    planned_at = parse_moment(said["planned_at"])
    in_time = parse_moment(row["set_at"]) <= planned_at <= when
    if not in_time or not planned.is_planned(row["when"], planned_at):
        raise LeaseRefused(f"The schedule {said['name']} plans nothing at {said['planned_at']}.")


def _followed(row: Row, run: Run, said: Row) -> None:
    """The run that it follows ended as the schedule says, in this environment."""
    facts = facts_of_run(UUID(said["followed"]))
    before = requested(facts)
    fits = before is not None and "after" in row["when"] and not before.facts.get("draft")
    fits = fits and before is not None and before.facts["procedure"] == row["when"]["after"]
    fits = fits and before is not None and before.facts["environment"] == run.environment_id
    fits = fits and not _gone_on_with(UUID(said["followed"]), by_itself=True)  # then it ends with what went on
    if not fits or outcome_of(UUID(said["followed"])) not in row["when"].get("outcomes", ()):
        raise LeaseRefused(f"The schedule {said['name']} does not follow the run {said['followed']}.")


def _delivered(authority: Authority, row: Row, run: Run, plan: Row, first: Fact, when: datetime) -> None:
    """In production the bytes of the delivery are verified again, and mapped again: no door is believed."""
    said: Row = first.facts["standing"]
    if run.environment_id not in authority.production:
        return
    if row["proof"] != standing.ED25519:
        raise LeaseRefused(f"The hook {said['name']} takes deliveries by a key that the portal holds, too.")
    fire = Fire.objects.filter(pk=said["fire"]).first()
    body = bytes(fire.body) if fire is not None else b""
    sent = parse_moment(said["sent_at"])
    delivery = deliveries.Delivery(said["delivery"], sent, said["signatures"], body)
    if delivery.sha256 != said["body_sha256"] or not deliveries.in_time(delivery, when):
        raise LeaseRefused(f"The delivery {said['delivery']} is not the one that was taken, or was late.")
    if not deliveries.signer(delivery, [one["key"] for one in row["keys"]]):
        raise LeaseRefused(f"No key of the hook {said['name']} signed the delivery {said['delivery']}.")
    _taken_once(first, said)
    try:
        given = parameters.resolve(
            of_json(run.version.definition).parameters, deliveries.parameters_of(row["mapping"], body)
        )
    except InvalidInput as problem:
        raise LeaseRefused(f"The delivery {said['delivery']} gives no parameters that fit.") from problem
    if canon(plain(given)) != canon(plan["parameters"]):
        raise LeaseRefused(f"The plan has other parameters than the delivery {said['delivery']} gives.")


def _taken_once(first: Fact, said: Row) -> None:
    """No other run was asked for by the same delivery; what goes on with one is judged by that one."""
    for fact in requests_by(UUID(first.facts["requester"]), within=parse_moment(first.at)):
        other = fact.facts.get("standing", {})
        same = (other.get("name"), other.get("delivery")) == (said["name"], said["delivery"])
        if same and fact.run != first.run and not fact.facts.get("continues"):
            raise LeaseRefused(f"The delivery {said['delivery']} asked for another run already.")
