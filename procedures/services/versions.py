"""Versions: submitted as exact bytes, decided on by reviewers, revoked at once when need be."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Max

from procedures import access
from procedures.definitions import registry
from procedures.definitions.lint import BLOCKS
from procedures.definitions.load import Loaded, definition_of, load
from procedures.domain import bundle, plan
from procedures.domain.canonical import sha256_hex
from procedures.domain.definition import Definition
from procedures.domain.errors import IllegalState, InvalidInput, NotFound, OpsError
from procedures.domain.states import VERSION_MOVES, StateConflict, VersionState, require_move
from procedures.evidence.record import record
from procedures.models import Person, Procedure, Review, Version, VersionAuthor, VersionFile
from procedures.queries.drafts import hidden_from
from procedures.services import calls, options, policies, telling, trials
from procedures.services.authorship import behind, inherited, require_author
from procedures.services.risks import version_risk
from procedures.services.unit import thing


class SameBytes(OpsError):
    """These exact bytes are already submitted."""

    code = "version.same-bytes"
    next_step = "Change something, or look at the version that already stands."


class ProcedureRetired(IllegalState):
    """The name belongs to a procedure that was taken out of use."""

    code = "procedure.retired"
    next_step = "Choose another name, or ask an access manager to restore it."


def move(version: Version, new: VersionState, *, at: datetime, who: str) -> None:
    """The one place where a version's state is written. Raises StateConflict."""
    old = VersionState(version.state)
    require_move(VERSION_MOVES, old, new, who=who)
    fields: dict[str, Any] = {"state": new.value, "state_since": at}
    if not Version.objects.filter(pk=version.pk, state=old).update(**fields):
        raise StateConflict(
            f"Version {version.number} of {version.procedure.name} moved on meanwhile (asked by {who})."
        )
    version.state, version.state_since = new.value, at


def read(files: Mapping[str, bytes]) -> Loaded:
    """Load and lint a bundle; errors refuse it. Raises InvalidInput with one problem per finding."""
    loaded = load(files, registry.actions(), tools=("shellcheck",))
    errors = [f for f in loaded.findings if f.severity == "error" or f.code in BLOCKS]
    if errors:
        raise InvalidInput(
            [(f"/bundle/{f.file}", f"{f.file}:{f.line}:{f.column}: {f.code}: {f.message}") for f in errors],
            f"The bundle has {len(errors)} error{'s' if len(errors) > 1 else ''}.",
        )
    return loaded


@thing
def submit_version(
    *,
    actor: Person,
    files: Mapping[str, bytes],
    note: str,
    at: datetime,
    author_label: str = "",
    authors: Sequence[Person] = (),
    origin: Mapping[str, Any] | None = None,
) -> Version:
    """Put a bundle into review; a version still in review of the same procedure is withdrawn (decisions.md, 9).

    `authors` are those beside the submitter (rule 16), `origin` the commit of a git source.
    Raises NotAllowed, InvalidInput, SameBytes.
    """
    return put_into_review(
        actor=actor, files=files, note=note, at=at, author_label=author_label, authors=authors, origin=origin
    )


def put_into_review(
    *,
    actor: Person,
    files: Mapping[str, bytes],
    note: str,
    at: datetime,
    author_label: str = "",
    authors: Sequence[Person] = (),
    origin: Mapping[str, Any] | None = None,
    again: bool = False,
) -> Version:
    """`submit_version` inside somebody's transaction; `again` lets bytes in that were accepted before."""
    loaded = read(files)
    definition = loaded.definition
    procedure = Procedure.objects.select_for_update().filter(name=definition.name).first()
    if actor.kind != Person.Kind.SYSTEM:
        require_author(actor, definition.name, procedure, at)
    if procedure is not None and procedure.retired_at is not None:
        raise ProcedureRetired(
            f"{procedure.name} retired on {procedure.retired_at:%Y-%m-%d}: {procedure.retired_reason}"
        )
    if procedure is None:
        procedure = Procedure.objects.create(name=definition.name, title=definition.title, created_at=at)
    judged = judge(loaded, files)
    authors = behind([actor, *authors, *inherited(procedure, files)])
    alive = [VersionState.IN_REVIEW.value] + ([] if again else [VersionState.ACCEPTED.value])
    if procedure.versions.filter(digest=judged.digest, state__in=alive).exists():
        raise SameBytes(f"Exactly these bytes of {procedure.name} are already submitted.")
    for earlier in procedure.versions.filter(state=VersionState.IN_REVIEW):
        withdraw(earlier, actor=actor, at=at, why="a newer version was submitted")
    for own in procedure.versions.filter(state=VersionState.DRAFT, submitter=actor):
        withdraw(own, actor=actor, at=at, why="it was submitted for review")
    version = store(
        procedure,
        judged,
        VersionState.IN_REVIEW,
        actor=actor,
        note=note,
        at=at,
        label=author_label,
        authors=authors,
        origin=origin or {},
    )
    telling.review_waits(version, actor, at=at)
    return version


@dataclass(frozen=True, slots=True)
class Judged:
    """Bytes with what follows from them: closure, digest, risk."""

    loaded: Loaded
    files: Mapping[str, bytes]
    closure: Mapping[str, Any]
    digest: str
    risk: tuple[str, list[str]]


