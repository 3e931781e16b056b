"""What the portal itself knows by name: groups, people, and the owners and tags of accepted procedures."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.models import Group

from procedures.domain.states import VersionState
from procedures.models import Person, Version

MOST = 1_000


def entities(kinds: Iterable[str]) -> list[dict[str, str]]:
    """`{"value", "title"}` of each entity of these kinds, by reference; kinds that nobody declares are empty."""
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
    return [{"value": value, "title": title} for value, title in sorted(found.items())[:MOST]]
