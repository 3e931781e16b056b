"""A portal on PostgreSQL and a Redis of its own, killed part by part at seeded moments while runs are under way.

What happened is held against a log that the hosts keep, not against the portal's own word.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg

from opsportal.demo.client import PASSWORD, Keyboard
from opsportal.demo.company import Company
from opsportal.demo.hosts import Host
from opsportal.supervisor.portal import Portal, PortalDidNotStart
from procedures.evidence import verify
from tests.actions.calls import processes
from tests.faults.cluster import Cluster, new_cluster

ASKERS = ("mira", "quinn", "petra", "max", "ines", "olga", "sven", "clara")
OVER = ("succeeded", "failed", "timed_out", "canceled", "denied", "rejected", "expired", "interrupted")
AT_ONCE, HOSTS, EACH = 8, 8, 2
YAML = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: storm}
spec:
  owner: group:default/x
  type: operation
  risk: moderate
  environments: [staging]
  timeout: 5m
  parameters: {properties: {word: {type: string, title: Word, maxLength: 100, default: x}}}
  targets: {filter: "role=web", narrow: true, strategy: {mode: rolling, batch: 1}}
  credentials: {deploy: {kind: ssh, ttl: 2m}}
  steps:
    - {id: first, idempotent: true, <<STEP>>, input: {script: note.sh, env: {STEP: first}}}
    - {id: once, <<STEP>>, input: {script: note.sh, env: {STEP: once}}}
    - {id: last, idempotent: true, <<STEP>>, input: {script: note.sh, env: {STEP: last}}}
""".replace("<<STEP>>", 'action: "ssh:script", credentials: [deploy], timeout: 30s')
SCRIPT = 'echo "$STEP $PARAM_WORD" >>"$HOME/notes"\nsleep 0.2\necho "done $STEP $PARAM_WORD" >>"$HOME/notes"\n'


