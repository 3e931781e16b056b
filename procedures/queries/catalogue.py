"""What the portal knows by name: groups, people, owners and tags of accepted procedures, registered entities."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.models import Group

from procedures.domain.states import VersionState
from procedures.models import Entity, Person, Version

MOST = 1_000


def entities(kinds: Iterable[str]) -> list[dict[str, str]]:
    """`{"value", "title"}` of each entity of these kinds, by reference; kinds that nobody declares are empty.

    Groups and users are the portal's own, never a document's: a descriptor widens no list of them (H11).
    """
    wanted = {kind.lower() for kind in kinds}
    found: dict[str, str] = {}
    if "group" in wanted:
        found |= {f"group:default/{name}": name for name in Group.objects.values_list("name", flat=True)}
        owners = Version.objects.filter(state=VersionState.ACCEPTED.value).values_list("definition__owner", flat=True)
        found |= {str(owner): str(owner).rpartition("/")[2] for owner in owners if str(owner).startswith("group:")}
    if "user" in wanted:
        people = Person.objects.filter(is_active=True, kind=Person.Kind.PERSON)
        found |= {f"user:default/{name}": shown for name, shown in people.values_list("username", "name")}
    if "tag" in wanted:
        tags = Version.objects.filter(state=VersionState.ACCEPTED.value).values_list("definition__tags", flat=True)
        found |= {str(tag): str(tag) for row in tags for tag in row or []}
    for kind in sorted(wanted - {"group", "user", "tag"}):
        rows = Entity.objects.filter(ref__startswith=f"{kind}:").order_by("ref")[:MOST]
        found |= {row.ref: _title(row) for row in rows}
    return [{"value": value, "title": title} for value, title in sorted(found.items())[:MOST]]


def _title(row: Entity) -> str:
    meta = row.document.get("metadata") if isinstance(row.document, dict) else None
    title = meta.get("title") if isinstance(meta, dict) else None
    return title[:200] if isinstance(title, str) and title else row.ref
