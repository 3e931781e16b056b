"""A process that the kernel confines asks actions of other packages through its starter, which runs nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from opsportal.supervisor import confine
from opsportal.supervisor.parts import confined
from tests.factories.site import Site

CODE = """\
import os
from procedures.domain.ports import Action, ActionResult


class Greet(Action):
    id = "acme:greet"
    summary = "Greets."
    input_schema = {"type": "object"}

    def plan(self, call):
        seen = []
        for place in (call.input["key"], call.input["database"]):
            try:
                open(place).close()
                seen.append(place)
            except OSError:
                pass
        return {"seen": seen, "environment": sorted(os.environ)}

    def run(self, call, io):
        return ActionResult("succeeded")
"""
ASK = """\
import json, os, sys
from uuid import uuid4
from procedures.definitions import registry, starter
from procedures.domain.errors import OpsError
from procedures.domain.ports import ActionCall

given = json.loads(sys.argv[1])
action = registry.actions()["acme:greet"]
call = ActionCall(uuid4(), "one", 1, "", given, {}, {}, {}, {}, None, None, None, 5.0)
said = {"plan": action.plan(call), "refused": []}
for point, mark, ask in (
    (action.point.value, action.mark, "run"),
    ("os:system", action.mark, "describe"),
    (action.point.value, "acme-actions:1.0:" + "0" * 64, "describe"),
):
    try:
        starter.ask(point, mark, "acme:greet", ask, ["id"])
    except OpsError as problem:
        said["refused"].append(problem.message)
try:
    open(given["key"]).close()
    said["key"] = "read"
except OSError:
    said["key"] = "hidden"
print(json.dumps(said))
"""


def test_a_confined_process_plans_with_an_action_that_sees_less_than_it_does(tmp_path: Path, data_dir: Path) -> None:
    assert confine.version() > 0, "this kernel has no Landlock: the gate needs one"
    site = Site(tmp_path / "site")
    site.install("1.0", CODE)
    for name in ("keys", "database"):
        (data_dir / name).mkdir()
        (data_dir / name / "one").write_text("x")
    given = {"key": str(data_dir / "keys" / "one"), "database": str(data_dir / "database" / "one")}
    environ = {**os.environ, "PYTHONPATH": f"{site.folder}:{confine.ROOT}", "OPSPORTAL_SECRET_KEY": "k" * 60}
    argv = [*confined(data_dir), sys.executable, "-c", ASK, json.dumps(given)]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["plan"] == {"seen": [], "environment": ["HOME", "LANG", "PATH", "PWD"]}
    assert said["key"] == "hidden"
    run, stranger, other = said["refused"]
    assert "'run' is nothing that the starter asks" in run
    assert "in the question" in stranger
    assert "have changed" in other
    assert not starters(data_dir), "it ends with whoever asked it"


def starters(data_dir: Path) -> list[str]:
    """Starters that are alive though the process for which they began is gone."""
    until = time.monotonic() + 10
    found = ["?"]
    while found and time.monotonic() < until:
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                mine = str(data_dir.parent).encode() in (place / "environ").read_bytes()
                found += [place.name] if mine and b"starter" in (place / "cmdline").read_bytes() else []
            except OSError:
                continue
        time.sleep(0.1)
    return found