@dataclass(slots=True)
class Storm:
    """The portal, its database, its hosts, and what was asked of it."""

    cluster: Cluster
    portal: Portal
    hosts: list[NotedHost]
    company: Company
    chance: random.Random
    words: list[str] = field(default_factory=list)
    struck: Counter[str] = field(default_factory=Counter)

    def ask(self, number: int) -> None:
        """Ask until the portal answers; the same key each time, so that it is one run however often it is said."""
        person, word = self.company[ASKERS[number % len(ASKERS)]], f"w{number}x{self.chance.randrange(1 << 40):x}"
        two = sorted(self.chance.sample([host.name for host in self.hosts], EACH))
        body: dict[str, Any] = {"procedure": "storm", "environment": "staging", "reason": "a storm"}
        body |= {"parameters": {"word": word}, "targets": two}
        end = time.monotonic() + 120
        while time.monotonic() < end:
            with contextlib.suppress(httpx.HTTPError):
                person.call("POST", "/api/v1/runs/", body, headers={"Idempotency-Key": word})
                if person.status in {201, 202}:
                    self.words.append(word)
                    return
            time.sleep(0.5)
        raise AssertionError(f"nobody answered {person.name}: {person.status} {person.body}")

    def open_runs(self) -> int:
        return self.count("NOT state = ANY(%s)", otherwise=AT_ONCE)

    def over_runs(self) -> int:
        return self.count("state = ANY(%s)", otherwise=0)

    def count(self, which: str, *, otherwise: int) -> int:
        """How many runs are so; `otherwise` while nobody can be asked."""
        try:
            rows = self.cluster.rows(f"SELECT count(*) FROM procedures_run WHERE {which}", list(OVER))  # noqa: S608
        except psycopg.Error:
            return otherwise
        return int(rows[0][0])

    def strike(self) -> None:
        """One thing dies, or stands still for a moment."""
        what = self.chance.choice(["runner", "runner", "broker", "database", "sequencer", "keeper", "told to stop"])
        self.struck[what] += 1
        with contextlib.suppress(PortalDidNotStart, ProcessLookupError):
            if what == "database":
                self.cluster.stop()
                time.sleep(self.chance.uniform(0.0, 3.0))
                self.cluster.start()
            elif what == "sequencer":
                for pid in sequencers(self.portal.pid("keeper")):
                    os.kill(pid, signal.SIGKILL)
            elif what == "told to stop":
                self.portal.kill("runner", signal.SIGTERM)
            else:
                self.portal.kill(what, signal.SIGKILL)

    def blow(self, runs: int) -> None:
        """Ask for so many runs, a few at once, while things die; then wait until all is quiet.

        Strikes are counted in runs that ended, not in seconds: a slow machine sees the same storm as a quick one.
        """
        next_strike = 1
        for number in range(runs):
            while self.open_runs() >= AT_ONCE:
                if (over := self.over_runs()) >= next_strike:
                    time.sleep(self.chance.uniform(0.0, 2.0))
                    self.strike()
                    next_strike = over + self.chance.randint(4, 14)
                time.sleep(0.1)
            self.ask(number)
        until(lambda: self.open_runs() == 0 and self.waits_for_nobody(), within=240)

    def waits_for_nobody(self) -> bool:
        """No run is about to go on by itself, and the log has everything."""
        resume = "SELECT count(*) FROM procedures_run WHERE resume_at IS NOT NULL AND deadline_at > now()"
        outbox = "SELECT count(*) FROM evidence_outbox"
        return all(self.cluster.rows(question)[0][0] == 0 for question in (resume, outbox))

    def notes(self) -> Counter[str]:
        return Counter(line for host in self.hosts for line in host.notes)

    def judge(self) -> dict[str, int]:
        """Hold what the portal says against what the hosts wrote down. Returns how the runs ended."""
        rows = self.cluster.rows("SELECT id, state, parameters->>'word', continues_id FROM procedures_run")
        ends = Counter(state for _, state, _, _ in rows)
        assert set(ends) <= set(OVER), ends
        self.one_ending_each()
        self.nothing_twice(rows)
        self.nothing_left()
        key = self.company["mira"].good("GET", "/api/v1/evidence/log/")["log_key"]
        pack = self.company["mira"].good("POST", "/api/v1/evidence/exports/", {})
        assert verify.verify(pack, key)["verdict"] == "SIGNED"
        return dict(ends)

    def one_ending_each(self) -> None:
        sealed = "SELECT 1 FROM evidence_runcounter c WHERE c.run = r.id AND c.sealed"
        unsealed = f"SELECT count(*) FROM procedures_run r WHERE NOT EXISTS ({sealed})"  # noqa: S608 - our own words
        assert self.cluster.rows(unsealed)[0][0] == 0
        gaps = (
            "SELECT run FROM evidence_event WHERE run IS NOT NULL GROUP BY run HAVING count(*) <> max(n) OR min(n) <> 1"
        )
        assert self.cluster.rows(gaps) == [], "evidence of a run was lost"
        seals = ["run.finished", "run.canceled", "run.denied", "run.rejected", "run.expired", "run.interrupted"]
        twice = "SELECT run FROM evidence_event WHERE kind = ANY(%s) GROUP BY run HAVING count(*) <> 1"
        assert self.cluster.rows(twice, seals) == [], "a run ended twice"
        lost = "SELECT count(*) FROM evidence_event e LEFT JOIN evidence_leaf l ON l.event_id = e.id WHERE l IS NULL"
        assert self.cluster.rows(lost)[0][0] == 0, "an event is in no leaf"

    def nothing_twice(self, rows: Sequence[tuple[Any, ...]]) -> None:
        notes, good = self.notes(), {word for _, state, word, _ in rows if state == "succeeded"}
        assert len({word for _, _, word, before in rows if before is None}) == len(self.words), "a run was asked twice"
        for word in self.words:
            assert notes[f"once {word}"] <= EACH, f"{word}: a step that nobody declared idempotent ran twice"
            if word in good:
                found = [notes[f"done {step} {word}"] for step in ("first", "once", "last")]
                assert min(found) >= EACH, f"{word} succeeded, and the hosts saw {found}"
                assert found[1] == EACH
        for host in self.hosts:
            assert max(Counter(line for line in host.notes if line.startswith("once ")).values(), default=0) <= 1

    def nothing_left(self) -> None:
        assert self.cluster.rows("SELECT count(*) FROM procedures_claim")[0][0] == 0
        left = "SELECT count(*) FROM procedures_leaserecord WHERE state <> 'revoked'"
        assert self.cluster.rows(left)[0][0] == 0, "a lease is left open"
        assert [word for word in self.words if processes(word)] == []


