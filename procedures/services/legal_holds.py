"""Legal holds: placed by one access manager, ended by two; meanwhile nothing that they cover is erased."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from procedures import access
from procedures.domain.canonical import parse_moment
from procedures.domain.errors import IllegalState
from procedures.models import ControlChange, LegalHold, Person, Procedure, Run
from procedures.queries import legal_holds


class UnderHold(IllegalState):
    """Somebody may still ask for this, so it stays."""

    code = "evidence.under-legal-hold"
    next_step = "Ask whoever placed the hold; two access managers end it: `opsportal evidence release`."


def problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a hold may not say: it names what is there, and a period that has a beginning before its end."""
    found = []
    if "run" in object and not Run.objects.filter(pk=object["run"]).exists():
        found.append(("/object/run", "there is no such run"))
    if "subject" in object and not Person.objects.filter(subject=object["subject"]).exists():
        found.append(("/object/subject", "there is no such person"))
    if "from" in object and object.get("until", object["from"]) < object["from"]:
        found.append(("/object/until", "lies before the beginning"))
    return found + [(f"/object/{name}", "is no moment") for name in ("from", "until") if not _moment(object, name)]


def _moment(object: Mapping[str, Any], name: str) -> bool:
    try:
        return name not in object or bool(parse_moment(object[name]))
    except ValueError:
        return False


def end_problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    lives = LegalHold.objects.filter(pk=object["hold"], ended_at__isnull=True).exists()
    return [] if lives else [("/object/hold", "there is no such live hold")]


def place(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    """From this instant nothing that it covers is erased."""
    LegalHold.objects.create(
        id=change.pk,
        run_id=object.get("run"),
        procedure=Procedure.objects.get(name=object["procedure"]) if "procedure" in object else None,
        subject=object.get("subject"),
        from_at=parse_moment(object["from"]) if "from" in object else None,
        until_at=parse_moment(object["until"]) if "until" in object else None,
        basis=object["basis"],
        requested_by=object["requested_by"],
        placed_by=change.proposer,
        placed_at=at,
    )


def end(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    by = change.confirmer or change.proposer
    LegalHold.objects.filter(pk=object["hold"], ended_at__isnull=True).update(ended_at=at, ended_by=by)


def register(*, actor: Person, at: datetime) -> tuple[list[LegalHold], list[LegalHold]]:
    """(live holds, those that ended last), for auditors and access managers. Raises NotAllowed."""
    if not access.decide(actor, "audit", at=at).allowed:
        access.require(actor, "manage_access", at=at)
    return legal_holds.live(), legal_holds.past()


def said(holds: Sequence[LegalHold]) -> str:
    """Why something stays, for whoever wanted it erased."""
    return f"is under a legal hold ({'; '.join(sorted({hold.basis for hold in holds}))}): two people end that first"
