"""The day, line by line: what each person does, what the portal answers, and where it stands in the evidence."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opsportal.demo.client import PASSWORD, Keyboard
from opsportal.demo.company import Company
from procedures.evidence import verify

ENDED = {"succeeded", "failed", "timed_out", "canceled", "denied", "rejected", "expired", "interrupted"}


class Story:
    """Prints each step and remembers it for story.json."""

    def __init__(self, company: Company, data_dir: Path, runbooks: Path) -> None:
        self.company, self.data_dir, self.runbooks = company, data_dir, runbooks
        self.steps: list[dict[str, Any]] = []
        self.pack = data_dir / "pack.zip"

    def tell(self, who: str, says: str, request: str, person: Keyboard | None = None, **facts: Any) -> None:
        row: dict[str, Any] = {"who": who, "what": says, "request": request}
        if person is not None:
            row["status"] = person.status
            if person.status >= 400:
                row |= {"problem": person.body.get("type"), "event": person.body.get("event")}
        row |= facts
        self.steps.append(row)
        mark = "refused" if row.get("status", 0) >= 400 or facts.get("refused") else "ok"
        print(f"  {who:<8} {says}  [{mark}]", flush=True)

    def wrong(self, why: str) -> None:
        raise SystemExit(f"The demo went wrong: {why}")

    def typed(self, who: str, says: str, *words: str, code: int = 0, stdin: str = "", **facts: Any) -> str:
        """A line that a person types at the command line; gives what it printed."""
        done = self.company[who].type(*words, stdin=stdin)
        shown = f"opsportal {' '.join(words)}"
        self.steps.append({"who": who, "what": says, "command": shown, "exit": done.returncode, **facts})
        print(f"  {who:<8} {says}  [{'ok' if done.returncode == 0 else 'refused' if code else 'failed'}]", flush=True)
        self.expect(done.returncode == code, f"{shown} ended {done.returncode}: {done.stderr[-600:]}")
        return done.stdout

    def sign_in(self, *names: str) -> None:
        for name in names:
            self.company[name].type("login", "--username", name, "--password-stdin", stdin=PASSWORD + "\n")

    def submit(self) -> dict[str, Any]:
        """A copy of the shipped runbook with the team's own note in it, so that its author is Adam."""
        folder = self.data_dir / "restart-service"
        shutil.copytree(self.runbooks / "restart-service", folder)
        (folder / "NOTES.md").write_text("Reviewed with the team.\n")
        words = ["submit", str(folder), "--note", "drains before it restarts", "--json"]
        version: dict[str, Any] = json.loads(self.typed("adam", "submits restart-service", *words))
        self.steps[-1]["digest"] = version["digest"]
        return version

    def review(self, name: str, version: dict[str, Any], duty: str) -> None:
        person = self.company[name]
        asked = person.call("GET", f"/api/v1/versions/{version['id']}/statement/?verdict=accept&duties={duty}")
        person.call(
            "POST",
            "/api/v1/reviews/",
            {
                "version": version["id"],
                "digest": version["digest"],
                "verdict": "accept",
                "duties": [duty],
                "comment": "Read it.",
                "signature": person.sign(asked["statement"]),
            },
        )

    def run(self, name: str, environment: str) -> dict[str, Any]:
        person = self.company[name]
        if environment == "production":
            person.step_up()
        found: dict[str, Any] = person.good(
            "POST",
            "/api/v1/runs/",
            {
                "procedure": "restart-service",
                "environment": environment,
                "reason": "CHG-4821 pool exhausted",
                "parameters": {"service": "checkout", "grace": 0},
            },
        )
        return found

    def approve(self, name: str, run: dict[str, Any]) -> None:
        person = self.company[name]
        plan = person.call("GET", f"/api/v1/runs/{run['id']}/plan/")
        asked = person.call("GET", f"/api/v1/runs/{run['id']}/statement/?verdict=approve")
        person.call(
            "POST",
            f"/api/v1/runs/{run['id']}/approve/",
            {"plan_digest": plan["plan_digest"], "comment": "Seen.", "signature": person.sign(asked["statement"])},
        )

    def wait(self, name: str, run: dict[str, Any], *, show: bool = False) -> dict[str, Any]:
        """Follow a run to its end, printing its log on the way."""
        person, seen = self.company[name], 0
        end = time.monotonic() + 120
        while time.monotonic() < end:
            log = person.good("GET", f"/api/v1/runs/{run['id']}/log/?cursor={seen}")
            for chunk in log["results"]:
                seen = chunk["seq"]
                if show:
                    for line in chunk["text"].splitlines():
                        print(f"           {chunk['target']:<8} {line}", flush=True)
            found: dict[str, Any] = person.good("GET", f"/api/v1/runs/{run['id']}/")
            if found["state"] in ENDED:
                return found
            time.sleep(0.2)
        raise SystemExit(f"The demo went wrong: run {run['no']} did not end.")

    def intruder(self, *words: str) -> None:
        database = self.data_dir / "database" / "opsportal.sqlite3"
        subprocess.run([sys.executable, "-m", "opsportal.demo.intruder", str(database), *words], check=True)

    def expect(self, good: bool, why: str) -> None:
        if not good:
            self.wrong(f"{why}: {json.dumps(self.steps[-1:])[:1500]}")

    def refused_leaf(self, name: str, run: dict[str, Any], kind: str) -> dict[str, Any]:
        """The event of that kind of a run; the story finds it again in the pack by its index."""
        rows = self.company[name].good("GET", f"/api/v1/runs/{run['id']}/events/")["results"]
        found = next((row for row in rows if row["kind"] == kind), None)
        self.expect(found is not None, f"run {run['no']} has no {kind}")
        return {"event": found["id"] if found else "", "run": run["id"]}

    def tell_all(self) -> None:
        for part in PARTS:
            part(self)

    def add_indexes(self) -> None:
        """For each refusal its leaf index, looked up as the auditor and found again in the pack's headers."""
        headers = self.headers()
        for row in self.steps:
            if row.get("event"):
                row["index"] = next((i for i, header in enumerate(headers) if header["id"] == row["event"]), None)
                self.expect(row["index"] is not None, f"the refusal {row['what']} is not in the pack")
        (self.data_dir / "story.json").write_text(json.dumps(self.steps, indent=1))

    def headers(self) -> list[dict[str, Any]]:
        members = verify.unzip(self.pack.read_bytes())
        return [json.loads(line) for line in members["log/headers.jsonl"].splitlines()]


