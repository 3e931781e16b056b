"""The issuer's own replay of the events that decide authority (rule 14): what stands, and what is only asserted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from datetime import datetime
from typing import Any

import structlog

from procedures.domain import campaigns, providers, standing, stops
from procedures.domain.canonical import NotCanonical, moment, parse, sha256_hex
from procedures.domain.clock import now
from procedures.domain.controls import Authority, Signature, Verdict, judge
from procedures.domain.effects import apply, close, counts_from, end_key, own
from procedures.domain.gains import gains_from
from procedures.domain.managers import deciders, managers
from procedures.domain.signatures import signer
from procedures.domain.statements import BadSignature
from procedures.evidence.queries import OWNED, UNREADABLE, Fact, authority_events, mark_of, readable
from procedures.issuer.formless import WHY, of_no_form

log = structlog.get_logger(__name__)


def replay(facts: Sequence[Fact] | None = None, *, at: datetime | None = None) -> Authority:
    """Fold genesis, the bootstrap grant, confirmed control changes, owners and leavers, in the order of the log.

    What a campaign's date ends has ended `at` that moment, which is now unless said.
    """
    authority = _known.of_today() if facts is None else folded(Authority(), facts)
    campaigns.lapse_due(authority, moment(at or now()))
    return authority


def folded(authority: Authority, facts: Sequence[Fact]) -> Authority:
    """Fold these events into what stands before them; the former object is used up. One of no form is asserted."""
    if not facts:
        return authority
    before = deepcopy(authority)
    try:
        for fact in facts:
            _fold(authority, fact)
    except UNREADABLE:
        return _one_by_one(before, facts)
    return authority


def _one_by_one(authority: Authority, facts: Sequence[Fact]) -> Authority:
    for fact in facts:
        before = deepcopy(authority)
        try:
            _fold(authority, fact)
        except UNREADABLE as problem:
            if not of_no_form(fact, signed=_signed(before, fact)):
                raise
            log.warning("replay.of-no-form", id=fact.id, kind=fact.kind, problem=repr(problem))
            authority = before
            authority.asserted[fact.id] = WHY
    return authority


def _signed(authority: Authority, fact: Fact) -> bool:
    """Whether anybody signed just what a change says."""
    try:
        return any(row.valid for row in _signatures(authority, fact))
    except UNREADABLE:
        return False


def _fold(authority: Authority, fact: Fact) -> None:
    authority.latest = max(authority.latest, fact.at)
    campaigns.lapse_due(authority, by_now(fact.at))
    if fact.kind == "genesis":
        _genesis(authority, fact.facts)
    elif fact.kind == "bootstrap.granted":
        _bootstrap(authority, fact)
    elif fact.kind == "control.confirmed":
        _control(authority, fact)
    elif fact.kind == "membership.synced":
        providers.fold(authority, fact.facts)
    elif fact.kind == "version.accepted":
        authority.risks[str(fact.facts.get("procedure"))] = str(fact.facts["risk"])
    elif fact.kind == "person.closed":
        close(authority, fact.facts["subject"], id=fact.id, index=fact.index)
    elif fact.kind in OWNED and fact.facts.get("owner"):
        own(authority, fact.facts["subject"], fact.facts["owner"])
    else:
        _further(authority, fact)


class _Known:
    """What was folded last time, so that a run over many hosts judges each event once and not once for every host.

    It goes on from there only where not a byte of what was folded, and no place in the log, is another now. What is
    dated ahead is folded anew each time: how it counts depends on the moment.
    """

    def __init__(self) -> None:
        self._kept: tuple[list[bytes], Authority] = ([], Authority())

    def of_today(self) -> Authority:
        events = authority_events()
        marks = [mark_of(event) for event in events]
        done, authority = self._kept
        if marks[: len(done)] != done:
            done, authority = [], Authority()
        authority = deepcopy(authority)
        new = [readable(event) for event in events[len(done) :]]
        today = moment(now())
        ahead = next((place for place, fact in enumerate(new) if fact.at > today), len(new))
        if ahead:
            authority = folded(authority, new[:ahead])
            self._kept = (marks[: len(done) + ahead], deepcopy(authority))
        return folded(authority, new[ahead:])


_known = _Known()


def _further(authority: Authority, fact: Fact) -> None:
    """What a campaign is about, and switches that were thrown."""
    if fact.kind == "campaign.opened":
        campaigns.opened(authority, fact.facts)
    elif fact.kind == "stop.thrown":
        stops.thrown(authority.stops, fact.facts, fact.actor)


def _genesis(authority: Authority, facts: Mapping[str, Any]) -> None:
    if authority.environments:
        return
    authority.profile = facts["profile"]
    for environment in facts["environments"]:
        authority.environments[environment["name"]] = dict(environment)
        if environment["production"]:
            authority.production.add(environment["name"])
    authority.runners = {str(row["runner"]): {**row, "stands": True} for row in facts["runners"]}


def _bootstrap(authority: Authority, fact: Fact) -> None:
    """The only grant without a second person; a second such event is an attempt, and counts for nothing."""
    if any(grant.get("bootstrap") for grant in authority.grants.values()):
        authority.asserted[fact.id] = "a second bootstrap grant"
        return
    grant = {
        "principal": f"person:{fact.facts['subject']}",
        "verbs": fact.facts["verbs"],
        "environments": [],
        "expires_at": fact.facts["expires_at"],
        "not_before": fact.facts["at"],
        "bootstrap": True,
        "stands": True,
    }
    authority.grants[fact.facts["grant"]] = grant
    for duty in fact.facts.get("duties", []):
        authority.duties.setdefault(duty, set()).add(grant["principal"])
    for key in fact.facts.get("keys", []):
        authority.keyed.add(key["subject"])
        authority.keys[key["fingerprint"]] = {"subject": key["subject"], "public": key["public"]}


def _control(authority: Authority, fact: Fact) -> None:
    control, object = fact.facts["control"], fact.facts["object"]
    verdict = _once(authority, fact, judged(authority, fact))
    if not verdict.stands:
        authority.asserted[fact.id] = verdict.why
    if control == "key":
        own = any(s.valid and s.by == object["subject"] for s in _signatures(authority, fact))
        keyed = object["subject"] in authority.keyed
        object = {**object, "counts_from": counts_from(authority.latest, keyed=keyed, by_older_key=own)}
    if control == "key_end" and verdict.stands:
        end_key(authority, object["fingerprint"], index=fact.index)
    if control == "environment" and "frozen_until" in object:
        before, at = authority.environments.get(object["name"], {}), by_now(fact.at)
        begun = before["frozen_from"] if before.get("frozen_until", "") > at else at
        object = {**object, "frozen_from": begun}
    if control == "grant":
        object = {**object, "signers": sorted({str(row["by"]) for row in fact.signatures})}
        if not object["environments"] and not authority.production:
            object["everywhere"] = judged(authority, fact, production={"any"}).stands
    if control in standing.CONTROLS:
        object = {**object, **_made(fact)}
    apply(authority, control, object, id=fact.facts["change"], stands=verdict.stands)


def _once(authority: Authority, fact: Fact, verdict: Verdict) -> Verdict:
    """What people signed changes something once: the same words in a later event bring nothing back that had ended."""
    if not verdict.stands or not fact.statement:
        return verdict
    mark = sha256_hex(fact.statement)
    if mark in authority.spent:
        return Verdict(False, "its statement stands in the log before")
    authority.spent.add(mark)
    return verdict


def _made(fact: Fact) -> dict[str, Any]:
    """By whom and when a schedule or hook was set: its proposer, who signed so, stands behind all that it asks for."""
    proposer = str(statement_of(fact).get("proposer", fact.actor))
    confirmers = sorted({str(row["by"]) for row in fact.signatures} - {proposer})
    return {"proposer": proposer, "confirmers": confirmers, "set_at": by_now(fact.at), "event": fact.id}


def judged(authority: Authority, fact: Fact, *, production: Collection[str] | None = None) -> Verdict:
    """Whether a control event stands, given the authority built so far; `production`: were these production."""
    control, object = fact.facts["control"], fact.facts["object"]
    at = by_now(max(authority.latest, fact.at))  # dated back, it is judged as of what stands before it
    return judge(
        control,
        object,
        _signatures(authority, fact),
        profile=authority.profile,
        production=authority.production if production is None else production,
        gains=gains_from(control, object, authority, at=at),
        managers=managers(authority, control, object, at=at),
        longest=authority.terms,
        deciders=deciders(authority, control, object, at=at) if control in standing.KINDS else None,
    )


def _signatures(authority: Authority, fact: Fact) -> list[Signature]:
    """The signature rows of a control event, none of them if its statement is over something else."""
    if not _says(fact, fact.facts["control"], fact.facts["object"]):
        return []
    return checked(authority, fact.statement, fact.signatures, at=by_now(fact.at))


def by_now(at: str) -> str:
    """When an event says that it happened, but no later than now: a date ahead of its time gives nothing."""
    return min(at, moment(now()))


def _says(fact: Fact, control: str, object: Mapping[str, Any]) -> bool:
    """Whether the signed statement is over this very object, and not a signature moved from elsewhere."""
    try:
        statement = parse(fact.statement or b"")
    except NotCanonical:
        return False
    return (
        isinstance(statement, dict)
        and statement.get("type") == "opsportal/control/v1"
        and statement.get("control") == control
        and statement.get("object") == object
    )


def checked(
    authority: Authority,
    statement: bytes | None,
    rows: Sequence[Mapping[str, Any]],
    *,
    at: str | None,
    index: int | None = None,
) -> list[Signature]:
    """Each signature row with `valid` set only if it verifies with a key enrolled for that very person by then.

    `at`: when it was signed, if it is for production, where a key that replaces a lost one does not count yet (H1).
    `index`: its place in the log; a key that was ended still proves what stands before its end.
    """
    found = []
    keys = _keys_by(authority, index)
    for row in rows:
        try:
            mark = signer(row, statement or b"", keys) if statement else ""
            valid = bool(mark) and (at is None or keys[mark].get("counts_from", "") <= at)
        except BadSignature:
            valid = False
        found.append(
            Signature(str(row["by"]), str(row["strength"]), str(row.get("role", "")), str(row.get("key", "")), valid)
        )
    return found


def _keys_by(authority: Authority, index: int | None) -> Mapping[str, Mapping[str, Any]]:
    """The living keys, and those whose end stands later in the log than this place; what is not logged is latest."""
    if index is None or not authority.ended_keys:
        return authority.keys
    ended = authority.ended_keys.items()
    return authority.keys | {mark: key for mark, key in ended if key["ended"] is None or index < key["ended"]}


def statement_of(fact: Fact) -> dict[str, Any]:
    """The parsed statement of an event, or an empty mapping."""
    try:
        value = parse(fact.statement or b"")
    except NotCanonical:
        return {}
    return value if isinstance(value, dict) else {}
