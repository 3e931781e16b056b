"""The chain of a request (rule 16): everybody who stands behind it, and through what it was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from procedures import access
from procedures.domain.deputies import ROLE
from procedures.domain.software import DELEGATOR
from procedures.models import ChainLink, Exchange, Person, Run
from procedures.queries import deputies, workloads
from procedures.services.portal import profile_in_force


def link(run: Run, actor: Person, more: Sequence[tuple[Person, str]]) -> None:
    """Write down requester, the account's owner, who made token or rule, whom the door names, and their deputies."""
    links = {(actor.pk, "requester"): actor}
    if actor.owner is not None:
        links[(actor.owner.pk, DELEGATOR if actor.kind == Person.Kind.AGENT else "owner")] = actor.owner
    for person, role in [*_makers(actor), *more]:
        links[(person.pk, role)] = person
    behind = {person.pk for person in links.values()}
    for row in deputies.in_force("approve", run.requested_at):
        if row.person_id in behind and row.deputy_id not in behind:
            links[(row.deputy_id, ROLE)] = row.deputy
    ChainLink.objects.bulk_create(ChainLink(run=run, person=p, role=role) for (_, role), p in links.items())


def _makers(actor: Person) -> list[tuple[Person, str]]:
    """Who made the token in use; for a workload who made its rule, in `separate` also who confirmed it."""
    call = access.calling(actor)
    if call is None or call.scope is None:
        return []
    if not call.workload:
        return [(call.scope.maker, "token_maker")]
    rule = Exchange.objects.select_related("rule__made_by", "rule__confirmed_by").get(token=call.scope.token).rule
    confirmed = rule.confirmed_by if profile_in_force() == "separate" else None
    return [(rule.made_by, "rule_maker"), *([(confirmed, "rule_confirmer")] if confirmed else [])]


def told(run: Run) -> list[dict[str, str]]:
    """The chain as the evidence of the request holds it."""
    return [{"by": str(link.person.subject), "role": link.role} for link in run.chain.select_related("person")]


def through(actor: Person) -> dict[str, Any]:
    """Facts about the token that asked, and about the workload that it was given to; empty where none did."""
    call = access.calling(actor)
    if call is None or call.scope is None:
        return {}
    found: dict[str, Any] = {"token": str(call.scope.token)}
    return found | ({"workload": workloads.facts(call.scope.token)} if call.workload else {})
