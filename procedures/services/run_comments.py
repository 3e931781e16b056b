"""Comments on a run: who may see it may say something at it, and whoever is mentioned is told. Nothing here decides."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from procedures import access
from procedures.domain.errors import IllegalState, NotAllowed
from procedures.evidence.record import record
from procedures.models import Person, Run, RunComment
from procedures.queries import pages_runs
from procedures.services import mentions, telling
from procedures.services.discussions import MOST, checked
from procedures.services.unit import thing


class RunDiscussionFull(IllegalState):
    """A run has as many comments as a page can carry."""

    code = "run.discussion-full"
    next_step = "Settle it outside; what was said stays."


@thing
def comment_run(*, actor: Person, run: UUID, body: str, at: datetime) -> RunComment:
    """Say something at a run, also once it has ended; `@name` tells that person, if they may see the run.

    Raises NotFound, NotAllowed, InvalidInput, RunDiscussionFull.
    """
    row = pages_runs.one_run(actor, run, at)
    if why := access.withheld(actor, "run", row.procedure.name, row.environment_id):
        raise NotAllowed(why)
    said = checked(body)
    Run.objects.select_for_update().only("pk").get(pk=row.pk)
    if row.comments.count() >= MOST:
        raise RunDiscussionFull(f"Run #{row.no} has {MOST:,} comments.")
    named = mentions.named(said, actor, lambda one: pages_runs.seen_by(one, at).filter(pk=row.pk).exists())
    rest = {"mentions": named.subjects, "untold": named.untold}
    made = RunComment.objects.create(run=row, author=actor, body=said, at=at, **rest)
    record(
        "run.commented",
        actor=actor.subject,
        at=at,
        procedure=row.procedure_id,
        facts={
            "comment": str(made.pk),
            "run": str(row.pk),
            "mentions": named.subjects,
        },
        sensitive={"/body": said},
    )
    telling.mentioned(row, actor, named.told, comment=made.pk, at=at)
    return made
