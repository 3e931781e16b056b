"""Home: what waits for a person, what runs, what ran, and the first steps on a new portal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q

from procedures.domain.states import RunState, VersionState
from procedures.models import Environment, Person, Procedure, Run, Target, Version
from procedures.queries import stops
from procedures.queries.pages_runs import UNDER_WAY, StepRow, plan_of, seen_by, shares, steps_of, took_s, usual_s
from procedures.queries.pages_shell import covered


@dataclass(frozen=True, slots=True)
class Live:
    """A run under way, with what it does now."""

    run: Run
    parts: list[tuple[str, float]]
    done: int
    total: int
    now_at: str
    took: float | None
    usual: float | None


@dataclass(frozen=True, slots=True)
class FirstStep:
    """One line of the checklist that ticks itself."""

    text: str
    hint: str
    url: str
    done: bool


def live_runs(person: Person, at: datetime) -> list[Live]:
    """Runs under way that this person may see, newest first, at most eight."""
    rows = seen_by(person, at).filter(state__in=UNDER_WAY).order_by("-no")[:8]
    return [_live(run, at) for run in rows]


def _live(run: Run, at: datetime) -> Live:
    steps = steps_of(run, plan_of(run))
    parts, done, total = shares(steps)
    usual = usual_s(run.procedure_id, run.environment_id)
    return Live(run, parts, done, total, _doing(run, steps), took_s(run, at), usual)


def _doing(run: Run, steps: list[StepRow]) -> str:
    if run.state == RunState.WAITING.value:
        return run.message or f"waits at {run.waiting_gate}"
    if run.state != RunState.RUNNING.value:
        return "waits for a runner"
    busy = [(s, [t for t, task in s.tasks.items() if task["state"] == "running"]) for s in steps]
    for step, targets in busy:
        if targets:
            return f"{step.name} · {', '.join(filter(None, targets[:3])) or 'portal'}"
    return "between steps"


def recent_runs(person: Person) -> list[Run]:
    rows = Run.objects.filter(requester=person).select_related("procedure", "environment", "version").order_by("-no")
    return list(rows.exclude(state__in=UNDER_WAY)[:8])


def often_used(person: Person, at: datetime) -> list[Procedure]:
    """What this person runs most, or may run at all, at most six."""
    rights = covered(person, "run", at)
    ready = Procedure.objects.filter(versions__state=VersionState.ACCEPTED.value)
    mine = Count("runs", filter=Q(runs__requester=person), distinct=True)
    rows = ready.annotate(mine=mine).order_by("-mine", "title")[:100]
    found: list[Procedure] = [row for row in rows if rights.has(row.id)]
    return found[:6]


def environments_now() -> list[tuple[Environment, bool, int, int]]:
    """Environments: whether a switch stops all of each, how many runs are at work and how many stand in the queue."""
    stopped = {stop.environment_id for stop in stops.loud()}
    rows = Environment.objects.order_by("position", "name").annotate(
        busy=Count("runs", filter=Q(runs__state=RunState.RUNNING.value)),
        queued=Count("runs", filter=Q(runs__state=RunState.QUEUED.value)),
    )
    return [(row, bool(stopped & {row.pk, None}), row.busy, row.queued) for row in rows]


def first_steps(*, saw_evidence: bool) -> list[FirstStep]:
    """The first ten minutes of a portal (people.md, S3): each line ticks itself."""
    accepted = Version.objects.filter(accepted_at__isnull=False)
    shipped = Version.objects.filter(author_label="vendor:opsportal", state=VersionState.IN_REVIEW.value)
    hello = shipped.filter(procedure__name="hello").first()
    ended_well = Run.objects.filter(state=RunState.SUCCEEDED.value)
    ran_hello = ended_well.filter(procedure__name="hello").exists()
    ready = accepted.filter(procedure__name="hello").exists()
    other = shipped.exclude(procedure__name="hello").first()
    people = Person.objects.filter(kind=Person.Kind.PERSON).count()
    return [
        FirstStep(
            "Run hello here",
            "As your own draft it takes ten seconds" if not ready else "Takes ten seconds",
            "/procedures/hello/" if ready or hello else "/reviews/",
            ran_hello,
        ),
        FirstStep(
            "Take a shipped procedure",
            "Read it and accept it; its author is the vendor",
            f"/reviews/{other.id}/" if other else "/reviews/",
            accepted.exclude(procedure__name="hello").exists(),
        ),
        FirstStep(
            "Add a host",
            "A name, an address and its host key",
            "/environments/",
            Target.objects.exists(),
        ),
        FirstStep(
            "Run it there",
            "Pick a procedure that acts on hosts",
            "/procedures/",
            ended_well.filter(tasks__target__gt="").exists(),
        ),
        FirstStep("Invite a second person", "A link, good for 24 hours", "/people/#invite", people > 1),
        FirstStep("See it in the evidence", "Every step of this, ready for an auditor", "/evidence/", saw_evidence),
    ]
