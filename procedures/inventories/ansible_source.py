"""Ansible inventories as sources: a static file, or a program that prints one when it is called with --list.

Source of the programs' form: Ansible's documentation, "Developing dynamic inventory".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from procedures.domain.importing import ImportRefused
from procedures.domain.inventory_sources import Nearby, Read, Source, SourceFailed
from procedures.inventories import ansible
from procedures.inventories.targets import found_in


class AnsibleFile(Source):
    """`settings.file` is the inventory, `settings.known_hosts` a file with the hosts' keys."""

    kind: ClassVar[str] = "ansible"

    def read(self, settings: Mapping[str, Any], near: Nearby) -> Read:
        name = str(settings["file"])
        return _read(name, near.file(name), settings, near)


class AnsibleProgram(Source):
    """`settings.file` is the program; it runs in the runner's sandbox, without a network unless `settings.network`."""

    kind: ClassVar[str] = "script"

    def read(self, settings: Mapping[str, Any], near: Nearby) -> Read:
        name = str(settings["file"])
        said = near.printed_by(name, network=settings.get("network") is True)
        return _read(f"{name}.json", said, settings, near)


def _read(name: str, data: bytes, settings: Mapping[str, Any], near: Nearby) -> Read:
    try:
        inventory = ansible.read(name, data)
    except ImportRefused as problem:
        raise SourceFailed(f"{name}: line {problem.line}: {problem.message}") from problem
    known = near.file(str(settings["known_hosts"])) if "known_hosts" in settings else b""
    return found_in(inventory, known.decode(errors="replace"))
