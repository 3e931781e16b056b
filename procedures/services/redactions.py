"""Redaction: two people agree, in the log, that a value or a person is forgotten; everything else still verifies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from procedures.domain.canonical import canon, parse
from procedures.domain.states import TERMINAL_RUN_STATES
from procedures.evidence import erase
from procedures.evidence.models import ColdBundle, Disclosure, ErasableKey, Event
from procedures.evidence.queries import one_fact
from procedures.models import (
    AccessRequest,
    ApiToken,
    ControlChange,
    DirectoryEntry,
    DirectoryMember,
    Notice,
    Person,
    ReviewComment,
    Run,
    RunComment,
)
from procedures.queries import legal_holds
from procedures.services import purges
from procedures.services.legal_holds import said

ERASED = "(erased)"
REACHED = {Person, ApiToken, DirectoryMember, DirectoryEntry, ReviewComment, RunComment, AccessRequest, Run, Notice}
REACHED |= {ColdBundle, Disclosure, ErasableKey, Event} | purges.REACHED
ENDED = [state.value for state in TERMINAL_RUN_STATES]


def problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(pointer, message) for each reason why this redaction cannot be carried out."""
    if "runs" in object:
        return purges.problems(object)
    if "subject" in object:
        return _person_problems(UUID(object["subject"]))
    event = one_fact(UUID(object["event"]))
    if event is None:
        return [("/object/event", "there is no such event")]
    standing = erase.standing_paths(UUID(object["event"])) | _untold_paths(UUID(object["event"]))
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


def _untold_paths(event: UUID) -> set[str]:
    """Erased paths that no redaction of this portal names: a restored backup lost it, so it is said anew."""
    said = _told().filter(object__event=str(event)).values_list("object", flat=True)
    rows = Disclosure.objects.filter(event=event, sealed__isnull=True)
    persons = {UUID(str(one)) for one in _told().values_list("object__subject", flat=True) if one}
    gone = {row.pointer for row in rows if row.subject not in persons}
    return gone - {path for object in said for path in object["paths"]}


def _told() -> QuerySet[ControlChange]:
    return ControlChange.objects.filter(control="redaction", state=ControlChange.State.CONFIRMED)


def _person_problems(subject: UUID) -> list[tuple[str, str]]:
    row = Person.objects.filter(subject=subject).first()
    if row is None:
        return [("/object/subject", "there is no such person")]
    if row.is_active:
        return [("/object/subject", "this account is open: close it first, so that nothing new is made under it")]
    if not erase.key_stands(subject) and _told().filter(object__subject=str(subject)).exists():
        return [("/object/subject", "this person was erased already")]
    if holds := legal_holds.over_person(subject):
        return [("/object/subject", said(holds))]
    return []


def carry_out(object: Mapping[str, Any], at: datetime, *, change: UUID) -> None:
    """Forget, in evidence and in the live tables alike; safe to repeat. Runs are forgotten by the sweeper."""
    if "runs" in object:
        purges.agree(object["runs"], change, at)
        return
    if "subject" in object:
        _forget_person(UUID(object["subject"]), at)
        return
    erase.erase_values(UUID(object["event"]), object["paths"], at=at)
    event = one_fact(UUID(object["event"]))
    if event is not None and event.run is not None and "/reason" in object["paths"]:
        _forget_reasons(Run.objects.filter(pk=event.run))
    if event is not None and event.kind == "review.commented":
        ReviewComment.objects.filter(pk=event.facts["comment"]).update(body=ERASED, untold=[])
    if event is not None and event.kind == "run.commented":
        RunComment.objects.filter(pk=event.facts["comment"]).update(body=ERASED, untold=[])


def _forget_person(subject: UUID, at: datetime) -> None:
    erase.erase_person(subject, at=at)
    row = Person.objects.filter(subject=subject).first()
    if row is None:
        return
    _forget_name(row)
    Person.objects.filter(pk=row.pk).update(username=f"erased-{row.subject}", name=ERASED, email="", password="!")
    ApiToken.objects.filter(person=row).update(name=ERASED)
    DirectoryMember.objects.filter(entry__person=row).delete()
    DirectoryEntry.objects.filter(person=row).delete()
    ReviewComment.objects.filter(author=row).update(body=ERASED, untold=[])
    RunComment.objects.filter(author=row).update(body=ERASED, untold=[])
    AccessRequest.objects.filter(asker=row).update(reason=ERASED)
    _forget_reasons(Run.objects.filter(requester=row, state__in=ENDED).exclude(reason=""))


def _forget_name(row: Person) -> None:
    """Take a person's name, user name and address out of what others were told of them."""
    named = sorted({row.username, row.name, row.email} - {"", ERASED}, key=len, reverse=True)
    words = re.compile("|".join(rf"(?<!\w){re.escape(one)}(?!\w)" for one in named))
    for pk, facts in list(Notice.objects.values_list("pk", "facts").iterator(chunk_size=500)):
        if (told := _without(words, facts)) != facts:
            Notice.objects.filter(pk=pk).update(facts=told)
    Notice.objects.filter(person=row).update(problem="")


def _without(words: re.Pattern[str], value: Any) -> Any:
    if isinstance(value, str):
        return words.sub(ERASED, value)
    if isinstance(value, dict):
        return {name: _without(words, one) for name, one in value.items()}
    return [_without(words, one) for one in value] if isinstance(value, list) else value


def _forget_reasons(runs: QuerySet[Run]) -> None:
    """The reason also stands in the stored plan; the plan's digest in the log stays as it was signed."""
    for pk, stored in list(runs.values_list("pk", "plan")):
        plan = bytes(stored)
        if plan:
            value = parse(plan)
            plan = canon({**value, "reason": ERASED}) if isinstance(value, dict) and "reason" in value else plan
        Run.objects.filter(pk=pk).update(reason=ERASED, plan=plan)
