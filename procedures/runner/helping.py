"""One batch of a step of another runner's run, from the message to its end."""

from __future__ import annotations

from functools import partial
from uuid import UUID

import structlog

from procedures.definitions import registry
from procedures.domain.clock import now
from procedures.domain.errors import OpsError
from procedures.engine import draining
from procedures.engine.sharing import help_out
from procedures.models import Runner
from procedures.runner import mask
from procedures.runner.drive import identity, issuer, opened, tools_for
from procedures.services import batches
from procedures.services.claims import Claimed
from procedures.services.moments import ClockSkewed

log = structlog.get_logger(__name__)


def help_with(batch: UUID) -> None:
    """Take a batch if it is still open and carry it out. Nothing to take: nothing happens. Raises ClaimLost."""
    me = Runner.objects.filter(pk=identity().id, public=identity().public).first()
    idle = me is None or draining.wanted.is_set() or mask.through()
    try:
        taken = None if me is None or idle else batches.take(batch=batch, runner=me, at=now())
    except ClockSkewed as problem:
        log.warning(problem.code, batch=str(batch), problem=problem.message, next_step=problem.next_step)
        return
    if me is None or taken is None:
        return
    claimed, row = taken.claimed, taken.row
    log.info("batch.taken", run=str(row.run_id), batch=str(batch), targets=len(row.labels))
    beat = partial(batches.beat, batch=batch, token=claimed.token, calls=_called(claimed))
    lender = issuer(row.run.environment_id)
    try:
        secrets = opened(lender, claimed)
    except OpsError as problem:  # who drives the run takes back what nobody works on
        log.warning("batch.not-begun", batch=str(batch), code=problem.code, why=problem.message)
        return
    with tools_for(claimed, registry.actions(), lender, identity(), secrets, beat) as tools:
        above, slash, _ = row.step.rpartition("/")
        try:
            help_out(tools.within(above + slash) if above else tools, row)
        finally:
            tools.workspaces.close()


def _called(claimed: Claimed) -> list[str]:
    return [frame.version for frame in claimed.frames.values()]
