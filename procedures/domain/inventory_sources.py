"""What a source of an inventory gives and gets: hosts as it describes them, and what it may ask of its surroundings."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Protocol

from procedures.domain import limits
from procedures.domain.errors import OpsError
from procedures.domain.secrets import Secret

HOST = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,198}$")
TAG = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,62}$")
MOST_TAGS = 64
Value = str | int | bool


class SourceFailed(OpsError):
    """A source that cannot be read, or says something that is no inventory."""

    code = "inventory.source-failed"
    next_step = "Mend the source; the targets stay as they are, and the next sync tries again."


@dataclass(frozen=True, slots=True)
class Found:
    """One host as a source describes it. `host_key` is "kind base64", empty if the source does not know it."""

    name: str
    address: str
    port: int = 22
    host_key: str = ""
    owner: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, Value] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Read:
    """What a source said: its hosts by name, and in words what of it was left out."""

    hosts: tuple[Found, ...]
    notes: tuple[str, ...] = ()


def sound(found: Iterable[Found], notes: Iterable[str] = ()) -> Read:
    """The hosts that can be targets at all, each name once, by name. Raises SourceFailed beyond 5,000."""
    kept: dict[str, Found] = {}
    said = list(notes)
    for one in found:
        if one.name in kept:
            said.append(f"{one.name} is named twice; the first counts")
        elif problem := _problem(one):
            said.append(f"{one.name[:200]!r} is left out: {problem}")
        else:
            tags, left = _tags(one.tags)
            said += [f"{one.name}: the tag {name[:80]!r} is left out" for name in left]
            kept[one.name] = Found(
                one.name, one.address, one.port, one.host_key, one.owner, tags, dict(sorted(one.attributes.items()))
            )
        if len(kept) > limits.TARGETS_PER_RUN:
            raise SourceFailed(f"The source names more than {limits.TARGETS_PER_RUN:,} hosts.")
    return Read(tuple(kept[name] for name in sorted(kept)), tuple(said[:200]))


def _problem(one: Found) -> str:
    if not HOST.fullmatch(one.name):
        return "its name holds signs that a target's name may not have"
    if not one.address or len(one.address) > 200 or re.search(r"\s|\{\{|/", one.address):
        return "it has no address"
    if not 0 < one.port < 65_536:
        return "its port is no port"
    return "" if len(one.owner) <= 200 else "its owner is longer than 200 characters"


def _tags(tags: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    fitting = {k: v for k, v in sorted(tags.items()) if TAG.fullmatch(k) and len(v) <= 200 and v.isprintable()}
    kept = dict(list(fitting.items())[:MOST_TAGS])
    return kept, sorted(set(tags) - set(kept))


class Nearby(Protocol):
    """What a runner lets a source reach. Each raises SourceFailed."""

    def file(self, name: str) -> bytes:
        """A file of the folder of inventories on the runner's host."""

    def printed_by(self, name: str, *, network: bool) -> bytes:
        """What a program of that folder prints when it is asked for its list; it runs in the sandbox."""

    def secret(self, name: str) -> Secret:
        """A secret that was sealed to the pool of the inventory's environment."""

    def entities(self, kind: str) -> list[Mapping[str, Any]]:
        """The catalogue's documents of one kind."""


class Source(ABC):
    """One kind of source: one file of `procedures/inventories`."""

    kind: ClassVar[str]

    @abstractmethod
    def read(self, settings: Mapping[str, Any], near: Nearby) -> Read:
        """The hosts as they are now. Raises SourceFailed."""
