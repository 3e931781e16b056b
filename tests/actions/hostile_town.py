"""Everything that a step may meet: a host, a server, a database, a forge, and a workspace with something beside it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from procedures.definitions import registry
from procedures.domain.ports import ActionCall, ActionResult, Lease, Workspace
from tests.actions.calls import Collected
from tests.actions.hostile_values import VALUES, good
from tests.actions.test_http import Seen
from tests.fixtures.forge import Forge
from tests.postgres.conftest import Shop
from tests.ssh.conftest import Place

HERE = ("127.0.0.0/8",)
ECHO = 'printf "%s\\0%s\\0" "$V" "$PARAM_S"; cat'
WITH_FILE = ECHO + '; printf "\\0"; cat "$OPSPORTAL_PARAMETERS"'
ALL = frozenset(VALUES)
LEAVES = frozenset({"dots", "absolute"})
CONTROLS = frozenset(name for name, value in VALUES.items() if any(ord(c) < 32 or ord(c) == 127 for c in value))


@dataclass(slots=True)
class Town:
    """Everything that a step may meet."""

    host: Place
    server: Seen
    shop: Shop
    reader: Lease
    forge: Forge
    folder: Path

    def space(self) -> Workspace:
        """An empty workspace with one file, and a file beside it that nobody may touch."""
        shutil.rmtree(self.folder / "ws", ignore_errors=True)
        found = Workspace(self.folder / "ws" / "files", self.folder / "ws" / "published")
        found.files.mkdir(parents=True)
        found.published.mkdir()
        (found.files / "here.txt").write_bytes(b"here")
        (self.folder / "ws" / "passwd").write_bytes(b"outside")
        return found


def act(call: ActionCall, action: str) -> tuple[ActionResult, Collected]:
    io = Collected()
    return good(registry.actions()[action].run(call, io)), io


def three(out: bytes) -> dict[str, str]:
    """Environment, parameter's variable, standard input and the file of parameters, as a script told them."""
    names = ("env", "PARAM_S", "stdin", "parameters file")
    found = dict(zip(names, out.decode().split("\0"), strict=False))
    if "parameters file" in found:
        found["parameters file"] = json.loads(found["parameters file"])["s"]
    return found
