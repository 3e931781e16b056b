"""The chain of a request (rule 16): everybody who stands behind it, and through what it was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from procedures import access
from procedures.domain.software import DELEGATOR
from procedures.models import ChainLink, Person, Run


def link(run: Run, actor: Person, more: Sequence[tuple[Person, str]]) -> None:
    """Write down requester, the account's owner, the token's maker, and whoever the door names beside them."""
    links = {(actor.pk, "requester"): actor}
    if actor.owner is not None:
        links[(actor.owner.pk, DELEGATOR if actor.kind == Person.Kind.AGENT else "owner")] = actor.owner
    if scope := access.scope_of(actor):
        links[(scope.maker.pk, "token_maker")] = scope.maker
    for person, role in more:
        links[(person.pk, role)] = person
    ChainLink.objects.bulk_create(ChainLink(run=run, person=p, role=role) for (_, role), p in links.items())


def told(run: Run) -> list[dict[str, str]]:
    """The chain as the evidence of the request holds it."""
    return [{"by": str(link.person.subject), "role": link.role} for link in run.chain.select_related("person")]


def through(actor: Person) -> dict[str, Any]:
    """Facts about the token that asked; empty where none did."""
    scope = access.scope_of(actor)
    return {"token": str(scope.token)} if scope else {}
