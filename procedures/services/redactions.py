"""Redaction: two people agree, in the log, that a value or a person is forgotten; everything else still verifies."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from procedures.domain.canonical import canon, parse
from procedures.domain.states import TERMINAL_RUN_STATES
from procedures.evidence import erase
from procedures.evidence.queries import one_fact
from procedures.models import (
    AccessRequest,
    ApiToken,
    DirectoryEntry,
    DirectoryMember,
    Person,
    ReviewComment,
    Run,
    RunComment,
)
from procedures.queries import legal_holds
from procedures.services.legal_holds import said

ERASED = "(erased)"
ENDED = [state.value for state in TERMINAL_RUN_STATES]


def problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(pointer, message) for each reason why this redaction cannot be carried out."""
    if "subject" in object:
        return _person_problems(UUID(object["subject"]))
    event = one_fact(UUID(object["event"]))
    if event is None:
        return [("/object/event", "there is no such event")]
    standing = erase.standing_paths(UUID(object["event"]))
    found = [
        (f"/object/paths/{index}", f"the event holds no such value; it holds {', '.join(sorted(standing)) or 'none'}")
        for index, path in enumerate(object["paths"])
        if path not in standing
    ]
    if holds := legal_holds.over_values(UUID(object["event"])):
        found.append(("/object/event", said(holds)))
    if event.run is not None and not Run.objects.filter(pk=event.run, state__in=ENDED).exists():
        found.append(("/object/event", "its run has not ended: cancel it or wait"))
    return found


def _person_problems(subject: UUID) -> list[tuple[str, str]]:
    row = Person.objects.filter(subject=subject).first()
    if row is None:
        return [("/object/subject", "there is no such person")]
    if row.is_active:
        return [("/object/subject", "this account is open: close it first, so that nothing new is made under it")]
    if not erase.key_stands(subject):
        return [("/object/subject", "this person was erased already")]
    if holds := legal_holds.over_person(subject):
        return [("/object/subject", said(holds))]
    return []


def carry_out(object: Mapping[str, Any], at: datetime) -> None:
    """Forget, in evidence and in the live tables alike."""
    if "subject" in object:
        subject = UUID(object["subject"])
        erase.erase_person(subject, at=at)
        row = Person.objects.get(subject=subject)
        Person.objects.filter(pk=row.pk).update(username=f"erased-{row.subject}", name=ERASED, email="", password="!")
        ApiToken.objects.filter(person=row).update(name=ERASED)
        DirectoryMember.objects.filter(entry__person=row).delete()
        DirectoryEntry.objects.filter(person=row).delete()
        ReviewComment.objects.filter(author=row).update(body=ERASED, untold=[])
        RunComment.objects.filter(author=row).update(body=ERASED, untold=[])
        AccessRequest.objects.filter(asker=row).update(reason=ERASED)
        for run in Run.objects.filter(requester=row, state__in=ENDED).exclude(reason=""):
            _forget_reason(run)
        return
    erase.erase_values(UUID(object["event"]), object["paths"], at=at)
    event = one_fact(UUID(object["event"]))
    if event is not None and event.run is not None and "/reason" in object["paths"]:
        _forget_reason(Run.objects.get(pk=event.run))
    if event is not None and event.kind == "review.commented":
        ReviewComment.objects.filter(pk=event.facts["comment"]).update(body=ERASED, untold=[])
    if event is not None and event.kind == "run.commented":
        RunComment.objects.filter(pk=event.facts["comment"]).update(body=ERASED, untold=[])


def _forget_reason(run: Run) -> None:
    """The reason also stands in the stored plan; the plan's digest in the log stays as it was signed."""
    plan = bytes(run.plan)
    if plan:
        value = parse(plan)
        plan = canon({**value, "reason": ERASED}) if isinstance(value, dict) and "reason" in value else plan
    Run.objects.filter(pk=run.pk).update(reason=ERASED, plan=plan)
