"""Hosts that the catalogue describes: Backstage entities, a Resource of type host unless set, with annotations.

metadata.annotations: opsportal.dev/address (must), opsportal.dev/port, opsportal.dev/host-key
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from procedures.domain.inventory_sources import Found, Nearby, Read, Source, sound

ADDRESS, PORT, HOST_KEY = "opsportal.dev/address", "opsportal.dev/port", "opsportal.dev/host-key"


class CatalogueHosts(Source):
    """`settings.kind` and `settings.type` choose the entities."""

    kind: ClassVar[str] = "catalogue"

    def read(self, settings: Mapping[str, Any], near: Nearby) -> Read:
        wanted = str(settings.get("type", "host"))
        found: list[Found] = []
        notes: list[str] = []
        for document in near.entities(str(settings.get("kind", "Resource"))):
            about, spec = _mapping(document.get("metadata")), _mapping(document.get("spec"))
            if spec.get("type") != wanted:
                continue
            marks = {str(key): str(value) for key, value in _mapping(about.get("annotations")).items()}
            name, port = str(about.get("name", "")), marks.get(PORT, "22")
            if not marks.get(ADDRESS) or not port.isdecimal():
                notes.append(f"{name[:200]!r} is left out: it needs {ADDRESS}, and {PORT} is a number")
                continue
            key = " ".join(marks.get(HOST_KEY, "").split()[:2])
            owner = str(spec.get("owner", ""))
            found.append(Found(name, marks[ADDRESS], int(port), key, owner, _tags(about), {"entity": wanted}))
        return sound(found, notes)


def _tags(about: Mapping[str, Any]) -> dict[str, str]:
    """Labels as they are, and each tag of the entity as `tag.NAME: "yes"`."""
    tags = about.get("tags")
    named = {f"tag.{tag}": "yes" for tag in tags} if isinstance(tags, list) else {}
    return named | {str(key): str(value) for key, value in _mapping(about.get("labels")).items()}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
