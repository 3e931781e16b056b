"""A run in each state that the engine knows, on a portal with long names, other scripts and five hundred hosts.

The rows are put in as the engine leaves them, with its own words, since most of these states last seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from procedures.domain.canonical import canon, parse
from procedures.domain.clock import now
from procedures.models import (
    Claim,
    Environment,
    Hold,
    LogChunk,
    Person,
    Run,
    RunComment,
    Runner,
    SecretResult,
    Target,
    Task,
)
from tests.browser import engine_places
from tests.browser.engine_places import HOSTS, RTL, WORD
from tests.factories.transitions import unevidenced
from tests.web.town import Town

WHY = f"CHG-4822 {WORD} 🚀 {RTL} <b>not markup</b>"
TICKET = {"type": "string", "title": f"Ticket {RTL}"}
FORM = {"type": "object", "required": ["ticket"], "properties": {"ticket": TICKET}}
LOST = "Lost contact with the runner: the outcome is unknown."
DEAD = "Looked at on the host: 2 processes of it were ended."
ALARM = 'The alarm errors{service="checkout"} > 0.05 is bad: 0.5. No further batch began.'
LEFT_OUT = "2 of 6 targets were left out, not being in contact: web-002, web-005."


class Runs:
    """Makes the runs; `paths` has the page of each by the name of its state."""

    def __init__(self, town: Town) -> None:
        self.town, self.at = town, now()
        self.paths: dict[str, str] = {}

    def put(
        self, name: str, state: str, hosts: Sequence[str], tasks: Sequence[Mapping[str, Any]] = (), **more: Any
    ) -> Run:
        """One run: its plan is over `hosts` in batches of two, its tasks are as given."""
        run = self.town.ask(reason=more.pop("reason", WHY)[:2000])
        plan = parse(bytes(run.plan))
        plan |= more.pop("plan", {})
        rows = Target.objects.filter(name__in=hosts).order_by("name")
        plan["targets"] = [{"name": row.name, "address": row.address, "tags": row.tags} for row in rows]
        plan["batches"] = [list(hosts[n : n + 2]) for n in range(0, len(hosts), 2)] or [[]]
        first = plan["steps"][0]
        does = first["effects"][0]["does"]
        plan["steps"] = [
            first | {"id": step, "name": title, "effects": [{"does": does, "targets": list(hosts) or [""]}]}
            for step, title in (("drain", f"Drain {WORD} {RTL} 🚀"), ("restart", "Restart"), ("check", "Check"))
        ]
        if gate := more.get("waiting_gate"):
            asks = {"answerers": "requester", "form": FORM} if more.get("waiting_form") else {}
            stands = {"id": gate, "name": f"Gate {WORD}", "action": "gate:approval"}
            plan["steps"][1] = first | stands | {"effects": [{"does": asks, "targets": [""]}]}
        begun = self.at - timedelta(minutes=9)
        fields: dict[str, Any] = {"state": state, "state_since": self.at, "plan": canon(plan), "started_at": begun}
        if state in {"succeeded", "failed", "timed_out", "canceled", "interrupted", "rejected", "denied"}:
            fields["ended_at"] = self.at - timedelta(minutes=1)
        with unevidenced():
            Run.objects.filter(pk=run.pk).update(**{**fields, **more})
        self._tasks(run, begun, tasks)
        self.paths[name] = f"/runs/{run.pk}/"
        run.refresh_from_db()
        return run

    def _tasks(self, run: Run, begun: datetime, tasks: Sequence[Mapping[str, Any]]) -> None:
        for number, row in enumerate(tasks):
            state = row["state"]
            given = {"phase": "steps", "position": 0, "attempt": 1, "started_at": begun + timedelta(seconds=number)}
            if state != "running":
                given["ended_at"] = begun + timedelta(seconds=60 + 30 * number)
            with unevidenced():
                task = Task.objects.create(run=run, **{**given, **row})
            text = f"\x1b[32m{row['step']}\x1b[0m {WORD} {RTL}\n{row.get('message', '')}\n"
            said = {"task": task, "step": task.step, "target": task.target, "stream": "stdout", "at": begun}
            LogChunk.objects.create(run=run, seq=number + 1, text=text, **said)

    def results(self) -> None:
        """What a run made in secret: kept for one person and for readers, on its way, there, lost, and gone."""
        ends = {"expires_at": self.at + timedelta(hours=20), "content": b"age", "ended_at": None}
        vault = {"deliver": "vault", "where": f"secret/data/{WORD} of Vault, with the credential {WORD[:60]}"}
        lost = vault | {"state": "undelivered", "why": f"Vault answered 403 to put {WORD} {RTL} <b>not markup</b>"}
        rows = [
            {"name": "password", "deliver": "once", "state": "kept", **ends},
            {"name": f"dump-{WORD[:50]}", "deliver": "readers", "state": "kept", "classification": "personal", **ends},
            {"name": "token", **vault, "state": "sending", "ended_at": None},
            {"name": "key", **vault, "state": "delivered"},
            {"name": "certificate", **lost},
            {"name": "pin", "deliver": "once", "state": "picked_up"},
            {"name": "hint", "deliver": "once", "state": "expired"},
        ]
        for name, state in (("run-results", "succeeded"), ("run-results-live", "running")):
            run = self.put(name, state, HOSTS[:2], [_at(HOSTS[0], "succeeded"), _at(HOSTS[1], "succeeded")])
            for row in rows:
                given = {"where": f"once to {WORD[:60]} {RTL}", "made_at": self.at, "ended_at": self.at, **row}
                with unevidenced():
                    SecretResult.objects.create(run=run, task=run.tasks.latest("id"), **given)
            self.paths[f"{name}-kept"] = self.paths[name] + "?tab=outputs"

    def waiting(self) -> None:
        """What waits: for approval, behind a stop, in the queue, for a lock, for a runner."""
        gate = {"approvals_needed": {"operations": 1}, "approval_expires_at": self.at + timedelta(hours=3)}
        queued = {"started_at": None, "queued_at": self.at}
        self.put("run-asked", "awaiting_approval", HOSTS[:3], started_at=None, **gate)
        self.put("run-queued", "queued", HOSTS[:3], **queued)
        holder = self.put("run-holds", "running", HOSTS[:3], [_at(HOSTS[0], "running")])
        self._claimed(holder)
        behind = self.put("run-locked", "queued", HOSTS[:3], **queued)
        for run in (holder, behind):
            for row in Target.objects.filter(name__in=HOSTS[:3]):
                Hold.objects.get_or_create(run=run, name=f"target:{row.pk}")
        nowhere = self.put("run-no-runner", "queued", HOSTS[:1], **queued)
        Run.objects.filter(pk=nowhere.pk).update(environment_id="staging")
        Environment.objects.filter(pk="staging").update(frozen_until_at=self.at + timedelta(hours=9))
        Environment.objects.filter(pk="development").update(queue={"running": 1, "person_running": 1})

    def _claimed(self, run: Run) -> None:
        runner = Runner.objects.get(name__startswith=RTL)
        Claim.objects.create(run=run, runner=runner, token=uuid4(), claimed_at=self.at, heartbeat_at=self.at)

    def live(self) -> None:
        """Under way, and parked in each way."""
        jonas = self.town.people["jonas"]
        done, until = [_at(name, "succeeded") for name in HOSTS[:3]], self.at + timedelta(hours=5)
        pauses = {"pause_asked_at": self.at, "pause_asked_by": jonas, "pause_reason": WHY[:2000]}
        paused = pauses | {"paused_at": self.at, "waiting_until_at": until, "message": f"Paused by {jonas.name}: {WHY}"}
        self.put("run-long", "running", HOSTS, [_at(name, "succeeded") for name in HOSTS[:200]])
        self.put("run-pausing", "running", HOSTS[:6], [*done, _at(HOSTS[3], "running")], **pauses)
        self.put("run-paused", "waiting", HOSTS[:6], done, **paused)
        self.put("run-gate", "waiting", HOSTS[:6], done, waiting_gate="look", waiting_until_at=until, message=WHY)
        asks = {"waiting_gate": "ask", "waiting_form": True, "waiting_until_at": until}
        asks |= {"message": f"Which ticket? {WHY}"}
        self.put("run-asks", "waiting", HOSTS[:6], done, **asks)
        self.put("run-until", "waiting", HOSTS[:6], done, waiting_until_at=until)
        cancels = {"cancel_requested_at": self.at, "cancel_requested_by": jonas}
        self.put("run-stopping", "running", HOSTS[:6], [*done, _at(HOSTS[3], "running")], **cancels)

    def over(self) -> None:
        """Ended, well and in each bad way."""
        good = [_at(name, "succeeded") for name in HOSTS[:6]]
        fine = self.put("run-succeeded", "succeeded", HOSTS[:6], good, output={"values": {"url": WORD}, "links": []})
        for body, who in ((f"@aisha {WHY}", "mira"), (f"{RTL} 🚀\nSeen, thank you.", "aisha")):
            with unevidenced():
                RunComment.objects.create(run=fine, author=self.town.people[who], body=body, at=self.at)
        bad = [_at(HOSTS[4], "failed", message=f"It ended with exit status 3. {WORD}", exit_status=3)]
        bad += [_at(HOSTS[5], "unreachable", message="Connection refused.")]
        batches = {"message": f"Drain failed on {HOSTS[4]}.", "parameters": {"name": WORD}}
        self.put("run-batches", "failed", HOSTS[:8], [*good[:4], *bad], **batches)
        alone = _at("", "failed", message="It ended with exit status 1.")
        self.put("run-failed", "failed", [], [alone], message="Drain failed.")
        self.put("run-alarm", "failed", HOSTS[:8], good[:4], message=ALARM)
        out = [_at(name, "unreachable", message="Connection refused.", phase="contact") for name in HOSTS[4:6]]
        out = [row | {"step": "contact"} for row in out]
        excluded = {"output": {"excluded": HOSTS[4:6]}, "message": LEFT_OUT}
        self.put("run-left-out", "succeeded", HOSTS[:6], [*out, *good[:4]], **excluded)
        lost = [_at(name, "interrupted", message=LOST, remote="unknown") for name in HOSTS[4:6]]
        lost[1] |= {"remote": "dead", "facts": {"looked": DEAD}}
        self.put("run-lost", "interrupted", HOSTS[:6], [*good[:4], *lost], message=LOST)
        ended = [_at(HOSTS[4], "canceled", message=f"Canceled. {DEAD}", remote="dead", facts={"looked": DEAD})]
        self.put("run-canceled", "canceled", HOSTS[:6], [*good[:4], *ended], message=f"Canceled by Jonas Weber: {WHY}")
        self.put("run-timed-out", "timed_out", HOSTS[:2], good[:1], message="The run's time was over.")
        again = self.put("run-again", "running", HOSTS[4:6], [_at(HOSTS[4], "running")])
        first = Run.objects.get(pk=self.paths["run-batches"].split("/")[2])
        Run.objects.filter(pk=again.pk).update(again_of=first)
        carried = [good[0] | {"carried": first}, _at(HOSTS[1], "running")]
        on = self.put("run-on", "running", HOSTS[:4], carried)
        Run.objects.filter(pk=on.pk).update(continues=first)


def _at(host: str, state: str, **more: Any) -> dict[str, Any]:
    return {"step": "drain", "target": host, "state": state, **more}


def runs_of(town: Town, which: str) -> dict[str, tuple[str, str]]:
    """The pages of the runs that are `waiting`, `live` or `over`, or made `results`, as their requester sees them."""
    engine_places.targets_of(town)
    engine_places.runners_of(town)
    long = f"Bartholomäus {WORD[:90]} 🚀 {RTL}"
    Person.objects.filter(pk=town.people["mira"].pk).update(name=long[:200])
    for person in town.people.values():
        person.refresh_from_db()
    made = Runs(town)
    getattr(made, which)()
    found = {name: ("mira", path) for name, path in made.paths.items()}
    for name in {"run-asked", "run-gate", "run-asks"} & set(found):
        found[f"{name}-decided"] = ("aisha", found[name][1].replace("/runs/", "/approvals/"))
        found[f"{name}-seen"] = ("aisha", found[name][1])
    return found