@dataclass(slots=True)
class NotedHost(Host):
    """A host whose steps write down that they began and ended."""

    @property
    def notes(self) -> list[str]:
        path = self.home / "notes"
        return path.read_text().splitlines() if path.exists() else []


def sequencers(parent: int) -> list[int]:
    """Pids of the sequencer below a keeper."""
    found = subprocess.run(
        ["pgrep", "-P", str(parent), "-f", "sequencer_main"], capture_output=True, text=True, check=False
    )
    return [int(pid) for pid in found.stdout.split()]


def until(question: Callable[[], bool], *, within: float) -> None:
    end = time.monotonic() + within
    while True:
        with contextlib.suppress(psycopg.Error):
            if question():
                return
        assert time.monotonic() < end, "it did not become quiet"
        time.sleep(0.3)


@contextmanager
def storm(seed: int, host_number: int) -> Iterator[Storm]:
    """Everything started and furnished, and gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="opsportal-storm-", dir="/var/tmp"))
    folder.chmod(0o711)
    cluster = new_cluster()
    hosts = [NotedHost(f"web-0{n}", folder / f"web-0{n}", 106 + n + host_number) for n in range(1, HOSTS + 1)]
    environ = {
        "OPSPORTAL_RUNNER_ADDRESS": "127.0.0.1/32",
        "OPSPORTAL_HEARTBEAT_LOST_S": "10",
        "DATABASE_URL": cluster.url,
    }
    portal = Portal(folder / "portal", environ=environ)
    try:
        cluster.start()
        for host in hosts:
            host.start()
        portal.start()
        yield Storm(cluster, portal, list(hosts), furnish(portal, hosts, folder), random.Random(seed))
    finally:
        portal.stop()
        for host in hosts:
            host.stop()
        cluster.stop(signal.SIGINT)
        shutil.rmtree(cluster.folder, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def furnish(portal: Portal, hosts: Sequence[Host], folder: Path) -> Company:
    """People who may run it, so many that nobody asks too often, and the procedure accepted."""
    keys = folder / "people"
    keys.mkdir(mode=0o700)
    company = Company(portal.url, keys)
    assert portal.first_link is not None
    company.found(portal.first_link)
    company.people["jonas"] = mira = company["mira"]
    company.add_hosts({"staging": list(hosts)})
    for name in (*ASKERS[1:], "adam"):
        invited = mira.good("POST", "/api/v1/people/", {"username": name, "name": name.title()})
        token = invited["invitation"].strip("/").rpartition("/")[2]
        company[name].good("POST", "/api/v1/join/", {"token": token, "password": PASSWORD})
        company[name].login()
    company.grant("adam", ["author"], [])
    version = company["adam"].good("POST", "/api/v1/versions/", files={"bundle": ("b.tar.gz", bundle())})
    accept(mira, version)
    for name in ASKERS[1:]:
        company.grant(name, ["run", "view"], ["staging"], procedure="storm")
    return company


def accept(mira: Keyboard, version: dict[str, Any]) -> None:
    duties = ["operations", "security"]
    asked = mira.good(
        "GET", f"/api/v1/versions/{version['id']}/statement/", params={"verdict": "accept", "duties": duties}
    )
    body = {"version": version["id"], "digest": version["digest"], "verdict": "accept", "duties": duties}
    mira.good("POST", "/api/v1/reviews/", {**body, "signature": mira.sign(asked["statement"])})


def bundle(yaml: str = YAML, script: str = SCRIPT) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for path, text in {"procedure.yaml": yaml, "note.sh": script, "README.md": "x"}.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return raw.getvalue()


if __name__ == "__main__":
    with storm(int(sys.argv[1]), 0) as made:
        made.blow(int(sys.argv[2]))
        print(made.judge(), dict(made.struck))  # noqa: T201
