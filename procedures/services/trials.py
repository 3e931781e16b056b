"""A version's own tests: asked for at submission and by reviewers, each go kept, with its evidence, as it ended."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from procedures import access
from procedures.domain.errors import IllegalState, NotFound
from procedures.domain.states import ENDED_TRIALS, TrialState
from procedures.models import Person, Trial, Version
from procedures.services import dispatch
from procedures.services.unit import thing
from procedures.trials.case import NAME

TESTABLE = ("draft", "in_review", "accepted")


class NothingToTest(IllegalState):
    """A version without tests, or one that nobody decides on any more."""

    code = "trial.nothing-to-test"
    next_step = "Add tests/*.yaml and submit again."


class UnderWay(IllegalState):
    """The tests of this version wait or run already."""

    code = "trial.under-way"
    next_step = "Wait for their result."


def ask(version: Version, paths: Iterable[str], *, by: Person | None, at: datetime) -> Trial:
    """Put the tests among `paths` before the disposable pool; without any the answer stands at once: none."""
    some = any(NAME.fullmatch(path) for path in paths)
    row = Trial.objects.create(
        version=version,
        digest=version.digest,
        state=(TrialState.WAITING if some else TrialState.NONE).value,
        state_since=at,
        asked_by=by,
        asked_at=at,
        ended_at=None if some else at,
    )
    if some:
        dispatch.tests_after_commit(row.id)
    return row


@thing
def test_again(*, actor: Person, version: UUID, at: datetime) -> Trial:
    """A reviewer or an author has the tests run once more; what was found before stays.

    Raises NotAllowed, NotFound, NothingToTest, UnderWay.
    """
    row = Version.objects.select_for_update(of=("self",)).select_related("procedure").filter(pk=version).first()
    if row is None:
        raise NotFound("There is no such version.")
    own = row.authors.filter(person=actor).exists() and access.within(actor, "author", row.procedure.name)
    if not own:
        access.require(actor, "review", at=at, procedure=row.procedure)
    paths = list(row.files.values_list("path", flat=True))
    if row.state not in TESTABLE or not any(NAME.fullmatch(path) for path in paths):
        raise NothingToTest(f"This version is {row.state.replace('_', ' ')}, or has no tests.")
    if row.trials.exclude(state__in=[state.value for state in ENDED_TRIALS]).exists():
        raise UnderWay("The tests of this version wait or run already.")
    return ask(row, paths, by=actor, at=at)
