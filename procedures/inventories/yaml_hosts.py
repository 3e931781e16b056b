"""A YAML file of hosts, as a team keeps it by hand.

hosts:
  web-01: {address: 10.0.0.1, host_key: "ssh-ed25519 AAAA…", owner: "group:default/shop", tags: {role: web}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from procedures.definitions import guard
from procedures.domain.errors import OpsError
from procedures.domain.inventory_sources import Found, Nearby, Read, Source, SourceFailed, sound

KEYS = frozenset({"address", "port", "host_key", "owner", "tags", "attributes"})


class YamlHosts(Source):
    """`settings.file` is the file's name."""

    kind: ClassVar[str] = "yaml"

    def read(self, settings: Mapping[str, Any], near: Nearby) -> Read:
        name = str(settings["file"])
        try:
            said = guard.load(near.file(name)).value
        except SourceFailed:
            raise
        except OpsError as problem:
            raise SourceFailed(f"{name}: {problem.message}") from problem
        hosts = said.get("hosts") if isinstance(said, Mapping) else None
        if not isinstance(hosts, Mapping):
            raise SourceFailed(f"{name} has no mapping `hosts`.")
        return sound([_host(name, host, facts) for host, facts in hosts.items()])


def _host(file: str, name: Any, facts: Any) -> Found:
    if not isinstance(facts, Mapping):
        raise SourceFailed(f"{file}: {name} is no mapping.")
    if unknown := sorted(set(map(str, facts)) - KEYS):
        raise SourceFailed(f"{file}: {name} has {unknown[0]!r}, which is not one of {', '.join(sorted(KEYS))}.")
    tags, attributes, port = facts.get("tags") or {}, facts.get("attributes") or {}, facts.get("port", 22)
    if not isinstance(tags, Mapping) or not isinstance(attributes, Mapping) or not isinstance(port, int):
        raise SourceFailed(f"{file}: {name}: tags and attributes are mappings, port is a number.")
    return Found(
        str(name),
        str(facts.get("address", "")),
        port,
        " ".join(str(facts.get("host_key", "")).split()[:2]),
        str(facts.get("owner", "")),
        {str(key): str(value) for key, value in tags.items()},
        {str(key): value for key, value in attributes.items() if isinstance(value, str | int | bool)},
    )
