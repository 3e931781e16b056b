"""Changes of what decides authority: proposed, confirmed by the people that the profile names, then in force."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from procedures.domain import control_shapes, controls, standing, statements
from procedures.domain.canonical import canon
from procedures.domain.errors import NotAllowed, NotFound
from procedures.domain.workloads import CONTROLS
from procedures.evidence.record import record
from procedures.models import ControlChange, Person
from procedures.queries import deciding
from procedures.services import (
    campaign_effects,
    control_checks,
    control_deputies,
    control_effects,
    control_ends,
    request_states,
    spaces,
    telling,
)
from procedures.services.control_ends import NothingToConfirm
from procedures.services.control_gains import who_gains
from procedures.services.control_weight import minimum_strength, production_names
from procedures.services.portal import profile_in_force
from procedures.services.signing import Decided, decided
from procedures.services.target_changes import confirmers_for_many
from procedures.services.unit import SecondPersonRequired, thing

CHANGEABLE = (  # what these name may have changed since
    *("grant", "membership", "duty", "agent", "service_account", "source", "runner"),
    *(*CONTROLS, *standing.CONTROLS),
)


def statement_for(*, actor: Person, control: str, object: Mapping[str, Any]) -> dict[str, Any]:
    """A fresh statement over a control change, for `actor` to sign as its proposer. Raises InvalidInput."""
    control_shapes.check(control, object)
    return statements.control_statement(
        control=control,
        object=object,
        proposer=actor.subject,
        portal=settings.OPSPORTAL_PUBLIC_URL,
        fresh=statements.nonce(),
    )


def require_sound(control: str, object: Mapping[str, Any]) -> None:
    """Raise InvalidInput, with a pointer per problem, for what could not be proposed whoever signed it."""
    control_shapes.check(control, object)
    control_checks.check(control, object)


@thing
def propose(
    *,
    actor: Person,
    control: str,
    object: Mapping[str, Any],
    signature: Mapping[str, Any] | None,
    at: datetime,
    bearer: bool = False,
) -> ControlChange:
    """Propose a change; it takes effect at once where one person suffices, else it waits for its confirmer.

    Raises NotAllowed, SecondPersonRequired, TooWeak, BadSignature, StatementMismatch, InvalidInput.
    """
    return put_forward(actor=actor, control=control, object=object, signature=signature, at=at, bearer=bearer)


def put_forward(
    *,
    actor: Person,
    control: str,
    object: Mapping[str, Any],
    signature: Mapping[str, Any] | None,
    at: datetime,
    bearer: bool = False,
) -> ControlChange:
    """`propose` as a part of something else that happens, in its transaction."""
    require_sound(control, object)
    spaces.hold(control)
    gains = who_gains(control, object, at=at)
    if control == "key":
        if gains != {str(actor.subject)}:
            raise NotAllowed("A key is enrolled by the person whose key it is.")
    else:
        deciding.require(actor, control, object, at=at, proposes=True)
        control_deputies.for_nobody_who_gains(actor, control, gains, at)
    expected = statement_for(actor=actor, control=control, object=object)
    minimum = "session" if control == "key" else minimum_strength(control, object)
    production = production_names()
    decision = decided(
        actor,
        expected,
        signature,
        minimum=minimum,
        at=at,
        bearer=bearer,
        role="proposer",
        production=controls.touches_production(control, object, production),
    )
    control_checks.require_fresh(decision.statement, actor)
    change = ControlChange.objects.create(
        control=control,
        object=dict(object),
        proposer=actor,
        statement=decision.statement,
        signatures=[decision.signature],
        proposed_at=at,
        production=controls.touches_production(control, object, production),
    )
    by_older_key = control == "key" and decision.strength == "signed"  # decisions.md, 19
    if by_older_key or _needed(change, gains, at) == 0:
        return put_in_force(change, actor, gains, at)
    record(
        "control.proposed",
        actor=actor.subject,
        at=at,
        statement=decision.statement,
        signatures=change.signatures,
        facts=_facts(change, gains),
    )
    telling.change_waits(change, gains, at=at)
    return change


@thing
def confirm(
    *, actor: Person, change: UUID, signature: Mapping[str, Any] | None, at: datetime, bearer: bool = False
) -> ControlChange:
    """Confirm a proposed change as a further person; the last one needed puts it in force."""
    row = ControlChange.objects.select_for_update().filter(pk=change).first()
    if row is None:
        raise NotFound("There is no such proposed change.")
    if row.state != ControlChange.State.PROPOSED:
        raise NothingToConfirm(f"This change is already {row.state}.")
    if row.control in CHANGEABLE:
        spaces.hold(row.control)
        control_checks.check(row.control, row.object)
    gains = who_gains(row.control, row.object, at=at)
    deciding.require(actor, row.control, row.object, at=at)
    if actor.pk == row.proposer_id or any(s["by"] == str(actor.subject) for s in row.signatures):
        raise SecondPersonRequired("You proposed or confirmed this change already: another person must confirm it.")
    control_deputies.for_nobody_who_gains(actor, row.control, gains, at)
    control_deputies.beside_nobody_behind(actor, row, at)
    _still_stands_behind(row, gains, at)
    decision = _decision(actor, row, signature, at=at, bearer=bearer)
    row.signatures = [*row.signatures, decision.signature]
    row.confirmer = actor
    row.save(update_fields=["signatures", "confirmer"])
    if len(row.signatures) - 1 >= _needed(row, gains, at):
        return put_in_force(row, actor, gains, at)
    record(
        "control.proposed",
        actor=actor.subject,
        at=at,
        statement=bytes(row.statement),
        signatures=row.signatures,
        facts=_facts(row, gains),
    )
    telling.change_waits(row, gains, at=at)
    return row


@thing
def refuse(*, actor: Person, change: UUID, reason: str, at: datetime, bearer: bool = False) -> ControlChange:
    """Refuse a proposed change; its proposer may withdraw it the same way.

    Never by a bearer token: what is refused may be the end of a grant or key that was stolen (H20).
    """
    if bearer:
        raise NotAllowed("A bearer token decides nothing: sign in for that.")
    row = ControlChange.objects.select_for_update().filter(pk=change).first()
    if row is None:
        raise NotFound("There is no such proposed change.")
    if row.proposer_id != actor.pk:
        deciding.require(actor, row.control, row.object, at=at)
    if row.state != ControlChange.State.PROPOSED:
        raise NothingToConfirm(f"This change is already {row.state}.")
    control_ends.turn_down(row, actor=actor, reason=reason, at=at)
    request_states.change_refused(row, actor=actor, reason=reason[:2000], at=at)
    campaign_effects.change_refused(row)
    return row


def propose_for(*, proposer: Person, control: str, object: Mapping[str, Any], at: datetime) -> ControlChange:
    """What a system account proposes, unsigned: it always waits, for as many people as a person's would and one more.

    Call inside a transaction.
    """
    production = production_names()
    change = ControlChange.objects.create(
        control=control,
        object=dict(object),
        proposer=proposer,
        statement=canon(statement_for(actor=proposer, control=control, object=object)),
        proposed_at=at,
        production=controls.touches_production(control, object, production),
    )
    facts = _facts(change, who_gains(control, object))
    record("control.proposed", actor=proposer.subject, at=at, statement=bytes(change.statement), facts=facts)
    return change


def withdraw_for(row: ControlChange, *, proposer: Person, role: str, at: datetime) -> None:
    """A system account takes back what it proposed; `role` marks the change so. Call inside a transaction."""
    mark = {"by": str(proposer.subject), "strength": "session", "role": role}
    moved = ControlChange.objects.filter(pk=row.pk, state=ControlChange.State.PROPOSED)
    if moved.update(state=ControlChange.State.REFUSED, decided_at=at, signatures=[*row.signatures, mark]):
        facts = {"control": row.control, "change": str(row.pk), "reason": "no longer asked for"}
        record("control.refused", actor=proposer.subject, at=at, facts=facts)


def _decision(
    actor: Person, row: ControlChange, signature: Mapping[str, Any] | None, *, at: datetime, bearer: bool
) -> Decided:
    expected = statements.control_statement(
        control=row.control,
        object=row.object,
        proposer=row.proposer.subject,
        portal=settings.OPSPORTAL_PUBLIC_URL,
        fresh="",
    )
    decision = decided(
        actor,
        expected,
        signature,
        minimum=minimum_strength(row.control, row.object),
        at=at,
        bearer=bearer,
        role="confirmer",
        production=controls.touches_production(row.control, row.object, production_names()),
    )
    if decision.strength == "signed" and decision.statement != bytes(row.statement):
        raise statements.StatementMismatch("You signed another statement than the one that was proposed.")
    return Decided(bytes(row.statement), decision.signature)


def _still_stands_behind(row: ControlChange, gains: Collection[str], at: datetime) -> None:
    """Whoever signed before may still decide this, and does not gain from it by now. Raises NotAllowed."""
    if row.control == "key":
        return
    signers = Person.objects.filter(subject__in=[s["by"] for s in row.signatures])
    for one in signers:
        if str(one.subject) in gains:
            raise SecondPersonRequired(f"{one.username} signed this and would gain from it by now: propose it anew.")
        deciding.require(one, row.control, row.object, at=at, proposes=one.pk == row.proposer_id)


def _needed(change: ControlChange, gains: Collection[str], at: datetime) -> int:
    needed = controls.confirmers_needed(
        change.control, profile=profile_in_force(), production=change.production, somebody_gains=bool(gains)
    )
    return max(needed, confirmers_for_many(change, at))


def _facts(change: ControlChange, gains: Collection[str]) -> dict[str, Any]:
    return {
        "control": change.control,
        "change": str(change.pk),
        "object": change.object,
        "production": change.production,
        "profile": profile_in_force(),
        "gains": sorted(gains),
        "confirmers": [s["by"] for s in change.signatures if s["role"] == "confirmer"],
    }


def put_in_force(change: ControlChange, actor: Person, gains: Collection[str], at: datetime) -> ControlChange:
    """Record a change as confirmed and carry it out, inside a transaction; whoever calls has judged it."""
    facts = _facts(change, gains) | control_deputies.told_for(change, actor, at)
    event = record(
        "control.confirmed",
        actor=actor.subject,
        at=at,
        statement=bytes(change.statement),
        signatures=change.signatures,
        facts=facts,
    )
    control_effects.apply(change, at=at, event=event.id)
    change.state, change.decided_at = ControlChange.State.CONFIRMED, at
    change.save(update_fields=["state", "decided_at"])
    request_states.change_confirmed(change, actor=actor, at=at)
    campaign_effects.change_confirmed(change, at=at)
    telling.change_in_force(change, actor, at=at)
    return change
