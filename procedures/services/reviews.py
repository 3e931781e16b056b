"""Reviews: a reviewer accepts, rejects or asks for changes on exact bytes; the last one needed accepts the version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from procedures import access
from procedures.domain import statements
from procedures.domain.acceptances import ACCEPTED_FOR
from procedures.domain.canonical import moment
from procedures.domain.errors import NotAllowed, NotFound, OpsError
from procedures.domain.profiles import combined_duties, missing_reviews, review_requirement
from procedures.domain.states import VersionState
from procedures.evidence.record import record
from procedures.models import Environment, Person, Procedure, Review, Version
from procedures.queries import deputies
from procedures.queries.trials import standing
from procedures.services import policies, telling_standing
from procedures.services.portal import profile_in_force
from procedures.services.review_rules import raise_risk, require_fit, require_in_review, require_stranger, ripe_at
from procedures.services.signing import Decided, decided
from procedures.services.unit import thing
from procedures.services.versions import accepted_reviews, move, recomputed


class BytesChanged(OpsError):
    """The stored bytes are no longer those of the digest."""

    code = "version.bytes-changed"
    next_step = "Tell security at once: stored files were changed behind the portal's back."


def minimum_strength(version: Version) -> str:
    """The strongest minimum of the environments that the version may run in."""
    rows = Environment.objects.filter(name__in=version.definition["environments"])
    return max((row.min_strength for row in rows), key=statements.STRENGTHS.index, default="session")


def statement_for(*, actor: Person, version: Version, verdict: str, duties: Sequence[str]) -> dict[str, Any]:
    return statements.review_statement(
        version=version.id,
        procedure=version.procedure.name,
        digest=version.digest,
        verdict=verdict,
        duties=list(duties),
        reviewer=actor.subject,
        portal=settings.OPSPORTAL_PUBLIC_URL,
        fresh=statements.nonce(),
    )


@thing
def review_version(
    *,
    actor: Person,
    version: UUID,
    digest: str,
    verdict: str,
    duties: Sequence[str],
    comment: str,
    signature: Mapping[str, Any] | None,
    at: datetime,
    bearer: bool = False,
) -> Version:
    """Record one reviewer's decision; accept the version when the profile's requirement is met.

    Raises NotAllowed, SecondPersonRequired, TooWeak, BadSignature, InvalidInput, StaleReview, AlreadyReviewed, TooSoon.
    """
    row = Version.objects.select_for_update().select_related("procedure").filter(pk=version).first()
    if row is None:
        raise NotFound("There is no such version.")
    require_stranger(actor, row, at)
    access.require(actor, "review", at=at, procedure=row.procedure)
    raise_risk(row, at)
    require_fit(row, digest, verdict, duties, actor, at)
    if verdict == Review.Verdict.ACCEPT:
        policies.require_version(row, at=at)
    expected = statement_for(actor=actor, version=row, verdict=verdict, duties=duties)
    production = Environment.objects.filter(name__in=row.definition["environments"], production=True).exists()
    decision = decided(
        actor,
        expected,
        signature,
        minimum=minimum_strength(row),
        at=at,
        bearer=bearer,
        role="reviewer",
        production=production,
    )
    said = {"digest": digest, "verdict": verdict, "duties": list(duties)}
    _keep(row, actor, decision, {**said, "comment": comment}, at)
    if verdict == Review.Verdict.REJECT:
        _reject(row, actor, at)
    elif verdict == Review.Verdict.ACCEPT:
        _accept_if_met(row, actor, at)
    return row


def _keep(row: Version, actor: Person, decision: Decided, said: Mapping[str, Any], at: datetime) -> None:
    """The review and its evidence; `said` are digest, verdict, duties and comment."""
    named = deputies.told_for(actor, "review", at, but=deputies.authors(row), procedure=row.procedure)
    Review.objects.create(
        version=row,
        reviewer=actor,
        submitter=row.submitter,
        **said,
        strength=decision.strength,
        statement=decision.statement,
        signatures=[decision.signature],
        at=at,
    )
    record(
        "review.made",
        actor=actor.subject,
        at=at,
        procedure=row.procedure_id,
        statement=decision.statement,
        signatures=[decision.signature],
        facts={
            **said,
            "version": str(row.id),
            "strength": decision.strength,
            "comment": said["comment"][:2000],
            **({"deputy_for": named} if named else {}),
        },
    )


@thing
def lift(*, actor: Person, version: UUID, at: datetime, bearer: bool = False) -> Version:
    """Lift one's own request for changes, so that the version may be accepted as it stands. Raises NotFound."""
    if bearer:
        raise NotAllowed("A bearer token decides nothing: sign in for that.")
    row = Version.objects.select_for_update().select_related("procedure").filter(pk=version).first()
    own = None if row is None else row.reviews.filter(reviewer=actor, lifted_at__isnull=True).first()
    if row is None or own is None or own.verdict != Review.Verdict.REQUEST_CHANGES:
        raise NotFound("You have asked for no changes of this version.")
    require_in_review(row)
    access.require(actor, "review", at=at, procedure=row.procedure)
    raise_risk(row, at)
    Review.objects.filter(pk=own.pk).update(lifted_at=at)
    record(
        "review.lifted",
        actor=actor.subject,
        at=at,
        procedure=row.procedure_id,
        facts={"version": str(row.id), "digest": row.digest, "review": str(own.pk)},
    )
    _accept_if_met(row, actor, at)
    return row


