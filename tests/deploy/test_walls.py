"""Every part with its own login in the database: runs of two environments, an approval, a schedule, a drain, a pack."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import tarfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from opsportal.demo.client import Keyboard
from opsportal.demo.company import Company
from opsportal.roles.names import Names
from procedures.domain.canonical import moment
from procedures.domain.ids import uuid7
from procedures.evidence import verify
from tests.deploy.composed import WORKERS
from tests.deploy.conftest import Installed, Practice, practice, wait_until

pytestmark = [pytest.mark.figures, pytest.mark.once, pytest.mark.timeout(600)]
OVER = {"succeeded", "failed", "canceled", "denied", "interrupted", "timed_out", "expired"}
STEP = "action: 'ssh:script', credentials: [deploy], timeout: 30s, idempotent: true"
PROCEDURE = f"""\
apiVersion: opsportal/v1
kind: Procedure
metadata: {{name: note-down}}
spec:
  owner: group:default/x
  type: operation
  risk: moderate
  environments: [staging, production]
  timeout: 2m
  parameters: {{properties: {{word: {{type: string, title: Word, maxLength: 50, default: x}}}}}}
  targets: {{filter: "role=web"}}
  credentials: {{deploy: {{kind: ssh, ttl: 2m}}}}
  steps:
    - {{id: first, {STEP}, input: {{script: note.sh, env: {{STEP: first}}}}}}
    - {{id: last, {STEP}, input: {{script: note.sh, env: {{STEP: last}}}}}}
"""
SCRIPT = b'echo "$STEP $PARAM_WORD" >>"$HOME/notes"\nsleep 2\n'


@pytest.fixture(scope="module")
def company(installed: Installed) -> Company:
    """A second manager, an author, somebody who runs and somebody who approves; a host in each of two environments."""
    made = installed.company
    for name in ("jonas", "adam", "quinn", "petra"):
        made.invite(name)
    made.grant("jonas", ["manage_access", "operate", "view"], [])
    made.grant("adam", ["author"], [])
    made.both("duty", {"principal": f"person:{made['petra'].subject}", "duty": "operations", "action": "add"})
    hosts: dict[str, list[Any]] = {
        environment: [practice(installed, environment, user)]
        for environment, user in (("staging", 10100), ("production", 10101))
    }
    made.add_hosts(hosts)
    _accept(made)
    for name, verbs in (("quinn", ["run", "view", "read_output"]), ("petra", ["approve", "view"])):
        made.grant(name, verbs, ["staging", "production"], procedure="note-down")
    return made


def _accept(company: Company) -> None:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for path, content in {"procedure.yaml": PROCEDURE.encode(), "note.sh": SCRIPT, "README.md": b"x"}.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    version = company["adam"].good("POST", "/api/v1/versions/", files={"bundle": ("b.tar.gz", raw.getvalue())})
    mira, duties = company["mira"], ["operations", "security"]
    place = f"/api/v1/versions/{version['id']}/statement/"
    asked = mira.good("GET", place, params={"verdict": "accept", "duties": duties})
    body = {"version": version["id"], "digest": version["digest"], "verdict": "accept", "duties": duties}
    mira.good("POST", "/api/v1/reviews/", {**body, "signature": mira.sign(asked["statement"])})


def asked(person: Keyboard, environment: str, word: str) -> dict[str, Any]:
    wish = {"procedure": "note-down", "environment": environment, "reason": "a test", "parameters": {"word": word}}
    found: dict[str, Any] = person.good("POST", "/api/v1/runs/", wish)
    return found


def ended(installed: Installed, person: Keyboard, run: dict[str, Any]) -> str:
    """The state in which a run ended; else what the processes last said."""
    until = time.monotonic() + 120
    while (state := person.good("GET", f"/api/v1/runs/{run['id']}/")["state"]) not in OVER:
        if time.monotonic() > until:
            said = {name: installed.engine.log(name).read_text()[-1500:] for name in WORKERS}
            pytest.fail(f"it is {state}: {said}")
        time.sleep(0.3)
    return str(state)


def noted(installed: Installed, environment: str, word: str) -> list[str]:
    """What the host itself wrote down of a run."""
    path = installed.engine.folder / f"target-{environment}" / "notes"
    return [line.partition(" ")[0] for line in path.read_text().splitlines() if line.endswith(f" {word}")]


def test_a_run_in_each_environment_and_the_approval_of_one(installed: Installed, company: Company) -> None:
    quinn, petra = company["quinn"], company["petra"]
    assert ended(installed, quinn, asked(quinn, "staging", "s1")) == "succeeded"
    quinn.step_up()
    run = asked(quinn, "production", "p1")
    if run["state"] == "awaiting_approval":
        plan = petra.good("GET", f"/api/v1/runs/{run['id']}/plan/")
        statement = petra.good("GET", f"/api/v1/runs/{run['id']}/statement/?verdict=approve")["statement"]
        said = {"plan_digest": plan["plan_digest"], "comment": "Seen.", "signature": petra.sign(statement)}
        petra.good("POST", f"/api/v1/runs/{run['id']}/approve/", said)
    assert ended(installed, quinn, run) == "succeeded"
    for environment, word in (("staging", "s1"), ("production", "p1")):
        assert noted(installed, environment, word) == ["first", "last"]
    assert quinn.good("GET", f"/api/v1/runs/{run['id']}/")["state"] == "succeeded"


def test_a_schedule_fires_once(installed: Installed, company: Company) -> None:
    subject, quinn = str(uuid7()), company["quinn"]
    named = {"account": subject, "username": "nightbot", "name": "Night", "owner": quinn.subject}
    company.both("service_account", named)
    at = datetime.now(UTC)
    right = {"principal": f"person:{subject}", "verbs": ["run"], "environments": ["staging"], "procedure": "note-down"}
    until = moment(at + timedelta(days=3))
    company.both("grant", {**right, "not_before": moment(at), "expires_at": until, "reason": "at night"})
    made = {"name": "soon", "procedure": "note-down", "environment": "staging", "account": subject, "targets": []}
    made |= {
        "parameters": {"word": "n1"},
        "late": "run_once",
        "overlap": "queue",
        "reason": "once",
        "expires_at": until,
    }
    when = {"at": moment(datetime.now(UTC) + timedelta(seconds=20))}
    asks = company["mira"].good("POST", "/api/v1/schedules/preview/", {"object": {**made, "when": when}})
    company.both("schedule", asks["object"])
    wait_until(lambda: "last" in noted(installed, "staging", "n1"), "the schedule fires")
    assert noted(installed, "staging", "n1") == ["first", "last"]


def test_a_runner_that_is_told_to_stop_hands_its_run_over(installed: Installed, company: Company) -> None:
    engine, quinn = installed.engine, company["quinn"]
    run = asked(quinn, "staging", "d1")
    wait_until(lambda: noted(installed, "staging", "d1") == ["first"], "its first step")
    process = engine.started["runner-staging"]
    os.kill(innermost(process.pid), signal.SIGTERM)
    process.wait(60)
    engine.start("runner-staging")
    assert ended(installed, quinn, run) == "succeeded"
    assert noted(installed, "staging", "d1") == ["first", "last"]


def innermost(pid: int) -> int:
    """The process that a container's runtime would signal: the last in a row of wrappers."""
    while True:
        below = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split()
        if len(below) != 1:
            return pid
        pid = int(below[0])


