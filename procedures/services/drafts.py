"""Drafts: what its authors may run before anybody has reviewed it, in the disposable pool alone (H15, 0007).

A draft holds no credential, touches no target and no network, and becomes runnable nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from uuid import UUID

from procedures import access
from procedures.domain import results
from procedures.domain.definition import PHASES, Definition, Step
from procedures.domain.errors import IllegalState, InvalidInput, NotAllowed, NotFound
from procedures.domain.states import VersionState
from procedures.evidence.queries import draft_authors
from procedures.models import Environment, Person, Procedure, Run, Version
from procedures.queries.drafts import hidden_from, own_draft
from procedures.services.authorship import require_author
from procedures.services.unit import thing
from procedures.services.versions import ProcedureRetired, judge, read, store, stored_files, withdraw

ACTIONS = ("local:command", "local:script")
LONGEST_S = 600


class NoDraftsHere(NotAllowed):
    """Drafts run where an environment's rules let them, and nowhere else."""

    code = "draft.not-here"
    next_step = "Run it in an environment that lets drafts run, or submit it for review."


class NotForDrafts(InvalidInput):
    """A draft that would need what only reviewed versions get."""

    code = "draft.needs-review"
    next_step = "Submit it for review: only what was accepted gets credentials, targets and the network."


class NoSuchDraft(IllegalState):
    """There is no draft of that digest which this person wrote."""

    code = "draft.none"
    next_step = "Hand the draft in first: opsportal submit PATH --draft."


@thing
def submit_draft(*, actor: Person, files: Mapping[str, bytes], note: str, at: datetime) -> Version:
    """Keep a bundle as a draft that its author alone may run; the own draft before it is withdrawn.

    Handing in the same bytes twice gives the draft that stands. Raises NotAllowed, InvalidInput.
    """
    return _keep(actor, files, note, at)


@thing
def draft_of(*, actor: Person, version: UUID, at: datetime) -> Version:
    """A draft of a version that this person may author, to try it before anybody accepts it."""
    row = Version.objects.select_related("procedure").filter(pk=version).first()
    if row is None or hidden_from(actor, row):
        raise NotFound("There is no such version.")
    return _keep(actor, stored_files(row), f"Tried from version {row.number}.", at)


def _keep(actor: Person, files: Mapping[str, bytes], note: str, at: datetime) -> Version:
    loaded = read(files)
    name = loaded.definition.name
    procedure = Procedure.objects.select_for_update().filter(name=name).first()
    require_author(actor, name, procedure, at)
    if procedure is not None and procedure.retired_at is not None:
        raise ProcedureRetired(f"{name} retired on {procedure.retired_at:%Y-%m-%d}: {procedure.retired_reason}")
    if procedure is None:
        procedure = Procedure.objects.create(name=name, title=loaded.definition.title, created_at=at)
    judged = judge(loaded, files)
    for own in procedure.versions.filter(state=VersionState.DRAFT, submitter=actor):
        if own.digest == judged.digest:
            return own
        withdraw(own, actor=actor, at=at, why="a newer draft was handed in")
    return store(procedure, judged, VersionState.DRAFT, actor=actor, note=note, at=at)


def require_place(environment: Environment) -> None:
    """Raise NoDraftsHere unless this environment lets drafts run; production never does."""
    if environment.production or not environment.drafts:
        raise NoDraftsHere(f"No draft runs in {environment.name}.")


def standing_draft(*, actor: Person, procedure: Procedure, digest: str | None) -> Version:
    """The newest draft of this procedure that names this person as an author. Raises NoSuchDraft."""
    version = own_draft(actor, procedure)
    if version is None or digest not in {None, version.digest}:
        raise NoSuchDraft(f"You wrote no draft of {procedure.name}{f' with the digest {digest}' if digest else ''}.")
    return version


def require_harmless(definition: Definition, secrets: Mapping[str, str]) -> None:
    """Raise NotForDrafts, with one problem per step or need that only a reviewed version gets."""
    problems = [(f"/steps/{step.id}", why) for step in _steps(definition) if (why := _why_not(step))]
    problems += [("/credentials", f"{name}: a draft holds no credential") for name in definition.credentials]
    problems += [("/targets", "a draft acts on no target")] if definition.targets is not None else []
    problems += [("/secrets", "a draft is given no secret")] if secrets else []
    problems += [("/output/secrets", f"{need.name}: a draft makes no secret") for need in results.of(definition)]
    if problems:
        raise NotForDrafts(problems, "A draft runs local steps alone, without credential, target, network or secret.")


def _steps(definition: Definition) -> Iterator[Step]:
    for phase in PHASES:
        yield from definition.branch(phase)


def _why_not(step: Step) -> str:
    if step.action not in ACTIONS:
        return f"{step.id} is {step.action}, which runs once it was reviewed"
    if step.input.get("network") or step.input.get("egress"):
        return f"{step.id} wants the network, which a draft has not"
    return ""


def refusal(run: Run, environment: Environment, definition: Definition, at: datetime) -> str:
    """Why the pool must not take this draft's run now, decided anew; empty when it may."""
    if environment.production or not environment.drafts:
        return f"No draft runs in {environment.name}."
    if run.version.state != VersionState.DRAFT:
        return f"The version is {run.version.state}, no draft any more."
    if str(run.requester.subject) not in draft_authors(run.version_id, run.digest):
        return "The evidence log does not name the requester as an author of this draft."
    if not access.decide(run.requester, "author", at=at, procedure=run.procedure, environment=environment).allowed:
        return "The requester may author this procedure no longer."
    try:
        require_harmless(definition, run.sealed_secrets)
    except NotForDrafts as problem:
        return problem.message
    return ""
