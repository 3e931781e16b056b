"""Runs as pages show them: lists by keyset, and one run with its steps, cells and times."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from procedures import access
from procedures.domain.canonical import parse
from procedures.domain.errors import NotFound
from procedures.domain.states import TERMINAL_RUN_STATES, RunState
from procedures.models import Person, Run
from procedures.queries import auditing

PAGE = 50
OF_A_TASK = (
    "id",
    "phase",
    "step",
    "target",
    "attempt",
    "state",
    "started_at",
    "ended_at",
    "exit_status",
    "message",
    "batch",
    "remote",
    "facts",
)
UNDER_WAY = (RunState.RUNNING.value, RunState.WAITING.value, RunState.QUEUED.value, RunState.PLANNING.value)
ENDED = tuple(sorted(state.value for state in TERMINAL_RUN_STATES))
WRONG = ("failed", "timed_out", "unreachable", "interrupted", "canceled")


@dataclass(frozen=True, slots=True)
class RunFilter:
    """What a list of runs is narrowed to; empty means everything the person may see."""

    state: str = ""
    environment: str = ""
    procedure: str = ""
    mine: bool = False
    before: int | None = None


def seen_by(person: Person, at: datetime) -> QuerySet[Run]:
    """Runs this person may know of: own ones, and those that they may view, approve or audit where they ran."""
    runs = Run.objects.select_related("procedure", "environment", "requester", "version", "pause_asked_by")
    return access.visible_runs(runs, person, "view", "approve", "audit", at=at)


def list_runs(person: Person, wanted: RunFilter, at: datetime) -> tuple[list[Run], int | None]:
    """One page of runs, newest first, and the number to go on before, or None at the end."""
    runs = seen_by(person, at)
    if wanted.state == "live":
        runs = runs.filter(state__in=[*UNDER_WAY, RunState.AWAITING_APPROVAL.value, RunState.REQUESTED.value])
    elif wanted.state:
        runs = runs.filter(state=wanted.state)
    if wanted.environment:
        runs = runs.filter(environment_id=wanted.environment)
    if wanted.procedure:
        runs = runs.filter(procedure__name=wanted.procedure)
    if wanted.mine:
        runs = runs.filter(requester=person)
    if wanted.before is not None:
        runs = runs.filter(no__lt=wanted.before)
    rows = list(runs.order_by("-no")[: PAGE + 1])
    return rows[:PAGE], rows[PAGE - 1].no if len(rows) > PAGE else None


def one_run(person: Person, run: UUID, at: datetime) -> Run:
    """The run, if this person may know of it. Raises NotFound."""
    row = seen_by(person, at).filter(pk=run).first()
    if row is None:
        raise NotFound("There is no such run.")
    return row


def may_read_output(person: Person, run: Run, at: datetime) -> bool:
    """Whether this person may read what the run printed: who asked for it, and who holds that right."""
    if run.requester_id == person.pk and access.within(person, "read_output", run.procedure.name, run.environment_id):
        return True
    reads = access.decide(person, "read_output", at=at, procedure=run.procedure, environment=run.environment)
    return reads.allowed or auditing.audits_run(person, run, at)


def usual_s(procedure: UUID, environment: str | None = None) -> float | None:
    """The median length of the last twenty successful runs, in seconds."""
    runs = Run.objects.filter(procedure_id=procedure, state=RunState.SUCCEEDED.value, started_at__isnull=False)
    if environment:
        runs = runs.filter(environment_id=environment)
    ends = runs.order_by("-id").values_list("started_at", "ended_at")[:20]
    times = [(ended - began).total_seconds() for began, ended in ends if began and ended]
    return median(times) if times else None


def took_s(run: Run, at: datetime) -> float | None:
    """How long a run has worked so far, or worked in all, in seconds."""
    if run.started_at is None:
        return None
    return ((run.ended_at or at) - run.started_at).total_seconds()


def plan_of(run: Run) -> dict[str, Any]:
    """The plan as a value; empty if the run never got one."""
    data = run.plan_now
    plan: dict[str, Any] = parse(data) if data else {}
    return plan


def asks(run: Run) -> dict[str, Any] | None:
    """What the gate at which a run stands asks for, and of whom; None where it asks for no values."""
    if not run.waiting_form:
        return None
    step = next(row for row in plan_of(run)["steps"] if row["id"] == run.waiting_gate)
    does = step["effects"][0]["does"]
    return {"gate": run.waiting_gate, "of": does.get("answerers", "requester"), "form": does["form"]}


@dataclass(slots=True)
class StepRow:
    """One step of a run: its tasks by target (last attempt), and when it was at work."""

    id: str
    name: str
    action: str
    phase: str
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    spans: list[tuple[datetime, datetime | None, str]] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        return dict(Counter(task["state"] for task in self.tasks.values()))

    @property
    def done(self) -> int:
        return sum(task["ended_at"] is not None for task in self.tasks.values())

    @property
    def state(self) -> str:
        """Derived from the tasks: running beats failed beats done (a step's state is stored nowhere)."""
        counts = self.counts
        for state in ("running", "interrupted", "failed", "timed_out", "unreachable", "canceled"):
            if counts.get(state):
                return state
        if counts.get("pending") or not counts:
            return "pending"
        return "skipped" if set(counts) == {"skipped"} else "succeeded"


def steps_of(run: Run, plan: dict[str, Any]) -> list[StepRow]:
    """The steps in the order of the plan, those of rollback and always only once they have a task."""
    rows: dict[tuple[str, str], StepRow] = {}
    for step in plan.get("steps", []):
        rows[step["phase"], step["id"]] = StepRow(step["id"], step["name"] or step["id"], step["action"], step["phase"])
        for effect in step["effects"]:
            for target in effect["targets"]:
                rows[step["phase"], step["id"]].tasks[target] = _pending(step["id"], target)
    tasks = run.tasks.order_by("position", "batch", "target", "attempt").values(*OF_A_TASK)
    begun = set()
    for task in tasks:
        key = (task["phase"], task["step"])
        begun.add(key)
        row = rows.setdefault(key, StepRow(task["step"], task["step"], "", task["phase"]))
        row.tasks[task["target"]] = dict(task)
        if task["started_at"] and task["state"] != "skipped":
            row.spans.append((task["started_at"], task["ended_at"], task["state"]))
    over = run.state in ENDED
    return [
        row for key, row in rows.items() if row.phase == "steps" or key in begun or (row.phase == "always" and not over)
    ]


def _pending(step: str, target: str) -> dict[str, Any]:
    return {
        "step": step,
        "target": target,
        "attempt": 1,
        "state": "pending",
        "started_at": None,
        "ended_at": None,
        "exit_status": None,
        "message": "",
    }


def went_wrong(rows: list[StepRow]) -> list[dict[str, Any]]:
    """Tasks whose last attempt ended badly, each with the `name` of its step, in the order of the steps."""
    return [task | {"name": row.name} for row in rows for task in row.tasks.values() if task["state"] in WRONG]


def shares(rows: list[StepRow]) -> tuple[list[tuple[str, float]], int, int]:
    """Segments of the progress bar, how many tasks are done, and how many there are."""
    states = Counter(task["state"] for row in rows for task in row.tasks.values())
    total = sum(states.values()) or 1
    done = states["succeeded"] + states["skipped"]
    bad = sum(states[state] for state in WRONG)
    parts = [("done", done / total), ("live", states["running"] / total), ("failed", bad / total)]
    return [part for part in parts if part[1]], done + bad, sum(states.values())


def last_outcomes(procedures: list[UUID], *, each: int = 10) -> dict[UUID, list[str]]:
    """Outcomes of the last ended runs by procedure, oldest first."""
    found: dict[UUID, list[str]] = {}
    for procedure in procedures:
        ended = Run.objects.filter(procedure_id=procedure, state__in=ENDED).order_by("-id")
        found[procedure] = list(ended.values_list("state", flat=True)[:each])[::-1]
    return found
