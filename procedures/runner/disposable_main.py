"""`opsportal runner --pool disposable`: a Celery worker for the one queue of what nobody has reviewed.

Its own signing key is read before the kernel takes the key folder out of its sight; the starter of cells begins before
that too, since a process without that sight may mount nothing.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import structlog

from opsportal.loading import load
from opsportal.supervisor.confine import begin_starter, confine
from procedures.runner.disposable import Pool, here, hidden
from procedures.runner.identity import DISPOSABLE, Identity, load_identity
from procedures.sandbox.cells import Cells

log = structlog.get_logger(__name__)
PR_SET_DUMPABLE = 4
AT_ONCE = 4


def main() -> None:
    """Read the own key, start the starter of cells, lose sight of every key, and serve one queue."""
    from django.conf import settings

    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # no other process of this user looks into its memory
    me = load_identity(Path(settings.OPSPORTAL_KEYS_DIR), name=DISPOSABLE)
    cells = Cells(hidden())
    if settings.OPSPORTAL_PROFILE == "embedded":
        begin_starter()
        confine(settings.OPSPORTAL_DATA_DIR, settings.OPSPORTAL_KEYS_DIR)
    here.append(Pool(me, cells))
    load()
    _serve(me, cells)


def _serve(me: Identity, cells: Cells) -> None:
    from procedures.domain.clock import now
    from procedures.models import Runner
    from procedures.runner.watching import say_alive
    from procedures.runner.worker import serve
    from procedures.services import trial_claims
    from procedures.trials.pool import tier_of

    runner = Runner.objects.filter(pk=me.id, disposable=True, ended_at__isnull=True).first()
    if runner is None:
        log.warning("pool.unknown", why="this portal was installed before it had a disposable pool")
    else:
        trial_claims.let_go(runner=runner, at=now())
    say_alive(me, tier_of(cells))
    serve([DISPOSABLE], at_once=AT_ONCE)


if __name__ == "__main__":
    main()