def authoring(story: Story) -> None:
    story.sign_in("adam", "quinn", "ines")
    version = story.submit()
    story.review("adam", version, "operations")
    adam = story.company["adam"]
    story.tell("adam", "accepts it himself", "POST /api/v1/reviews/", adam)
    story.expect(adam.status == 403, "the author accepted the own version")
    for name, duty in (("olga", "operations"), ("sven", "security")):
        story.review(name, version, duty)
        story.tell(name, f"accepts it for {duty}, signed", "POST /api/v1/reviews/", story.company[name])
        story.expect(story.company[name].status == 201, "a reviewer could not accept")


def staging(story: Story) -> None:
    words = ["run", "restart-service", "--environment", "staging", "--reason", "CHG-4821 pool exhausted"]
    shown = story.typed("quinn", "restarts checkout on staging", *words, "--service", "checkout", "--grace", "0")
    for line in shown.splitlines():
        print(f"           {line}", flush=True)
    newest = story.company["quinn"].good("GET", "/api/v1/runs/")["results"][0]
    story.steps[-1]["run"] = newest["id"]
    story.expect(newest["state"] == "succeeded", f"the staging run {newest['state']}: {newest['message']}")


def production(story: Story) -> None:
    run = story.run("quinn", "production")
    story.tell("quinn", "asks for production and waits", "POST /api/v1/runs/", story.company["quinn"], run=run["id"])
    story.expect(run["state"] == "awaiting_approval", f"the production run is {run['state']}")
    story.approve("quinn", run)
    story.tell(
        "quinn", "approves the own request", "POST /api/v1/runs/ID/approve/", story.company["quinn"], run=run["id"]
    )
    story.expect(story.company["quinn"].status == 403, "the requester approved the own run")
    story.approve("petra", run)
    story.tell(
        "petra", "sees the plan and signs", "POST /api/v1/runs/ID/approve/", story.company["petra"], run=run["id"]
    )
    story.expect(story.company["petra"].status == 200, "the approver could not approve")
    ended = story.wait("quinn", run, show=True)
    story.expect(ended["state"] == "succeeded", f"the production run {ended['state']}: {ended['message']}")


def edited_script(story: Story) -> None:
    story.intruder("edit-script")
    story.tell("intruder", "edits the stored script by SQL", "UPDATE procedures_versionfile")
    run = story.run("quinn", "staging")
    ended = story.wait("quinn", run)
    story.expect(ended["state"] == "denied", f"the edited script {ended['state']}")
    story.tell(
        "runner",
        f"refuses the claim: {ended['message'][:60]}…",
        "claim",
        refused=True,
        **story.refused_leaf("quinn", run, "run.denied"),
    )
    story.intruder("restore-script")


def inserted_grant(story: Story) -> None:
    story.intruder("insert-grant", story.company["max"].subject, "max")
    story.tell("intruder", "inserts a grant for Max with its event", "INSERT INTO procedures_grant, evidence_event")
    run = story.run("max", "production")
    story.approve("petra", run)
    ended = story.wait("max", run)
    story.expect(ended["state"] == "failed", f"the run by an inserted grant {ended['state']}")
    story.tell(
        "issuer",
        "lends nothing: the grant is asserted by the platform alone",
        "lease",
        refused=True,
        **story.refused_leaf("max", run, "lease.refused"),
    )


def audit(story: Story) -> None:
    ines = story.company["ines"]
    key = ines.good("GET", "/api/v1/evidence/log/")["log_key"]
    (story.data_dir / "log.key").write_text(key + "\n")
    story.typed("ines", "exports the evidence", "evidence", "export", "-o", str(story.pack))
    checker = Path(verify.__file__)
    words = [sys.executable, "-I", str(checker), str(story.pack), "--log-key", str(story.data_dir / "log.key")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    print("           " + "\n           ".join(done.stdout.strip().splitlines()), flush=True)
    story.tell("ines", done.stdout.strip().splitlines()[-1], "verify.py pack.zip", exit=done.returncode)
    story.expect(done.returncode == 0 and "ASSERTED BY PLATFORM" in done.stdout, "the pack did not verify as it should")
    changed = bytearray(story.pack.read_bytes())
    changed[len(changed) // 2] ^= 1
    broken = story.data_dir / "pack-changed.zip"
    broken.write_bytes(bytes(changed))
    words[3] = str(broken)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    story.tell(
        "ines",
        f"changes one byte: {done.stdout.strip().splitlines()[-1]}",
        "verify.py",
        exit=done.returncode,
        refused=True,
    )
    story.expect(done.returncode in (1, 2), "a changed pack verified")


PARTS: tuple[Callable[[Story], None], ...] = (authoring, staging, production, edited_script, inserted_grant, audit)