def test_a_pack_of_it_all_verifies(installed: Installed, company: Company) -> None:
    wait_until(lambda: _pack(installed, company)["verdict"] == "SIGNED", "the log")
    found = _pack(installed, company)
    assert (found["verdict"], found["asserted"]) == ("SIGNED", [])


def _pack(installed: Installed, company: Company) -> Any:
    pack = company["mira"].good("POST", "/api/v1/evidence/exports/", {})
    return verify.verify(pack, (installed.engine.volume("log-public") / "evidence.pub").read_text().strip())


def test_every_part_came_by_its_own_login_and_none_was_refused_anything(installed: Installed, company: Company) -> None:
    with psycopg.connect(host=str(installed.engine.binds[0]), user="opsportal", dbname="opsportal") as link:
        rows = link.execute("SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = 'opsportal'").fetchall()
    parts = {Names("opsportal").of(*name.split("-")) for name in WORKERS} - {"opsportal_web", "opsportal_egress"}
    assert parts <= {name for (name,) in rows}, "the connections of those two end with what they are asked"
    for name in WORKERS:
        said = installed.engine.log(name).read_text()
        assert "permission denied" not in said, name
        assert "row-level security" not in said, name
    log = (Path(installed.engine.binds[0]) / "log").read_text()
    assert "permission denied" not in log


def test_installing_again_changes_nothing(installed: Installed, company: Company) -> None:
    done = installed.engine.run("install")
    assert done.returncode == 0, done.stderr
    assert "The roles have what they need; nothing to do." in done.stdout


__all__ = ["Practice"]
