"""Who decides no change, since they gain from it or stand in for somebody: no second person beside the one away."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from procedures.models import ControlChange, Person
from procedures.queries import deciding, deputies
from procedures.services.unit import SecondPersonRequired


class BehindTheRuns(SecondPersonRequired):
    """Whoever has a run erased neither asked for it nor stands behind the request."""

    code = "purge.behind-the-runs"
    next_step = (
        "Two other people who manage access agree to it. Where there are no two others, make somebody an access "
        "manager for as long as it takes: an auditor, say."
    )


def for_nobody_who_gains(actor: Person, control: str, gains: Collection[str], at: datetime) -> None:
    """Nobody gives to themselves; whoever stands in for somebody gives them nothing. Raises SecondPersonRequired."""
    if str(actor.subject) in gains and control == "redaction":
        raise BehindTheRuns("You asked for one of these runs, or stand behind it, so you do not have it erased.")
    if str(actor.subject) in gains:
        raise SecondPersonRequired("Nobody grants to themselves: you would gain from this change.")
    if any(str(one.subject) in gains for one in deputies.stood_in_for(actor, "manage_access", at)):
        raise SecondPersonRequired("You stand in for somebody who would gain from this: another must decide it.")


def beside_nobody_behind(actor: Person, row: ControlChange, at: datetime) -> None:
    """Whoever stands in for a signer is no second person beside them. Raises SecondPersonRequired."""
    signers = set(Person.objects.filter(subject__in=[s["by"] for s in row.signatures]).values_list("pk", flat=True))
    if actor.pk in deputies.stand_ins(signers | {row.proposer_id}, "manage_access", at):
        raise SecondPersonRequired("You stand in for somebody who proposed or confirmed this: another must confirm it.")


def told_for(change: ControlChange, actor: Person, at: datetime) -> dict[str, list[str]]:
    """The part of the evidence that says for whom this was decided too, who could have decided it."""
    away = deputies.stood_in_for(actor, "manage_access", at)
    could = [one for one in away if deciding.may(one, change.control, change.object, at=at).allowed]
    return {"deputy_for": [str(one.subject) for one in could]} if could else {}
