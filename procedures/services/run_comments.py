"""Comments on a run: who may see it may say something at it, and whoever is mentioned is told. Nothing here decides."""

from __future__ import annotations

import re
from datetime import datetime
from uuid import UUID

from procedures.domain.errors import IllegalState
from procedures.evidence.record import record
from procedures.models import Person, Run, RunComment
from procedures.queries import pages_runs
from procedures.services import telling
from procedures.services.discussions import MOST, checked
from procedures.services.unit import thing

MENTION = re.compile(r"(?<![\w@.-])@([A-Za-z0-9][A-Za-z0-9._+-]{0,148}[A-Za-z0-9]|[A-Za-z0-9])")
MENTIONED = 10


class RunDiscussionFull(IllegalState):
    """A run has as many comments as a page can carry."""

    code = "run.discussion-full"
    next_step = "Settle it outside; what was said stays."


@thing
def comment_run(*, actor: Person, run: UUID, body: str, at: datetime) -> RunComment:
    """Say something at a run, also once it has ended; `@name` tells that person, if they may see the run.

    Raises NotFound, InvalidInput, RunDiscussionFull.
    """
    row = pages_runs.one_run(actor, run, at)
    said = checked(body)
    Run.objects.select_for_update().only("pk").get(pk=row.pk)
    if row.comments.count() >= MOST:
        raise RunDiscussionFull(f"Run #{row.no} has {MOST:,} comments.")
    people = mentioned(said, actor, row, at)
    subjects = [str(person.subject) for person in people]
    made = RunComment.objects.create(run=row, author=actor, body=said, mentions=subjects, at=at)
    record(
        "run.commented",
        actor=actor.subject,
        at=at,
        procedure=row.procedure_id,
        facts={
            "comment": str(made.pk),
            "run": str(row.pk),
            "mentions": subjects,
        },
        sensitive={"/body": said},
    )
    telling.mentioned(row, actor, people, comment=made.pk, at=at)
    return made


def mentioned(body: str, author: Person, run: Run, at: datetime) -> list[Person]:
    """The people whom a text names by `@username`, the first ten, who may see the run; never its author."""
    names = list(dict.fromkeys(MENTION.findall(body)))[:MENTIONED]
    people = Person.objects.filter(username__in=names, is_active=True, kind=Person.Kind.PERSON).exclude(pk=author.pk)
    return [one for one in people.order_by("username") if pages_runs.seen_by(one, at).filter(pk=run.pk).exists()]
