"""The life of an acceptance: it expires, is renewed by a new review, is revoked at once, and a procedure retires."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from procedures import access
from procedures.domain.acceptances import is_due
from procedures.domain.errors import IllegalState, InvalidInput, NotAllowed, NotFound
from procedures.domain.states import TERMINAL_RUN_STATES, RunState, VersionState
from procedures.evidence.record import record
from procedures.models import Person, Procedure, Run, Version
from procedures.queries.drafts import hidden_from
from procedures.queries.due import review_again
from procedures.services.run_states import end, note
from procedures.services.unit import thing
from procedures.services.versions import move, put_into_review, stored_files, withdraw

MOST = 200
LIVE = (VersionState.ACCEPTED.value, VersionState.SUPERSEDED.value)


class NotDue(IllegalState):
    """The acceptance stands for a good while yet, so there is nothing to renew."""

    code = "version.not-due"
    next_step = "Submit a change, or wait until the acceptance is due for review."


def _reason(reason: str) -> str:
    if not reason.strip():
        raise InvalidInput([("/reason", "say why: it stands in the evidence")])
    return reason.strip()[:2000]


@thing
def revoke_version(*, actor: Person, version: UUID, reason: str, at: datetime, cancel_running: bool = False) -> Version:
    """Stop new runs of these bytes at once; what is queued is refused at its claim, what runs gets no credential.

    A revocation is of bytes: another live version with the same digest (a renewal) is revoked with it. With
    `cancel_running`, what has not begun is canceled now, and what runs is stopped within a heartbeat (rule 20).
    Raises NotAllowed, NotFound, InvalidInput, StateConflict.
    """
    row = Version.objects.select_for_update().select_related("procedure").filter(pk=version).first()
    if row is None:
        raise NotFound("There is no such version.")
    access.require(actor, "review", at=at, procedure=row.procedure)
    why = _reason(reason)
    twins = row.procedure.versions.select_for_update().filter(digest=row.digest, state__in=LIVE).exclude(pk=row.pk)
    for one in (row, *twins):
        _revoke(one, actor, why, at, cancel_running=cancel_running)
    return row


def _revoke(row: Version, actor: Person, reason: str, at: datetime, *, cancel_running: bool) -> None:
    move(row, VersionState.REVOKED, at=at, who=actor.username)
    Version.objects.filter(pk=row.pk).update(stops_runs=cancel_running)
    record(
        "version.revoked",
        actor=actor.subject,
        at=at,
        procedure=row.procedure_id,
        facts={"version": str(row.id), "digest": row.digest, "reason": reason, "cancel_running": cancel_running},
    )
    if cancel_running:
        _stop_runs(row, actor, reason, at)


def _stop_runs(version: Version, actor: Person, reason: str, at: datetime) -> None:
    """End what waits; tell the runner of what runs. Runs that call the version are found by their plan's closure."""
    over = [state.value for state in TERMINAL_RUN_STATES]
    touched = [version.pk, *_callers(version)]
    for run in Run.objects.select_for_update(of=("self",)).filter(version__in=touched).exclude(state__in=over):
        if run.state == RunState.RUNNING:
            note(
                "run.cancel_asked", run, at=at, actor=actor.subject, facts={"reason": reason, "revoked": version.digest}
            )
        else:
            message = f"Its version was revoked: {reason}"[:2000]
            end(run, RunState.CANCELED, at=at, actor=actor.subject, who=actor.username, message=message)


