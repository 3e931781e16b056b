"""Doors of schedules and hooks: what each persona sends, what stands in the scene, and paths that are no row."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings

from procedures.domain import ahead as rules
from procedures.domain.canonical import canon, moment, parse, parse_moment
from procedures.domain.clock import now
from procedures.domain.ids import uuid7
from procedures.models import Environment, Person, PreApproval, Standing, Version
from tests.factories import ahead, standing
from tests.factories.portal import World

ASIDE = {
    "hooks/<slug:name>": "signed by a key of the hook; tests/standing/test_attacks.py",
    "hooks/git/<slug:name>": "signed by a forge; tests/api/test_hooks.py",
    "scim/v2": "a directory's own token alone; tests/scim/test_attacks.py",
    "scim/v2/<path:rest>": "a directory's own token alone; tests/scim/test_attacks.py",
}
GETS = (
    *("/schedules/", "/schedules/schedule/nightly/", "/api/v1/schedules/", "/api/v1/schedules/nightly/"),
    *("/schedules/hook/deployed/", "/api/v1/hooks/", "/api/v1/hooks/deployed/"),
    *("/api/v1/schedules/weekly/ahead/", "/schedules/schedule/weekly/ahead/"),
)


def furnish(robot: Person, owner: Person, version: Version) -> None:
    """A schedule and a hook in development by a service account, both set by its owner; another schedule in staging,
    whose runs may be approved ahead.
    """
    Environment.objects.filter(pk="staging").update(ahead_up_to="low")
    for kind, made, more in (
        ("schedule", standing.schedule, {}),
        ("hook", standing.hook, {"proof": "hmac"}),
        ("schedule", standing.schedule, {"name": "weekly", "environment": "staging"}),
    ):
        object = made(str(robot.subject), version.digest, **more)
        Standing.objects.create(
            kind=kind,
            name=object["name"],
            procedure=version.procedure,
            environment=Environment.objects.get(pk=object["environment"]),
            account=robot,
            object=object,
            change=uuid7(),
            made_by=owner,
            edited_by=owner,
            set_at=now(),
            expires_at=parse_moment(object["expires_at"]),
        )


def approved_ahead(world: World, who: Person) -> str:
    """What stands of the schedule in staging: the id of an approval of some of its runs."""
    return str(ahead.given(world, who, "weekly").pk)


def _ahead(scene: Any, name: str) -> dict[str, Any]:
    """An approval ahead as this persona would hand it in: signed where they have a key, over what would be offered."""
    owner = {"her token": "first manager"}.get(name, name)
    row, until = Standing.objects.get(name="weekly"), now() + timedelta(days=3)
    given = PreApproval.objects.get(standing=row)
    asked = {"runs": 2, "not_after": moment(until), "plan_digest": given.plan_digest}
    person = scene.people.get(owner)
    if person is None or person.username not in scene.world.keys:
        return asked
    work = parse(bytes(given.plan))
    made = rules.statement(
        schedule=row.name,
        change=row.change,
        account=str(row.account.subject),
        plan=work,
        runs=2,
        not_after=until,
        approver=person.subject,
        portal=settings.OPSPORTAL_PUBLIC_URL,
        fresh=uuid7().hex,
    )
    return asked | {"signature": scene.world.signed(person.username, canon(made))}


def _ahead_form(scene: Any, name: str) -> dict[str, Any]:
    made = _ahead(scene, name)
    return made | made.pop("signature", {})


def _object(kind: str) -> dict[str, Any]:
    robot, version = Person.objects.get(username="robot"), Version.objects.get(procedure__name="hello")
    made = standing.schedule if kind == "schedule" else standing.hook
    more = {"proof": "hmac"} if kind == "hook" else {}
    return made(str(robot.subject), version.digest, name="another", **more)


def _said(kind: str) -> Callable[[Any, str], dict[str, Any]]:
    return lambda scene, name: {"object": _object(kind)}


def _typed(kind: str) -> Callable[[Any, str], dict[str, Any]]:
    return lambda scene, name: {"object_text": json.dumps(_object(kind))}


def _why(**more: str) -> Callable[[Any, str], dict[str, Any]]:
    return lambda scene, name: {"reason": "because", **more}


POSTS: list[tuple[str, Callable[[Any, str], dict[str, Any]] | None]] = [
    *((f"/api/v1/{kind}s/{door}", _said(kind)) for kind in ("schedule", "hook") for door in ("", "preview/")),
    *(
        (f"/api/v1/{one}/{do}/", _why())
        for one in ("schedules/nightly", "hooks/deployed")
        for do in ("pause", "resume")
    ),
    *((f"/schedules/{one}/", _why(do="pause")) for one in ("schedule/nightly", "hook/deployed")),
    ("/api/v1/schedules/weekly/ahead/", _ahead),
    ("/schedules/schedule/weekly/ahead/", _ahead_form),
    ("/api/v1/schedules/weekly/ahead/{ahead}/take-back/", _why()),
    ("/schedules/schedule/weekly/ahead/{ahead}/", _why()),
    ("/api/v1/hooks/deployed/secret/", None),
    ("/schedules/hook/deployed/secret/", None),
    *((f"/changes/{kind}/new/", _typed(kind)) for kind in ("schedule", "hook")),
]
