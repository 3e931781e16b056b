"""What a decision on a version must meet before it is recorded: the right person, the right bytes, duties, and time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from procedures.domain import statements
from procedures.domain.definition import DUTIES, RISKS, of_json
from procedures.domain.errors import IllegalState, InvalidInput, OpsError
from procedures.domain.profiles import review_requirement
from procedures.domain.states import VersionState
from procedures.models import Person, Review, Version
from procedures.queries import deputies
from procedures.queries.duties import duties_of
from procedures.services import calls, options
from procedures.services.portal import profile_in_force
from procedures.services.risks import raise_to, version_risk
from procedures.services.unit import SecondPersonRequired

PAIR_WAITS = timedelta(hours=4)


class AlreadyReviewed(OpsError):
    """One person counts once per version."""

    code = "review.already-given"
    next_step = "Your decision stands; another reviewer must give theirs."


class StaleReview(IllegalState):
    """The version is not in review any more: a decision on it would count for nothing."""

    code = "review.stale"
    next_step = "Open the version that is in review now and look again: earlier decisions do not count for it."


class TooSoon(IllegalState):
    """In the profile `pair` a risky version lies for a while before its one reviewer accepts it."""

    code = "review.too-soon"
    next_step = "Accept it later; until then you can ask for changes or turn it down."


def require_stranger(actor: Person, version: Version, at: datetime) -> None:
    """Nobody decides on own work (rule 1), or on that of whom they stand in for. Raises SecondPersonRequired."""
    if version.submitter_id == actor.pk or version.authors.filter(person=actor).exists():
        raise SecondPersonRequired(
            f"You wrote or submitted this version of {version.procedure.name}: you cannot review it."
        )
    if actor.pk in deputies.stand_ins(deputies.authors(version), "review", at):
        raise SecondPersonRequired(f"You stand in for an author of this version of {version.procedure.name}.")


def require_in_review(version: Version) -> None:
    """Raises StaleReview, naming the version that took its place."""
    if version.state == VersionState.IN_REVIEW:
        return
    now_in = version.procedure.versions.filter(state=VersionState.IN_REVIEW).first()
    instead = f" v{now_in.number} ({now_in.digest}) is in review now." if now_in else ""
    raise StaleReview(f"v{version.number} is {version.state.replace('_', ' ')}, not in review.{instead}")


def require_fit(
    version: Version, digest: str, verdict: str, duties: Sequence[str], actor: Person, at: datetime
) -> None:
    """Raises StaleReview, StatementMismatch, InvalidInput, AlreadyReviewed, TooSoon."""
    require_in_review(version)
    if digest != version.digest:
        raise statements.StatementMismatch("The digest is not that of the version in review.", pointer="/digest")
    if verdict not in Review.Verdict.values:
        raise InvalidInput([("/verdict", f"{verdict!r} is not one of {', '.join(Review.Verdict.values)}")])
    _duties(duties, verdict, actor, version)
    if version.reviews.filter(reviewer=actor, lifted_at__isnull=True).exists():
        raise AlreadyReviewed("You already decided on this version.")
    if verdict == Review.Verdict.ACCEPT and at < (ripe := ripe_at(version)):
        raise TooSoon(f"In the profile pair this version can be accepted from {ripe:%Y-%m-%d %H:%M} UTC on.")


def ripe_at(version: Version) -> datetime:
    """From when on a version may be accepted: four hours after its submission if it is high and the profile `pair`."""
    waits = profile_in_force() == "pair" and version.risk == "high"
    return version.submitted_at + (PAIR_WAITS if waits else timedelta())


def _duties(duties: Sequence[str], verdict: str, actor: Person, version: Version) -> None:
    held = duties_of(actor)
    for duty in duties:
        if duty not in DUTIES:
            raise InvalidInput([("/duties", f"{duty!r} is not one of {', '.join(DUTIES)}")])
        if duty not in held:
            raise InvalidInput([("/duties", f"you do not fill the duty {duty}")])
    twice = sorted({duty for duty in duties if list(duties).count(duty) > 1})
    if twice:
        raise InvalidInput([("/duties", f"{twice[0]} stands twice; each duty counts once")])
    if not duties and verdict == Review.Verdict.ACCEPT:
        raise InvalidInput([("/duties", "name the duties for which you accept")])
    if len(duties) > 1 and review_requirement(profile_in_force(), version.risk).one_each:  # type: ignore[arg-type]
        raise InvalidInput([("/duties", "one person decides for one duty here: name one of yours")])


def risk_now(version: Version) -> tuple[str, list[str]]:
    """(risk, reasons) as bindings, targets and callees stand now; never below what was found at submission."""
    pinned = Version.objects.filter(digest__in=calls.pinned_digests(version).values()).select_related("procedure")
    callees = {row.procedure.name: row for row in pinned}
    given = Version.objects.filter(digest__in=options.pinned_digests(version).values()).select_related("procedure")
    found = calls.risks(callees) + options.risks({row.procedure.name: row for row in given})
    risk, reasons = calls.highest(found, *version_risk(of_json(version.definition)))
    if RISKS.index(risk) <= RISKS.index(version.risk):
        return version.risk, list(version.risk_reasons)
    return risk, reasons


def raise_risk(version: Version, at: datetime) -> None:
    """Write down a risk that has grown since submission, so that the requirement grows with it (H16)."""
    risk, reasons = risk_now(version)
    raise_to(version, risk, reasons, at)
