"""Schedules, hooks and approvals ahead whose every text wants more: their list, their pages, and their forms (H29)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from django.db import transaction

from procedures import models
from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.evidence.record import record
from procedures.models import Person, Procedure, Version
from tests.factories.transitions import unevidenced
from tests.web.hostile import ALL, FILE, PAYLOADS


def standing(maker: Person) -> tuple[str, ...]:
    """A schedule and a hook whose every text wants more, and what came of them; their list and pages."""
    at, procedure = now(), Procedure.objects.get(name="evil")
    owned = {"name": ALL[:200], "kind": Person.Kind.SERVICE, "owner": maker, "password": "!"}
    Person.objects.get_or_create(username="evil-night", defaults=owned)
    common: dict[str, Any] = {"procedure": procedure, "account": maker, "made_by": maker, "edited_by": maker}
    common |= {"environment": models.Environment.objects.get(pk="development"), "change": uuid4(), "set_at": at}
    common |= {"expires_at": at + timedelta(days=9), "paused_at": at, "paused_why": ALL[:300]}
    said = {"name": ALL, "digest": ALL, "reason": ALL, "targets": list(PAYLOADS), "expires_at": "2099-01-01T00:00:00Z"}
    more: dict[str, Any] = {
        "schedule": {**said, "when": {"cron": ALL, "zone": ALL}, "parameters": {text: text for text in PAYLOADS}},
        "hook": {**said, "mapping": {text: {"pointer": text} for text in PAYLOADS}, "proof": ALL, "keys": []},
    }
    for kind, object in more.items():
        row, _ = models.Standing.objects.get_or_create(kind=kind, name="evil", defaults={**common, "object": object})
        fire = {"at": at, "outcome": "refused", "why": ALL[:500], "mark": ALL[:200]}
        models.Fire.objects.get_or_create(standing=row, mark=fire["mark"], defaults={**fire, "planned_at": at})
    ahead(maker)
    return "/schedules/", "/schedules/schedule/evil/", "/schedules/hook/evil/"


@transaction.atomic
@unevidenced()
def ahead(maker: Person) -> str:
    """An approval ahead whose comment and end want more, by somebody who does not stand behind it. Returns its id."""
    row, at = models.Standing.objects.get(kind="schedule", name="evil"), now()
    facts = {"ahead": "x", "standing": "schedule", "name": "x", "change": "x", "environment": "x", "reason": ALL}
    record("standing.taken_back", actor=None, at=at, facts=facts)
    sam, _ = Person.objects.get_or_create(username="evil-sam", defaults={"name": ALL[:200], "password": "!"})
    said = {"change": row.change, "approver": sam, "comment": ALL, "plan": b"{}", "plan_digest": "x", "runs": 3}
    said |= {"statement": b"{}", "event": uuid4(), "at": at, "not_after_at": at + timedelta(days=3)}
    said |= {"taken_back_at": at, "taken_back_by": maker, "taken_back_why": ALL[:300]}
    made, _ = models.PreApproval.objects.get_or_create(standing=row, nonce="evil", defaults=said)
    return str(made.pk)


AHEAD = dict.fromkeys(("runs", "days", "not_after", "plan_digest", "comment"), ALL)


def _ahead_forms(o: Any) -> list[tuple[str, str, dict[str, Any]]]:
    path = f"{standing(o.mira)[1]}ahead/"
    return [(path, who, AHEAD) for who in ("mira", "jonas", "aisha")]


def _take_back_forms(o: Any) -> list[tuple[str, str, dict[str, Any]]]:
    path = f"{standing(o.mira)[1]}ahead/{ahead(o.mira)}/"
    return [(path, who, {"reason": ALL}) for who in ("mira", "jonas")]


FORMS = {"approve-ahead": _ahead_forms, "take-back": _take_back_forms}


def _standing(one: slice) -> Callable[[Any], list[tuple[str, str]]]:
    return lambda o: [(path, who) for path in standing(o.mira)[one] for who in ("mira", "jonas")]


def offered(o: Any) -> str:
    """A schedule of a procedure that wants more, of which runs can be approved ahead; the page of that."""
    robot, procedure = Person.objects.get(username="evil-night"), Procedure.objects.get(name="evil")
    gives = {"principal": f"person:{robot.subject}", "verbs": ["run"], "environments": ["development"], "reason": ALL}
    o.town.change("jonas", "grant", {**gives, "not_before": moment(now()), "expires_at": moment(o.soon)})
    models.Environment.objects.filter(pk="development").update(ahead_up_to="low")
    digest = Version.objects.get(procedure=procedure, state="accepted").digest
    parameters = {"text": ALL, "pick": PAYLOADS[3], "some": list(PAYLOADS[:5]), "file": FILE}
    said = {"digest": digest, "targets": [], "reason": ALL[:2000], "parameters": parameters, "when": {"at": "x"}}
    common = {"procedure": procedure, "account": robot, "made_by": o.mira, "edited_by": o.mira, "change": uuid4()}
    common |= {"environment_id": "development", "set_at": now(), "expires_at": now() + timedelta(days=9)}
    models.Standing.objects.get_or_create(kind="schedule", name="offered", defaults={**common, "object": said})
    return "/schedules/schedule/offered/ahead/"


def _offered(o: Any) -> list[tuple[str, str]]:
    standing(o.mira)
    path = offered(o)
    return [(path, "aisha"), (f"{path}?{urlencode({'runs': '3', 'days': '3', 'comment': ALL[:2000]})}", "aisha")]


ROWS: dict[str, Callable[[Any], list[tuple[str, str]]]] = {
    "schedules": _standing(slice(0, 1)),
    "standing": _standing(slice(1, 3)),
    "approve-ahead": _offered,
}
