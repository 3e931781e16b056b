"""The discussion of a version: remarks at its lines, answers, and threads that are settled or taken up again.

Nothing here decides: only a request for changes blocks an acceptance (decisions.md, 9).
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from procedures.domain.errors import IllegalState, InvalidInput, NotAllowed, NotFound
from procedures.domain.parameters import text_problem
from procedures.evidence.record import record
from procedures.models import Person, ReviewComment, Version
from procedures.queries import discussions, file_diffs, pages_reviews
from procedures.services import mentions, telling
from procedures.services.review_rules import require_in_review
from procedures.services.unit import thing

LONGEST = 4_000
MOST = 1_000
KEPT = 500


class DiscussionFull(IllegalState):
    """A version has as many remarks as a page can carry."""

    code = "review.discussion-full"
    next_step = "Settle it outside and submit a new version; what was said stays."


class ThreadClosed(IllegalState):
    """The version of this thread is decided, and no version in review carries it on."""

    code = "review.thread-closed"
    next_step = "Begin a new thread on the version that is in review."


@thing
def comment(
    *, actor: Person, version: UUID, body: str, at: datetime, path: str = "", line: int | None = None
) -> ReviewComment:
    """Begin a thread at a line, at a file, or about the whole version in review; `@name` tells whoever may see it.

    Raises NotFound, NotAllowed, StaleReview, InvalidInput, DiscussionFull.
    """
    row = Version.objects.select_for_update().select_related("procedure").filter(pk=version).first()
    if row is None or not pages_reviews.may_see(actor, row, at):
        raise NotFound("There is no such version.")
    require_in_review(row)
    return _write(actor, row, checked(body), at, path=path, line=line, line_text=_line(row, path, line))


@thing
def reply(*, actor: Person, thread: UUID, body: str, at: datetime) -> ReviewComment:
    """Answer in a thread, also in one that an earlier version left behind. Raises as `comment`, and ThreadClosed."""
    first = _first(actor, thread, at)
    version = Version.objects.select_for_update().select_related("procedure").get(pk=first.version_id)
    return _write(actor, version, checked(body), at, path=first.path, line=first.line, thread=first)


@thing
def resolve(*, actor: Person, thread: UUID, at: datetime) -> ReviewComment:
    """Call a thread settled; once settled it stays so. Raises NotFound, NotAllowed, ThreadClosed."""
    return _settle(actor, thread, at, settled=True)


@thing
def reopen(*, actor: Person, thread: UUID, at: datetime) -> ReviewComment:
    """Take a settled thread up again. Raises NotFound, NotAllowed, ThreadClosed."""
    return _settle(actor, thread, at, settled=False)


def _settle(actor: Person, thread: UUID, at: datetime, *, settled: bool) -> ReviewComment:
    first = _first(actor, thread, at)
    _require_say(actor, first.version, at)
    changed = ReviewComment.objects.filter(pk=first.pk, resolved_at__isnull=settled).update(
        resolved_at=at if settled else None, resolved_by=actor if settled else None
    )
    if changed:
        record(
            "review.resolved" if settled else "review.reopened",
            actor=actor.subject,
            at=at,
            procedure=first.version.procedure_id,
            facts={"version": str(first.version_id), "digest": first.digest, "thread": str(first.pk)},
        )
    first.refresh_from_db()
    return first


def _first(actor: Person, thread: UUID, at: datetime) -> ReviewComment:
    """The remark that began a thread which may still be answered."""
    rows = ReviewComment.objects.select_for_update(of=("self",)).select_related("version", "version__procedure")
    row = rows.filter(pk=thread, thread__isnull=True).first()
    if row is None or not pages_reviews.may_see(actor, row.version, at):
        raise NotFound("There is no such thread.")
    if discussions.in_review_for(row) is None:
        raise ThreadClosed(f"v{row.version.number} is {row.version.state.replace('_', ' ')}: its discussion is over.")
    return row


def _require_say(actor: Person, version: Version, at: datetime) -> None:
    if not discussions.may_comment(actor, version, at):
        raise NotAllowed("Only authors and reviewers take part in the discussion of a version.")


def checked(body: str) -> str:
    """A remark as it is kept. Raises InvalidInput for one that says nothing, too much, or what nobody can read."""
    said = body.replace("\r\n", "\n").strip()
    if not said:
        raise InvalidInput([("/body", "say something")])
    if len(said) > LONGEST:
        raise InvalidInput([("/body", f"is {len(said):,} characters; a comment holds at most {LONGEST:,}")])
    if why := text_problem(said):
        raise InvalidInput([("/body", why)])
    return said


def _line(version: Version, path: str, line: int | None) -> str:
    """What the line says now. Raises InvalidInput for a file or line that is not there."""
    if not path and line is None:
        return ""
    if not version.files.filter(path=path).exists():
        raise InvalidInput([("/path", "there is no such file in this version")])
    if line is None:
        return ""
    text = file_diffs.line_of(version, path, line)
    if text is None:
        raise InvalidInput([("/line", f"there is no line {line} in that file")])
    return text[:KEPT].replace("\x00", "")


def _write(
    actor: Person,
    version: Version,
    body: str,
    at: datetime,
    *,
    path: str,
    line: int | None,
    line_text: str = "",
    thread: ReviewComment | None = None,
) -> ReviewComment:
    _require_say(actor, version, at)
    if ReviewComment.objects.filter(version=version).count() >= MOST:
        raise DiscussionFull(f"v{version.number} has {MOST:,} comments.")
    on = (discussions.in_review_for(thread) if thread else None) or version
    named = mentions.named(body, actor, lambda one: pages_reviews.may_see(one, on, at))
    row = ReviewComment.objects.create(
        version=version,
        digest=version.digest,
        path=path,
        line=line,
        line_text=line_text,
        thread=thread,
        author=actor,
        body=body,
        mentions=named.subjects,
        untold=named.untold,
        at=at,
    )
    record(
        "review.commented",
        actor=actor.subject,
        at=at,
        procedure=version.procedure_id,
        facts={
            "version": str(version.id),
            "digest": version.digest,
            "comment": str(row.pk),
            "thread": str((thread or row).pk),
            "path": path,
            "line": line,
            "mentions": named.subjects,
        },
        sensitive={"/body": body},
    )
    telling.mentioned_in_review(row, named.told, on=on, at=at)
    return row
