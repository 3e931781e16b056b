"""Sends the nudge: one id, to the queue of one environment."""

from __future__ import annotations

from uuid import UUID

from procedures.runner.identity import DISPOSABLE
from procedures.runner.tasks import (
    contact_targets,
    drive_draft,
    drive_run,
    fetch_options,
    help_with,
    sync_inventory,
    try_version,
)


def send_run(run: UUID, environment: str) -> None:
    """Raises whatever the broker raises; the caller treats it as a lost nudge."""
    drive_run.apply_async((str(run),), queue=f"environment.{environment}", retry=False)


def send_batch(batch: UUID, environment: str) -> None:
    """Help is asked for with part of a step."""
    help_with.apply_async((str(batch),), queue=f"environment.{environment}", retry=False)


def send_trial(trial: UUID) -> None:
    """To the disposable pool, which alone runs a version's own tests."""
    try_version.apply_async((str(trial),), queue=DISPOSABLE, retry=False)


def send_draft(run: UUID, environment: str) -> None:
    """To the disposable pool, whatever the environment."""
    drive_draft.apply_async((str(run),), queue=DISPOSABLE, retry=False)


def send_options(list_id: UUID, environment: str) -> None:
    """A list of choices is to be fetched by a runner of that environment."""
    fetch_options.apply_async((str(list_id),), queue=f"environment.{environment}", retry=False)


def send_inventory(inventory: str, environment: str) -> None:
    """An inventory is to be synced by a runner of its environment."""
    sync_inventory.apply_async((inventory,), queue=f"environment.{environment}", retry=False)


def send_contact(environment: str) -> None:
    """The targets of an environment are to be contacted by a runner of it."""
    contact_targets.apply_async((environment,), queue=f"environment.{environment}", retry=False)
