"""What others write where an auditor works: filters, nonces, populations (H29)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from procedures.domain.clock import now
from procedures.domain.ids import uuid7
from procedures.evidence.models import LogCheck
from procedures.evidence.record import record
from procedures.models import Collector, LegalHold, Person
from tests.web.hostile import ALL, PAYLOADS


def fixed(person: Person) -> str:
    """The path of a population whose facts want more, with a draw whose nonce does."""
    name, at = str(uuid7()), now()
    facts = {"population": name, "size": 1, "root": "00" * 32, "filter": {"outcome": ALL}, "runs": 1}
    drawn = {"sample": str(uuid7()), "population": name, "nonce": ALL, "count": 1, "runs": [str(uuid7())]}
    with transaction.atomic():
        record("population.fixed", actor=person.subject, at=at, facts=facts)
        record("sample.drawn", actor=person.subject, at=at, facts=drawn)
    return f"/evidence/populations/{name}/"


def saved(person: Person) -> str:
    """The path of a saved request whose name, filter and answers want more."""
    name, at = str(uuid7()), now()
    wanted, given = {"outcome": ALL, "requester": name}, {"size": 1, "root": "00" * 32, "runs": 1, "sha256": "00" * 32}
    answer = {"request": name, "of": ALL, "filter": {"from": ALL, "outcome": ALL}, "totals": {"succeeded": 1}, **given}
    with transaction.atomic():
        record(
            "evidence.request_saved",
            actor=person.subject,
            at=at,
            facts={"request": name, "wanted": wanted, "period": "quarter"},
            sensitive={"/name": ALL},
        )
        record("evidence.request_answered", actor=person.subject, at=at, facts=answer)
    return f"/evidence/requests/{name}/"


def kept(person: Person) -> str:
    """The page of the log where a collector, a legal hold and a check of the log have much to say."""
    at = now()
    told = {"problem": ALL[:300], "problem_at": at, "failures": 4711, "next_at": at + timedelta(minutes=15)}
    stream = {"url": f"https://{'siem-' * 90}example", "first": 0, "sent": 0, "event": uuid7(), "since_at": at}
    Collector.objects.get_or_create(name="s" * 63, ended_at=None, defaults=told | stream)
    said = {"basis": ALL[:200], "requested_by": ALL[:200], "subject": person.subject, "from_at": at}
    held = {"placed_by": person, "placed_at": at}
    LegalHold.objects.get_or_create(id=UUID(int=5), defaults=said | held)
    found = {"began_at": at, "ended_at": at, "events": 1, "found": 1, "findings": [{"text": ALL}]}
    LogCheck.objects.create(**found, unsure=0)
    return "/evidence/"


ROWS: dict[str, Callable[[Any], list[tuple[str, str]]]] = {
    "evidence": lambda o: [
        (kept(o.people[0]) + more, who)
        for who, more in (
            ("aisha", ""),
            ("jonas", ""),
            ("aisha", "?kind={}&procedure={}&person={}&control={}".format(*PAYLOADS[:4])),
        )
    ],
    "population": lambda o: [
        ("/evidence/population/" + more, "aisha") for more in ("", "?outcome={}&risk={}".format(*PAYLOADS[:2]))
    ],
    "fixed-population": lambda o: [(fixed(o.jonas), "aisha")],
    "saved-requests": lambda o: [("/evidence/requests/?procedure={}&requester={}".format(*PAYLOADS[:2]), "aisha")],
    "saved-request": lambda o: [(saved(o.jonas), "aisha")],
    "dossier": lambda o: [(f"/runs/{run.pk}/dossier.html", "aisha") for run in (o.run, o.approval)],
    "framework": lambda o: [(f"/evidence/controls/{name}/", "aisha") for name in ("nist800-53", "soc2")],
}
FORMS: dict[str, Callable[[Any], list[tuple[str, str, dict[str, Any]]]]] = {
    "fix-population": lambda o: [
        ("/evidence/population/fix/", "aisha", {"procedure": ALL, "requester": ALL, "to": ALL})
    ],
    "save-request": lambda o: [("/evidence/requests/save/", "aisha", {"name": ALL, "procedure": ALL, "period": ALL})],
    "ask-request": lambda o: [(saved(o.jonas) + "ask/", "aisha", {"of": ALL})],
    "drop-request": lambda o: [(saved(o.jonas) + "drop/", "aisha", {"reason": ALL})],
    "draw-sample": lambda o: [(fixed(o.jonas) + "draw/", "aisha", {"nonce": ALL, "count": ALL})],
}
