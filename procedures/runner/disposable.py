"""The disposable pool: runs what nobody has reviewed, and nothing else (H15).

No key, no lease, no network; what it is given to run ends with the cell that it runs in.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from uuid import UUID

import structlog

from procedures.domain.errors import OpsError
from procedures.domain.lending import NEVER, Lend
from procedures.domain.ports import Lease
from procedures.runner.identity import Identity
from procedures.sandbox.cells import Cells, NoCell
from procedures.trials.incell import InCell

log = structlog.get_logger(__name__)


class NothingLent(OpsError):
    """The disposable pool was asked for a credential."""

    code = "pool.nothing-lent"
    next_step = "Submit the version for review: what was accepted gets credentials."


class Pool:
    """What this process has, if it is the disposable pool; an ordinary runner has none, and so runs no test."""

    def __init__(self, me: Identity, cells: Cells) -> None:
        self.me, self.cells = me, cells


here: list[Pool] = []


def hidden() -> list[Path]:
    """What no cell may see beside what none ever sees: data, keys, broker and the database's socket."""
    from django.conf import settings

    from opsportal.settings.folders import broker_socket

    data = Path(settings.OPSPORTAL_DATA_DIR)
    places = [data, Path(settings.OPSPORTAL_KEYS_DIR), broker_socket(data).parent, Path("/dev/shm")]  # noqa: S108
    host = str(settings.DATABASES["default"].get("HOST") or "")
    places += [Path(host)] if host.startswith("/") else []
    return [place for place in _outermost(places) if place.is_dir()]


def _outermost(places: Sequence[Path]) -> list[Path]:
    """Without what lies below another of them: once the outer one is covered there is no inner one."""
    return [place for place in dict.fromkeys(places) if not set(place.parents) & set(places)]


def try_version(trial: UUID) -> None:
    """Take a trial and tell its result. Nothing to take, or no pool: nothing happens."""
    from procedures.domain.clock import now
    from procedures.models import Runner
    from procedures.services import trial_claims
    from procedures.trials.pool import results

    if not here:
        log.warning("trial.refused", trial=str(trial), why="this is not the disposable pool")
        return
    runner = Runner.objects.get(pk=here[0].me.id)
    taken = trial_claims.take(trial=trial, runner=runner, at=now())
    if taken is None:
        return
    try:
        rows = results(here[0].cells, taken.files)
    except NoCell as problem:
        trial_claims.gave_up(taken=taken, why=problem.message, runner=runner, at=now())
        return
    trial_claims.told(taken=taken, results=rows, runner=runner, at=now())


class NoLender:
    """What stands where a runner has its issuer: nothing is ever lent here."""

    def lend(self, asked: Lend, cancelled: threading.Event = NEVER) -> AbstractContextManager[Lease]:
        raise NothingLent(f"The step {asked.step} asks for {asked.credential}, and the disposable pool lends nothing.")


def drive_draft(run: UUID) -> None:
    """Claim a draft's run and drive it, each step in a cell. Nothing to claim, or no pool: nothing happens."""
    from procedures.definitions import registry
    from procedures.models import Runner
    from procedures.runner.drive import carry_out, claim
    from procedures.services.drafts import ACTIONS

    if not here:
        log.warning("draft.refused", run=str(run), why="this is not the disposable pool")
        return
    pool = here[0]
    claimed = claim(run, Runner.objects.get(pk=pool.me.id))
    if claimed is not None:
        known = registry.actions()
        actions = {name: InCell(known[name], pool.cells) for name in ACTIONS}
        carry_out(claimed, actions, NoLender(), pool.me, {})
