"""Doors of schedules and hooks: what each persona sends, what stands in the scene, and paths that are no row."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from procedures.domain.canonical import parse_moment
from procedures.domain.clock import now
from procedures.domain.ids import uuid7
from procedures.models import Environment, Person, Standing, Version
from tests.factories import standing

ASIDE = {
    "hooks/<slug:name>": "signed by a key of the hook; tests/standing/test_attacks.py",
    "hooks/git/<slug:name>": "signed by a forge; tests/api/test_hooks.py",
    "scim/v2": "a directory's own token alone; tests/scim/test_attacks.py",
    "scim/v2/<path:rest>": "a directory's own token alone; tests/scim/test_attacks.py",
}
GETS = (
    *("/schedules/", "/schedules/schedule/nightly/", "/api/v1/schedules/", "/api/v1/schedules/nightly/"),
    *("/schedules/hook/deployed/", "/api/v1/hooks/", "/api/v1/hooks/deployed/"),
)


def furnish(robot: Person, owner: Person, version: Version) -> None:
    """A schedule and a hook in development by a service account, both set by its owner."""
    for kind, made in (("schedule", standing.schedule), ("hook", standing.hook)):
        object = made(str(robot.subject), version.digest, **({"proof": "hmac"} if kind == "hook" else {}))
        Standing.objects.create(
            kind=kind,
            name=object["name"],
            procedure=version.procedure,
            environment=Environment.objects.get(pk="development"),
            account=robot,
            object=object,
            change=uuid7(),
            made_by=owner,
            edited_by=owner,
            set_at=now(),
            expires_at=parse_moment(object["expires_at"]),
        )


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
    ("/api/v1/hooks/deployed/secret/", None),
    ("/schedules/hook/deployed/secret/", None),
    *((f"/changes/{kind}/new/", _typed(kind)) for kind in ("schedule", "hook")),
]
