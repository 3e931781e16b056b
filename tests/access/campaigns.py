"""What each persona would send to decide a campaign: signed where they have a key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.models import Grant
from procedures.services.given import object_of
from tests.access.scene import Scene
from tests.factories.campaigns import offer as campaign
from tests.factories.campaigns import signed


def signed_as(scene: Scene, name: str, control: str, object: dict[str, Any]) -> dict[str, Any]:
    """A control object, signed where the persona has a key."""
    owner = {"her token": "first manager"}.get(name, name)
    if owner in scene.people and scene.people[owner].username in scene.world.keys:
        return {"object": object, "signature": signed(scene.world, scene.people[owner], control, object)}
    return {"object": object}


def campaign_wish() -> dict[str, Any]:
    due = moment(now() + timedelta(days=3))
    return {"name": "x", "due_at": due, "reviewers": ["mira"], "select": {"person": "author"}}


def new_campaign(scene: Scene) -> dict[str, Any]:
    return campaign(scene.world, [scene.people["manager"]], person="author")


def kept(scene: Scene, name: str) -> dict[str, Any]:
    fields = {"grants": [scene.ids["reviewed"]], "reason": "needed"}
    body = signed_as(scene, name, "campaign_keep", {"campaign": scene.ids["campaign"], **fields})
    return {key: value for key, value in body.items() if key != "object"} | fields


def revoked(scene: Scene, name: str) -> dict[str, Any]:
    body = signed_as(scene, name, "grant_end", {"grant": scene.ids["reviewed"], "reason": "gone"})
    fields = {"grants": [scene.ids["reviewed"]], "reason": "gone"}
    return {key: value for key, value in body.items() if key != "object"} | fields


def narrowed(scene: Scene, name: str) -> dict[str, Any]:
    grant = Grant.objects.get(pk=scene.ids["reviewed"])
    return signed_as(scene, name, "grant", object_of(grant, now()) | {"verbs": ["author"]})
