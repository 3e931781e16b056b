"""Two ways to run a job: as Rundeck did, with values pasted into the text, and as imported, with values as data."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from procedures.actions.local import LocalScript
from procedures.domain import expressions, parameters, rendering
from procedures.domain.importing import Carried, Imported
from procedures.domain.secrets import Secret
from procedures.importers.rundeck import read
from tests.actions.calls import Collected, call

PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")


def carried(text: str, name: str = "jobs.yaml") -> Carried:
    return read(name, text.encode())


def job(**changes: Any) -> str:
    """A job of one command, with changes."""
    base = {"name": "One", "description": "", "sequence": {"commands": [{"exec": "echo one"}]}}
    return json.dumps([base | changes])


def as_rundeck(job: dict[str, Any], values: dict[str, str]) -> tuple[str, int]:
    """Output and status of the first step, its text with values pasted in, run by the shell that Rundeck used."""
    step = job["sequence"]["commands"][0]
    env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **{f"RD_OPTION_{n.upper()}": v for n, v in values.items()}}
    dispatch = (job.get("nodefilters") or {}).get("dispatch") or {}
    env |= {"RD_JOB_NAME": str(job.get("name")), "RD_JOB_THREADCOUNT": str(dispatch.get("threadcount", "1"))}
    if "exec" in step:
        done = _run(["/bin/sh", "-c", _pasted(step["exec"], values, quoted=True)], env)
    else:
        done = _script(step, values, env)
    handler = step.get("errorhandler")
    if handler and done[1]:
        more = _run(["/bin/sh", "-c", handler["exec"]], env)
        return done[0] + more[0], done[1]
    return done


def _script(step: dict[str, Any], values: dict[str, str], env: dict[str, str]) -> tuple[str, int]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "script")
        file.write_text(_pasted(step["script"], values, quoted=False))
        file.chmod(0o755)
        words = shlex.split(_pasted(step.get("args", ""), values, quoted=True))
        first = shlex.split(step.get("scriptInterpreter", "")) or ([] if step["script"].startswith("#!") else ["bash"])
        return _run([*first, str(file), *words], env)


def _pasted(text: str, values: dict[str, str], *, quoted: bool) -> str:
    def one(match: re.Match[str]) -> str:
        value = values.get(match[1], "")
        return value if not quoted or PLAIN.fullmatch(value) else "'" + value.replace("'", "'\"'\"'") + "'"

    return re.sub(r"\$\{option\.(\w+)\}" if quoted else r"@option\.(\w+)@", one, text)


def _run(words: list[str], env: dict[str, str]) -> tuple[str, int]:
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=20, cwd="/tmp")
    return done.stdout, done.returncode


def as_imported(
    one: Imported, values: dict[str, str], secrets: dict[str, str] | None = None
) -> list[tuple[str, int | None]]:
    """Output and status of each step, run in the sandbox as the engine would, until one fails."""
    document = yaml.safe_load(one.files["procedure.yaml"])["spec"]
    schema = {"properties": {}, **(document.get("parameters") or {}), "type": "object"}
    given = parameters.resolve(schema, values)
    scope: dict[str, Any] = {
        "parameters": given,
        "secrets": {name: Secret(value) for name, value in (secrets or {}).items()},
        "steps": {},
        "run": {"id": "1", "requester": "me", "reason": ""},
        "each": {"name": "web1", "host": "10.0.0.1", "tags": {}},
        "environment": "development",
        "targets": [],
    }
    found: list[tuple[str, int | None]] = []
    for step in document["steps"]:
        if "script" not in step["input"]:
            break
        env = rendering.script_environment(given)
        hidden = {}
        for name, template in (step["input"].get("env") or {}).items():
            value = expressions.render(template, scope)
            if isinstance(value, Secret):
                hidden[name] = value
            else:
                env[name] = "" if value is None else expressions.text_of(value)
        io = Collected()
        wanted = {"script": step["input"]["script"]}
        ended = LocalScript().run(call(input=wanted, files=one.files, env=env, secret_env=hidden, parameters=given), io)
        scope["steps"][step["id"]] = {"output": ended.output}
        found.append((io.text, ended.exit_status))
        if ended.outcome != "succeeded":
            break
    return found
