"""Why a run waits, in the words of a colleague, as far as whoever asks may know of the others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from procedures.domain import holds
from procedures.domain.queue_order import GLASS, NORMAL, word
from procedures.domain.queue_rules import rules_of
from procedures.domain.states import RunState
from procedures.models import Hold, Person, Run, Target
from procedures.queries import ahead, calling, capabilities, eligible, holding, pages_runs, queue, stops

NAMED = 3


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that a run waits for: `kind` for programs, `text` for people."""

    kind: str
    text: str


def waiting_for(run: Run, asker: Person, at: datetime) -> list[Reason]:
    """What keeps this run waiting now, the hardest first; empty for one that is under way or has ended."""
    if run.state == RunState.AWAITING_APPROVAL:
        said = ahead.why_waits(run, at)
        return [_approval(run, at), *([Reason("ahead", said)] if said else []), *_runner(run, at)]
    if run.state == RunState.WAITING:
        return [_parked(run, at), *_kept(run, at)]
    if run.state != RunState.QUEUED:
        return []
    halted = stops.of_run(run, calling.versions_of(run))
    if halted is not None:
        said = f"{halted.thrown_by.name} stopped {halted.what} at {_clock(halted.thrown_at)}: {halted.reason}"
        return [Reason("stop", f"{said}. It goes on when somebody else has lifted that.")]
    found = [*_freeze(run, at), *_held(run, asker, at), *_runner(run, at)]
    if run.started_at is not None or run.draft:
        return found or [Reason("queue", "It is next: a runner goes on with it as soon as one is free.")]
    why = holding.running(run.environment_id).full_for(run, rules_of(run.environment.queue))
    if why:
        found.append(Reason("limit", f"{why[0].upper()}{why[1:]}."))
    return [*found, _place(run, at)]


def _approval(run: Run, at: datetime) -> Reason:
    needed = ", ".join(f"{count} × {duty}" for duty, count in run.approvals_needed.items())
    until = f" until {_clock(run.approval_expires_at)}" if run.approval_expires_at else ""
    if not needed:
        return Reason("approval", f"Waits for somebody to break the glass, since the environment is frozen{until}.")
    return Reason("approval", f"Waits for approval ({needed}){until}. {_who(eligible.approvers(run, at))}")


def _who(people: list[Person]) -> str:
    if not people:
        return "Nobody may give it now: ask an access manager."
    names = ", ".join(one.name for one in people[:NAMED])
    return f"{names}{f' and {len(people) - NAMED} more' if len(people) > NAMED else ''} may give it."


def _parked(run: Run, at: datetime) -> Reason:
    until = f" until {_clock(run.waiting_until_at)}" if run.waiting_until_at else ""
    if run.paused_at is not None:
        who = f" by {run.pause_asked_by.name}" if run.pause_asked_by else ""
        said = f"Paused{who} at {_clock(run.paused_at)}; it goes on when somebody resumes it"
        return Reason("pause", f"{said}. If nobody does{until}, it ends as timed out and clears up.")
    if run.waiting_gate:
        if run.waiting_form:
            said = _who(eligible.answerers(run, at))
            return Reason("gate", f"Waits at the gate {run.waiting_gate} for an answer{until}. {said}")
        said = _who(eligible.approvers(run, at))
        return Reason("gate", f"Waits at the gate {run.waiting_gate} for approval{until}. {said}")
    return Reason("wait", f"Waits{until}, then goes on by itself." if until else "Waits for somebody to go on.")


def _kept(run: Run, at: datetime) -> list[Reason]:
    """What a parked run keeps others from, and how long."""
    number, until = run.holds.count(), run.state_since + holds.PARKED
    if not number or until <= at:
        return []
    return [Reason("holds", f"Until {_clock(until)} it keeps what it holds: {_names(run.holds.all())}.")]


def _freeze(run: Run, at: datetime) -> Iterable[Reason]:
    until = run.environment.frozen_until_at
    if run.started_at is None and run.priority < GLASS and until is not None and until > at:
        yield Reason("freeze", f"{run.environment_id} is frozen until {_clock(until)}: no run begins before that.")


def _held(run: Run, asker: Person, at: datetime) -> Iterable[Reason]:
    """One sentence for each run in the way."""
    rows = holding.others(run, dict(run.holds.values_list("name", "most")), at)
    by_run: dict[Run, list[Hold]] = {}
    for row in rows:
        by_run.setdefault(row.run, []).append(row)
    ids = [one.pk for one in by_run]
    known = {row.pk: row for row in pages_runs.seen_by(asker, at).filter(pk__in=ids)}
    for other, held in list(by_run.items())[:NAMED]:
        seen = known.get(other.pk)
        who = f"Run #{seen.no} of {seen.requester.name} ({seen.procedure.title})" if seen else "Another run"
        does = "has" if other.state == RunState.RUNNING else "is parked and keeps"
        kind = "lock" if any(row.name.startswith(holds.TARGET) for row in held) else "group"
        yield Reason(kind, f"{who} {does} {_names(held)}.")
    if len(by_run) > NAMED:
        yield Reason("lock", f"{len(by_run) - NAMED} more runs are in the way.")


def _names(held: Iterable[Hold]) -> str:
    """Targets and groups as people know them; all of them are the asker's own run's too."""
    rows = list(held)
    ids = [row.name.removeprefix(holds.TARGET) for row in rows if row.name.startswith(holds.TARGET)]
    targets = list(Target.objects.filter(pk__in=ids[:NAMED]).values_list("name", flat=True))
    groups = [row.name.split("/", 2)[-1] or "of its procedure" for row in rows if not row.name.startswith(holds.TARGET)]
    more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
    parts = [f"the lock of {', '.join(targets)}{more}"] if ids else []
    parts += [f"the group {', '.join(groups[:NAMED])}"] if groups else []
    return " and ".join(parts)


def _runner(run: Run, at: datetime) -> Iterable[Reason]:
    """No runner that lives can take it."""
    if why := capabilities.no_runner_for(None if run.draft else capabilities.need_of(run), at):
        yield Reason("runner", why)


def _place(run: Run, at: datetime) -> Reason:
    number = queue.position(run, at)
    said = "" if run.priority == NORMAL else f", priority {word(run.priority)}"
    if number == 1:
        return Reason("queue", f"Next in the queue of {run.environment_id}{said}.")
    return Reason("queue", f"Number {number:,} in the queue of {run.environment_id}{said}.")


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