def _reject(version: Version, actor: Person, at: datetime) -> None:
    move(version, VersionState.REJECTED, at=at, who=actor.username)
    record(
        "version.rejected",
        actor=actor.subject,
        at=at,
        procedure=version.procedure_id,
        facts={"version": str(version.id), "digest": version.digest},
    )


def still_missing(version: Version) -> list[str]:
    """Duties (or persons) that the profile in force still asks for; empty when the version may be accepted."""
    requirement = review_requirement(profile_in_force(), version.risk)  # type: ignore[arg-type]
    given = {str(r.reviewer.subject): r.duties for r in accepted_reviews(version)}
    return missing_reviews(requirement, policies.required_for(version), given)


def _accept_if_met(version: Version, actor: Person, at: datetime) -> None:
    blocked = version.reviews.filter(verdict=Review.Verdict.REQUEST_CHANGES, lifted_at__isnull=True).exists()
    profile = profile_in_force()
    if blocked or policies.judge_version(version, at=at).denied or still_missing(version):
        return
    if at < ripe_at(version):
        return
    definition, _, found = recomputed(version)
    if found != version.digest:
        raise BytesChanged(f"The stored files have the digest {found}, the review was of {version.digest}.")
    for earlier in version.procedure.versions.filter(state=VersionState.ACCEPTED):
        move(earlier, VersionState.SUPERSEDED, at=at, who=actor.username)
        record(
            "version.superseded",
            actor=actor.subject,
            at=at,
            procedure=version.procedure_id,
            facts={"version": str(earlier.id), "digest": earlier.digest, "by": version.digest},
        )
    move(version, VersionState.ACCEPTED, at=at, who=actor.username)
    Version.objects.filter(pk=version.pk).update(accepted_at=at, expires_at=at + ACCEPTED_FOR, profile=profile)
    Procedure.objects.filter(pk=version.procedure_id).update(
        title=definition.title, description=definition.description, owner=definition.owner
    )
    _record_acceptance(version, actor, profile, at)
    telling_standing.superseded(version.procedure, version.digest, at=at)


def _record_acceptance(version: Version, actor: Person, profile: str, at: datetime) -> None:
    reviews = accepted_reviews(version)
    given = {str(r.reviewer.subject): list(r.duties) for r in reviews}
    record(
        "version.accepted",
        actor=actor.subject,
        at=at,
        procedure=version.procedure_id,
        facts={
            "version": str(version.id),
            "procedure": version.procedure.name,
            "number": version.number,
            "digest": version.digest,
            "profile": profile,
            "risk": version.risk,
            "reviewers": given,
            "combined": combined_duties(given),
            "expires_at": moment(at + ACCEPTED_FOR),
            "environments": version.definition["environments"],
            "tests": standing(version),
            **policies.told_of(version),
        },
    )
