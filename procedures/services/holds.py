"""What a run needs to itself: named when it is planned, taken in its claim, given back when it ends (H19)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from procedures.definitions import registry
from procedures.domain import expressions, holds
from procedures.domain.definition import Definition
from procedures.domain.errors import OpsError
from procedures.domain.queue_rules import rules_of
from procedures.models import Environment, Hold, Run
from procedures.queries import holding, stops
from procedures.services.plans import Planned


class NotShared(OpsError):
    """A procedure names a shared concurrency group in which the environment's rules do not list it."""

    code = "run.group-not-shared"
    next_step = "Ask an access manager to list the procedure under `shared` in the environment's rules for its queue."


class Busy(Exception):
    """What the run needs is held by others by now, or a limit is reached: it stays in the queue."""


def group_of(definition: Definition, environment: Environment, resolved: Mapping[str, Any]) -> str:
    """The concurrency group of a run; empty without one. It lives inside its procedure and environment (H19).

    One that is shared takes both: the procedure's reviewed declaration, and the rules of the environment that list it.
    Raises NotShared.
    """
    row = definition.concurrency
    if row is None:
        return ""
    if row.shared and definition.name not in rules_of(environment.queue).shared.get(row.shared, ()):
        told = f"{definition.name} wants the shared group {row.shared}, in which {environment.name} does not list it."
        raise NotShared(told)
    scope = {"parameters": resolved, "environment": environment.name}
    return holds.group_of(definition, environment.name, str(expressions.render(row.group, scope)))


def needs_of(run: Run, definition: Definition, planned: Planned) -> dict[str, int]:
    """What the whole run needs, also of what it calls: that keeps its own groups and locks (rule 13)."""
    actions = registry.actions()
    found: list[tuple[str, int]] = []
    below = [(frame.definition, frame.ask, frame.ask.parameters) for frame in planned.frames.values()]
    for part, ask, resolved in [(definition, planned.ask, run.parameters), *below]:
        if group := group_of(part, run.environment, resolved):
            found.append((group, part.concurrency.limit if part.concurrency else 1))
        lock = holds.lock_of(part, lambda name: name in actions and actions[name].per_target)
        found += holds.of_targets(lock, (target.id for target in ask.targets))
    return holds.narrowest(found)


def write(run: Run, needs: Mapping[str, int]) -> None:
    """Keep what a run needs as its rows say, in one order. Call inside a transaction."""
    known = dict(run.holds.values_list("name", "most"))
    if known == needs:
        return
    run.holds.exclude(name__in=list(needs)).delete()
    Hold.objects.bulk_create(
        [Hold(run=run, name=name, most=most) for name, most in needs.items()],
        update_conflicts=True,
        unique_fields=["run", "name"],
        update_fields=["most"],
    )


def has_to_wait(run: Run, skips: Collection[str], at: datetime) -> bool:
    """Whether others, a stop switch or a freeze hold the run up: it stays in the queue until that is over."""
    until = run.environment.frozen_until_at
    frozen = run.started_at is None and "freeze" not in skips and until is not None and until > at
    held = holding.others(run, dict(run.holds.values_list("name", "most")), at)
    return frozen or bool(held) or stops.of_run(run) is not None


def mutex(environment: str) -> Environment:
    """One claim at a time in an environment, from here until the transaction ends.

    All holds of an environment are taken behind it, so claims in whatever order never wait for each other in a circle.
    Whoever holds it locks no other run.
    """
    return Environment.objects.select_for_update(no_key=True).get(pk=environment)


def take(run: Run, needs: Mapping[str, int], at: datetime) -> None:
    """Hold everything that the run needs, or nothing: raises Busy. Call in the claim's transaction."""
    environment = mutex(run.environment_id)
    begins = not run.draft and run.started_at is None
    if begins and (why := holding.running(environment.name).full_for(run, rules_of(environment.queue))):
        raise Busy(why)
    if holding.others(run, needs, at):
        raise Busy("held by others")
    write(run, needs)
