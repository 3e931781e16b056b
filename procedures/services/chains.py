"""The chain of a request (rule 16): everybody who stands behind it, and through what it was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from procedures import access
from procedures.domain.deputies import ROLE
from procedures.domain.software import DELEGATOR
from procedures.models import ChainLink, Person, Run
from procedures.queries import deputies


def link(run: Run, actor: Person, more: Sequence[tuple[Person, str]]) -> None:
    """Write down requester, the account's owner, the token's maker, whom the door names, and their deputies."""
    links = {(actor.pk, "requester"): actor}
    if actor.owner is not None:
        links[(actor.owner.pk, DELEGATOR if actor.kind == Person.Kind.AGENT else "owner")] = actor.owner
    if scope := access.scope_of(actor):
        links[(scope.maker.pk, "token_maker")] = scope.maker
    for person, role in more:
        links[(person.pk, role)] = person
    behind = {person.pk for person in links.values()}
    for row in deputies.in_force("approve", run.requested_at):
        if row.person_id in behind and row.deputy_id not in behind:
            links[(row.deputy_id, ROLE)] = row.deputy
    ChainLink.objects.bulk_create(ChainLink(run=run, person=p, role=role) for (_, role), p in links.items())


def told(run: Run) -> list[dict[str, str]]:
    """The chain as the evidence of the request holds it."""
    return [{"by": str(link.person.subject), "role": link.role} for link in run.chain.select_related("person")]


def through(actor: Person) -> dict[str, Any]:
    """Facts about the token that asked; empty where none did."""
    scope = access.scope_of(actor)
    return {"token": str(scope.token)} if scope else {}
