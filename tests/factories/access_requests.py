"""Access requests as people make and answer them."""

from __future__ import annotations

from typing import Any

from procedures.domain.canonical import canon
from procedures.domain.clock import now
from procedures.evidence.models import Event
from procedures.evidence.queries import one_fact
from procedures.models import AccessRequest, ControlChange, Person
from procedures.queries import access_requests as requests
from procedures.services import access_answers, access_requests, controls
from tests.factories.portal import World


def wish(**more: Any) -> access_requests.Wish:
    fields = {"procedure": "hello", "verbs": ["run"], "environments": ["staging"], "days": 30, "reason": "on call"}
    return access_requests.Wish(**{**fields, **more})


def ask(actor: Person, **more: Any) -> AccessRequest:
    return access_requests.ask_for_access(actor=actor, wish=wish(**more), at=now())


def offer(row: AccessRequest, **changes: Any) -> dict[str, Any]:
    return {**requests.asked_of(row).grant(requests.begins(row, now())), **changes}


def answer(world: World, who: Person, row: AccessRequest, object: dict[str, Any] | None = None) -> ControlChange:
    made = object or offer(row)
    statement = canon(controls.statement_for(actor=who, control="grant", object=made))
    signature = world.signed(who.username, statement)
    return access_answers.grant_request(actor=who, request=row.pk, object=made, signature=signature, at=now())[1]


def state(row: AccessRequest) -> str:
    row.refresh_from_db()
    return row.state


def kinds(row: AccessRequest) -> list[str]:
    rows = Event.objects.filter(kind__startswith="access.").order_by("id")
    return [e.kind for e in rows if (fact := one_fact(e.id)) and fact.facts.get("request") == str(row.pk)]


def signed_by(world: World, change: ControlChange, name: str = "nora") -> dict[str, str]:
    return world.signed(name, bytes(change.statement))