@thing
def resubmit_version(*, actor: Person, version: UUID, note: str, at: datetime) -> Version:
    """Put the same bytes into review again: a renewal, a reinstatement (H40), a new pin, or a look at new bindings.

    Nothing of the old acceptance counts for the new one. Raises NotAllowed, NotFound, NotDue.
    """
    row = Version.objects.select_related("procedure").filter(pk=version).first()
    if row is None or hidden_from(actor, row):
        raise NotFound("There is no such version.")
    access.require(actor, "author", at=at, procedure=row.procedure)
    if row.state in {VersionState.IN_REVIEW, VersionState.DRAFT}:
        raise NotDue(f"v{row.number} is {row.state.replace('_', ' ')}.")
    if row.state == VersionState.ACCEPTED and not is_due(row.expires_at, at) and not review_again(row, at):
        raise NotDue(f"v{row.number} is accepted until {row.expires_at:%Y-%m-%d}.")
    authors = [link.person for link in row.authors.select_related("person")]
    return put_into_review(
        actor=actor, files=stored_files(row), note=note, at=at, authors=authors, again=True, origin=row.origin
    )


@thing
def expire_acceptances(*, at: datetime) -> int:
    """Move acceptances whose day has come; runs were refused from that instant on already. Returns how many."""
    rows = Version.objects.select_for_update().filter(state__in=LIVE, expires_at__lte=at)[:MOST]
    for row in rows:
        move(row, VersionState.EXPIRED, at=at, who="scheduler")
        facts = {"version": str(row.id), "digest": row.digest}
        record("version.expired", actor=None, at=at, procedure=row.procedure_id, facts=facts)
    return len(rows)


@thing
def retire_procedure(
    *, actor: Person, procedure: str, reason: str, at: datetime, cancel_running: bool = False
) -> Procedure:
    """Take a procedure out of use for good: nothing runs, nothing is submitted, its history stays (rule 12).

    Raises NotAllowed, NotFound, InvalidInput, IllegalState.
    """
    row = _procedure(procedure, actor, at)
    access.require(actor, "review", at=at, procedure=row)
    if row.retired_at is not None:
        raise IllegalState(f"{row.name} has retired already.")
    why = _reason(reason)
    for version in row.versions.filter(state=VersionState.IN_REVIEW):
        withdraw(version, actor=actor, at=at, why="its procedure retired")
    for version in row.versions.filter(state__in=LIVE):
        _revoke(version, actor, why, at, cancel_running=cancel_running)
    Procedure.objects.filter(pk=row.pk).update(retired_at=at, retired_by=actor, retired_reason=why)
    record("procedure.retired", actor=actor.subject, at=at, procedure=row.id, facts={"name": row.name, "reason": why})
    row.refresh_from_db()
    return row


@thing
def restore_procedure(*, actor: Person, procedure: str, reason: str, at: datetime, bearer: bool = False) -> Procedure:
    """Let a retired name be submitted again; nothing that was accepted before comes back by that.

    Raises NotAllowed, NotFound, InvalidInput, IllegalState.
    """
    if bearer:
        raise NotAllowed("A bearer token restores nothing: sign in for that.")
    row = _procedure(procedure, actor, at)
    access.require(actor, "manage_access", at=at, procedure=row)
    if row.retired_at is None:
        raise IllegalState(f"{row.name} has not retired.")
    why = _reason(reason)
    Procedure.objects.filter(pk=row.pk).update(retired_at=None, retired_by=None, retired_reason="")
    record("procedure.restored", actor=actor.subject, at=at, procedure=row.id, facts={"name": row.name, "reason": why})
    row.refresh_from_db()
    return row


def _procedure(name: str, actor: Person, at: datetime) -> Procedure:
    row = Procedure.objects.select_for_update().filter(name=name).first()
    verbs = ("discover", "review", "manage_access")
    if row is None or not any(access.decide(actor, verb, at=at, procedure=row).allowed for verb in verbs):
        raise NotFound(f"There is no procedure {name}.")
    return row


def _callers(version: Version) -> list[UUID]:
    """Versions whose closure pins this one."""
    wanted = [version.procedure.name, version.digest]
    rows = Version.objects.exclude(closure__calls=[]).values_list("pk", "closure")
    return [pk for pk, closure in rows if wanted in closure.get("calls", [])]
