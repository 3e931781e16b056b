"""The nudge: after commit, tell the queue of an environment that a run is there. Losing it is harmless (rule 8)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

log = structlog.get_logger(__name__)


def after_commit(run: UUID, environment: str, *, draft: bool = False) -> None:
    """Nudge once the row is committed, from a thread of its own: who asked never waits for the broker.

    The function is named in settings, so that services never import the runner.
    """
    transaction.on_commit(partial(_messengers().submit, nudge, run, environment, draft=draft))


def batch_after_commit(batch: UUID, environment: str) -> None:
    """Ask other runners of the environment for help once the batch is committed; losing it costs only their help."""
    send = partial(_sent, settings.OPSPORTAL_BATCH_DISPATCH, batch, environment)
    transaction.on_commit(partial(_messengers().submit, send))


def tests_after_commit(trial: UUID) -> None:
    """Nudge the disposable pool once the trial's row is committed."""
    transaction.on_commit(partial(_messengers().submit, nudge_tests, trial))


def options_after_commit(list_id: UUID, environment: str) -> None:
    """Tell a runner that a list of choices is to be fetched; whoever waits for it can ask again."""
    nudge_options = partial(_sent, settings.OPSPORTAL_OPTIONS_DISPATCH, list_id, environment)
    transaction.on_commit(partial(_messengers().submit, nudge_options))


def nudge_inventory(inventory: str, environment: str) -> bool:
    """An inventory is to be synced by a runner of its environment; False if the broker is not there."""
    return _sent(settings.OPSPORTAL_INVENTORY_DISPATCH, inventory, environment)


def nudge_contact(environment: str) -> bool:
    """The targets of an environment are to be contacted by a runner of it; False if the broker is not there."""
    return _sent(settings.OPSPORTAL_CONTACT_DISPATCH, environment)


@cache
def _messengers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=2, thread_name_prefix="nudge")


def nudge(run: UUID, environment: str, *, draft: bool = False) -> bool:
    """Send now, a draft to the disposable pool; False if the broker is not there: then the sweeper sends again."""
    return _sent(settings.OPSPORTAL_DRAFT_DISPATCH if draft else settings.OPSPORTAL_DISPATCH, run, environment)


def nudge_tests(trial: UUID) -> bool:
    """The same for a trial."""
    return _sent(settings.OPSPORTAL_TRIAL_DISPATCH, trial)


def _sent(name: str, *words: UUID | str) -> bool:
    send = import_string(name)
    try:
        send(*words)
    except Exception as problem:  # noqa: BLE001 - any broker failure means the same: the sweeper sends again
        log.warning("dispatch.broker_unreachable", id=str(words[0]), problem=type(problem).__name__)
        return False
    return True
