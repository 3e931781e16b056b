"""Doorbells: ids only, safe to ring twice, never executed a second time by themselves."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from procedures.domain.states import StateConflict
from procedures.services.claims import ClaimLost


@shared_task(  # type: ignore[untyped-decorator]
    acks_late=True, ignore_result=True, name="opsportal.fetch_options"
)
def fetch_options(list_id: str) -> None:
    from procedures.runner.option_fetching import fetch

    fetch(UUID(list_id))


@shared_task(  # type: ignore[untyped-decorator]
    acks_late=True, ignore_result=True, name="opsportal.sync_inventory"
)
def sync_inventory(name: str) -> None:
    from procedures.runner.syncing import sync

    sync(name)


@shared_task(  # type: ignore[untyped-decorator]
    acks_late=True, ignore_result=True, name="opsportal.contact_targets"
)
def contact_targets(environment: str) -> None:
    from procedures.runner.contacting import contact_all

    contact_all(environment)


@shared_task(  # type: ignore[untyped-decorator]
    acks_late=True, ignore_result=True, name="opsportal.drive_run"
)
def drive_run(run_id: str) -> None:
    from procedures.runner.drive import drive_next

    try:
        drive_next(UUID(run_id))
    except (StateConflict, ClaimLost):
        return


@shared_task(  # type: ignore[untyped-decorator]
    acks_late=True, ignore_result=True, name="opsportal.help_with"
)
def help_with(batch_id: str) -> None:
    from procedures.runner.helping import help_with as carry_out

    try:
        carry_out(UUID(batch_id))
    except ClaimLost:
        return


@shared_task(  # type: ignore[untyped-decorator]
    acks_late=True, ignore_result=True, name="opsportal.try_version"
)
def try_version(trial_id: str) -> None:
    from procedures.runner.disposable import try_version as carry_out

    carry_out(UUID(trial_id))


@shared_task(  # type: ignore[untyped-decorator]
    acks_late=True, ignore_result=True, name="opsportal.drive_draft"
)
def drive_draft(run_id: str) -> None:
    from procedures.runner.disposable import drive_draft as carry_out

    try:
        carry_out(UUID(run_id))
    except (StateConflict, ClaimLost):
        return
