"""Events read back as facts, in the order of the log."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from procedures.domain.canonical import moment, parse_moment
from procedures.evidence.events import SEALS
from procedures.evidence.models import Event

OWNED = ("person.made", "account.given")  # whose software is, by the platform's word; the second in older logs alone
GIVEN = ("genesis", "bootstrap.granted", "control.confirmed", "membership.synced", "campaign.opened", "person.closed")
QUARTER = timedelta(minutes=15)
AUTHORITY = (*GIVEN, "version.accepted", *OWNED, "stop.thrown")  # an acceptance: the risk that spaces are limited by


@dataclass(frozen=True, slots=True)
class Fact:
    """An event's kind and body. `statement` are the signed bytes, `signatures` their rows, `at` the header's moment.

    `index` is its place in the log, None as long as it is not sequenced; `outcome` how a seal says that its run ended.
    """

    id: str
    kind: str
    actor: str
    facts: Mapping[str, Any]
    statement: bytes | None
    signatures: Sequence[Mapping[str, Any]]
    run: UUID | None = None
    at: str = ""
    index: int | None = None
    outcome: str = ""


def fact(event: Event) -> Fact:
    """Nothing but the header's facts once its run was purged."""
    body = json.loads(bytes(event.body) or b"{}")
    statement = base64.b64decode(body["statement"]) if "statement" in body else None
    header = json.loads(bytes(event.header))
    sigs, index = body.get("sigs", []), event.leaf.index if hasattr(event, "leaf") else None
    actor, at, outcome = body.get("actor", ""), header["at"], header.get("o", "")
    return Fact(str(event.id), event.kind, actor, body, statement, sigs, event.run, at, index, outcome)


UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


def readable(event: Event) -> Fact:
    """The same; one that says nothing where an event has not the form of one, as anybody who writes rows may add."""
    try:
        found = fact(event)
        parse_moment(found.at)  # what is no moment compares with none
    except UNREADABLE:
        index = event.leaf.index if hasattr(event, "leaf") else None
        return Fact(str(event.id), event.kind, "", {}, None, [], event.run, moment(event.at), index)
    return found


def _facts(events: QuerySet[Event]) -> list[Fact]:
    return [fact(event) for event in events.exclude(body=b"").select_related("leaf")]


def one_fact(event: UUID) -> Fact | None:
    row = Event.objects.filter(pk=event).first()
    return None if row is None else fact(row)


def authority_facts(*, before: str = "") -> list[Fact]:
    """Everything that decides authority: sequenced events in the log's order, then those not sequenced yet.

    `before`: only what stands in that order before the event of this id.
    """
    rows = authority_events()
    if before:
        end = _place(Event.objects.select_related("leaf").get(pk=before))
        rows = [event for event in rows if _place(event) < end]
    return [readable(event) for event in rows]


def authority_events() -> list[Event]:
    """The same as events, unread."""
    return sorted(Event.objects.filter(kind__in=AUTHORITY).select_related("leaf"), key=_place)


def mark_of(event: Event) -> bytes:
    """A digest of all that a fact is read from: another byte, or another place in the log, is another mark."""
    return hashlib.sha256(b"%d %d %s %s" % (*_place(event), event.header, event.body)).digest()


def _place(event: Event) -> tuple[int, int]:
    return (0, event.leaf.index) if hasattr(event, "leaf") else (1, event.id.int)


def glass_facts() -> list[Fact]:
    """Uses and reviews of break-glass, in the order in which they were recorded."""
    return facts_of_kinds("break_glass.used", "break_glass.reviewed")


def facts_of_kinds(*kinds: str) -> list[Fact]:
    """Every event of these kinds, in order of time."""
    return _facts(Event.objects.filter(kind__in=kinds).order_by("id"))


def facts_naming(text: str, *kinds: str) -> list[Fact]:
    """Every event of these kinds whose body holds a text, in order of time; only those are read."""
    events = Event.objects.filter(kind__in=kinds).select_related("leaf").order_by("id")
    return [fact(event) for event in events.iterator() if text.encode() in bytes(event.body)]


def facts_of_run(run: UUID) -> list[Fact]:
    return _facts(Event.objects.filter(run=run).order_by("n"))


def version_facts(version: UUID) -> list[Fact]:
    """Submission, reviews and decisions of one version."""
    events = Event.objects.filter(kind__startswith="version.") | Event.objects.filter(
        kind__in=("review.made", "policy.decided")
    )
    return [f for f in _facts(events.order_by("id")) if f.facts.get("version") == str(version)]


def accepted_digests(*, procedure: UUID) -> set[str]:
    """Digests of a procedure that the log says were accepted and not revoked since."""
    events = Event.objects.filter(procedure=procedure, kind__in=("version.accepted", "version.revoked")).order_by("id")
    accepted: set[str] = set()
    for row in _facts(events):
        accepted.add(row.facts["digest"]) if row.kind == "version.accepted" else accepted.discard(row.facts["digest"])
    return accepted


def allowed_actions() -> dict[str, str]:
    """Actions of other packages that the portal may run: id → mark, as confirmed changes say in the log's order."""
    allowed: dict[str, str] = {}
    for one in authority_facts():
        if one.kind != "control.confirmed" or one.facts["control"] != "action":
            continue
        said = one.facts["object"]
        if said["action"] == "set":
            allowed[said["id"]] = said["mark"]
        else:
            allowed.pop(said["id"], None)
    return allowed


def enrolled_runner(runner: UUID, event: UUID | None) -> Mapping[str, Any] | None:
    """What the event that a runner's row names says of it; None if it enrols another one, or none.

    A row of before events were named is looked for in all of them.
    """
    found: Mapping[str, Any] | None = None
    rows = Event.objects.filter(kind__in=("genesis", "control.confirmed")).order_by("id")
    for row in rows.filter(pk=event) if event else rows:
        said = fact(row).facts
        if row.kind == "genesis":
            found = next((one for one in said["runners"] if one["runner"] == str(runner)), found)
        elif said["control"] == "runner" and said["object"]["runner"] == str(runner):
            found = said["object"]
    return found


def draft_authors(version: UUID, digest: str) -> set[str]:
    """Whom the log names as authors of a draft of these bytes; nobody once it was withdrawn."""
    facts = [f for f in version_facts(version) if f.facts.get("digest") == digest]
    if any(f.kind == "version.withdrawn" for f in facts):
        return set()
    return {who for f in facts if f.kind == "version.drafted" for who in f.facts["authors"]}


def stopped_agents() -> set[str]:
    """Subjects of agents that the log says are stopped; `*` is every agent."""
    stopped: set[str] = set()
    for row in _facts(Event.objects.filter(kind__in=("agent.stopped", "agent.started")).order_by("id")):
        (stopped.add if row.kind == "agent.stopped" else stopped.discard)(row.facts["agent"])
    return stopped


def outcome_of(run: UUID) -> str:
    """How a run ended, as the header of its seal says; empty while it goes on."""
    seal = Event.objects.filter(run=run, kind__in=SEALS).first()
    return str(json.loads(bytes(seal.header))["o"]) if seal is not None else ""


def requests_by(requester: UUID, *, within: datetime) -> list[Fact]:
    """Requests of somebody within a quarter of an hour of a moment: longer no delivery is good."""
    near = (within - QUARTER, within + QUARTER)
    return _facts(Event.objects.filter(kind="run.requested", actor=requester, at__range=near).order_by("id"))