def judge(loaded: Loaded, files: Mapping[str, bytes]) -> Judged:
    """Raises what `calls.pin` and `options.pin` raise for a procedure that names what is not there."""
    pinned = calls.pin(loaded.definition)
    asked = options.pin(loaded.definition.parameters, caller=loaded.definition.name)
    named, given = ({n: v.digest for n, v in rows.items()} for rows in (pinned, asked))
    closure = bundle.closure(loaded.definition, files, registry.action_marks(), named, given)
    risk = calls.highest(calls.risks(pinned) + options.risks(asked), *version_risk(loaded.definition))
    return Judged(loaded, files, closure, bundle.closure_digest(closure), risk)


def store(
    procedure: Procedure,
    judged: Judged,
    state: VersionState,
    *,
    actor: Person,
    note: str,
    at: datetime,
    label: str = "",
    authors: Sequence[Person] = (),
    origin: Mapping[str, Any] | None = None,
) -> Version:
    """Keep a version in its first state, with its authors and its event, and put its tests before the pool."""
    version = _store(procedure, judged, state, actor=actor, note=note, at=at, label=label, origin=origin or {})
    everybody = {person.pk: person for person in (actor, *authors)}
    VersionAuthor.objects.bulk_create(VersionAuthor(version=version, person=person) for person in everybody.values())
    record(
        "version.drafted" if state is VersionState.DRAFT else "version.submitted",
        actor=actor.subject,
        at=at,
        procedure=procedure.id,
        facts={
            "version": str(version.id),
            "procedure": procedure.name,
            "number": version.number,
            "digest": version.digest,
            "bundle": version.bundle_digest,
            "closure": plan.plain(judged.closure),
            "submitter": str(actor.subject),
            "authors": sorted(str(person.subject) for person in everybody.values()),
            "origin": plan.plain(_told_origin(version.origin)),
            "author_label": label,
            "risk": version.risk,
            "risk_reasons": version.risk_reasons,
            "note": note[:2000],
        },
    )
    trials.ask(version, judged.files, by=None, at=at)
    if state is VersionState.IN_REVIEW:
        policies.judge_version(version, at=at)
    return version


def _store(
    procedure: Procedure,
    judged: Judged,
    state: VersionState,
    *,
    actor: Person,
    note: str,
    at: datetime,
    label: str,
    origin: Mapping[str, Any],
) -> Version:
    risk, reasons = judged.risk
    files = judged.files
    last = procedure.versions.aggregate(last=Max("number"))["last"] or 0
    version = Version.objects.create(
        procedure=procedure,
        number=last + 1,
        digest=judged.digest,
        bundle_digest=bundle.bundle_digest(files),
        closure=judged.closure,
        definition=as_json(judged.loaded.definition),
        state=state.value,
        state_since=at,
        draft=state is VersionState.DRAFT,
        risk=risk,
        risk_reasons=reasons,
        findings=[f.as_dict() for f in judged.loaded.findings],
        note=note,
        submitter=actor,
        author_label=label,
        submitted_at=at,
        origin=dict(origin),
    )
    VersionFile.objects.bulk_create(
        VersionFile(
            version=version, path=path, content=content, size_bytes=len(content), content_sha256=sha256_hex(content)
        )
        for path, content in sorted(files.items())
    )
    return version


def _told_origin(origin: Mapping[str, Any]) -> dict[str, Any]:
    """What evidence keeps of a commit: no names and no e-mail addresses, which nobody could erase again."""
    kept = ("source", "folder", "tree", "commit", "rewritten", "signature", "vouched")
    return {key: origin[key] for key in kept if key in origin} | (
        {"strangers": len(origin["strangers"])} if "strangers" in origin else {}
    )


def withdraw(version: Version, *, actor: Person, at: datetime, why: str) -> None:
    move(version, VersionState.WITHDRAWN, at=at, who=actor.username)
    record(
        "version.withdrawn",
        actor=actor.subject,
        at=at,
        procedure=version.procedure_id,
        facts={"version": str(version.id), "digest": version.digest, "reason": why},
    )


@thing
def withdraw_version(*, actor: Person, version: UUID, at: datetime) -> Version:
    """Its submitter takes a version back out of review."""
    row = Version.objects.select_for_update(of=("self",)).select_related("procedure").filter(pk=version).first()
    if row is None or hidden_from(actor, row):
        raise NotFound("There is no such version.")
    if row.submitter_id != actor.pk or not access.within(actor, "author", row.procedure.name):
        access.require(actor, "author", at=at, procedure=row.procedure)
    withdraw(row, actor=actor, at=at, why="withdrawn by a person")
    return row


def stored_files(version: Version) -> dict[str, bytes]:
    """The bytes as they stand in the table now, path by path; never trusted before `recomputed` agrees."""
    return {f.path: bytes(f.content) for f in version.files.all()}


def recomputed(version: Version) -> tuple[Definition, dict[str, bytes], str]:
    """Read the stored bytes again and compute the closure digest from them alone (rule 3). Raises InvalidInput."""
    files = stored_files(version)
    definition = definition_of(files)
    called, asked = calls.pinned_digests(version), options.pinned_digests(version)
    closure = bundle.closure(definition, files, registry.action_marks(), called, asked)
    return definition, files, bundle.closure_digest(closure)


def accepted_reviews(version: Version) -> list[Review]:
    return list(
        version.reviews.filter(verdict=Review.Verdict.ACCEPT, lifted_at__isnull=True, digest=version.digest)
        .select_related("reviewer")
        .order_by("at")
    )


def as_json(definition: Definition) -> dict[str, Any]:
    """A definition as plain JSON, for faces."""
    value: dict[str, Any] = json.loads(json.dumps(asdict(definition), default=dict))
    return value
