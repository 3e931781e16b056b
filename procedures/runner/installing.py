"""The first start: keys for the runner and its pools where one user owns all, genesis, shipped runbooks in review."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings

from procedures.domain.clock import now
from procedures.issuer.keys import ca_public, pool_key
from procedures.runner import cards
from procedures.runner.identity import DISPOSABLE, load_identity
from procedures.services.install import ENVIRONMENTS, install, installed, submit_shipped

NAMES = [environment["name"] for environment in ENVIRONMENTS]


def install_here() -> None:
    """Make what a new portal needs with the embedded default, keys included; safe to repeat."""
    folder = Path(settings.OPSPORTAL_KEYS_DIR)
    if not installed():
        me, pool = load_identity(folder), load_identity(folder, name=DISPOSABLE)
        _install(
            {
                "runners": [(cards.told(me), NAMES)],
                "disposable": cards.told(pool),
                "pools": {name: pool_key(folder, name)[:2] for name in NAMES},
                "authorities": {name: ca_public(folder, name) for name in NAMES},
            }
        )
    _ship()


def install_from(given: Sequence[Mapping[str, Any]]) -> bool:
    """Make what a new portal needs from the cards of its runners, without a key; whether there was anything to do.

    Raises CardsDoNotFit.
    """
    fresh = not installed()
    if fresh:
        _install(cards.sorted_out(given, NAMES))
    _ship()
    return fresh


def _install(words: Mapping[str, Any]) -> None:
    install(profile=settings.OPSPORTAL_REVIEW_PROFILE, at=now(), **words)


def _ship() -> None:
    runbooks = Path(settings.OPSPORTAL_RUNBOOKS_DIR)
    if runbooks.is_dir():
        submit_shipped(runbooks, at=now())
