"""The discussion of a version: its own threads, and those of versions that were in review before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from procedures import access
from procedures.domain import line_diff
from procedures.domain.states import VersionState
from procedures.models import Person, ReviewComment, Version
from procedures.queries import file_diffs, pages_reviews
from procedures.queries.differences import base_of

NEARBY = 100
LEFT = (VersionState.WITHDRAWN.value, VersionState.REJECTED.value)


@dataclass(frozen=True, slots=True)
class Thread:
    """`line` is where it stands in the version that is looked at; None where that line is not there any more.

    `carried` threads are of earlier bytes: they are shown, and never count.
    """

    first: ReviewComment
    line: int | None
    carried: bool
    replies: list[ReviewComment] = field(default_factory=list)

    @property
    def open(self) -> bool:
        return self.first.resolved_at is None


def threads(version: Version) -> list[Thread]:
    """Every thread, oldest first; with those carried over from versions since the last accepted one."""
    old = {row.pk: row for row in carried(version)}
    rows = ReviewComment.objects.filter(version__in=[version.pk, *old]).select_related(
        "author", "resolved_by", "version"
    )
    found: dict[UUID, Thread] = {}
    lines: dict[str, list[str]] = {}
    for row in rows.order_by("id"):
        if row.thread_id is None:
            here = row.line if row.version_id == version.pk else _moved(row, version, lines)
            found[row.pk] = Thread(row, here, row.version_id != version.pk)
        elif row.thread_id in found:
            found[row.thread_id].replies.append(row)
    return list(found.values())


def carried(version: Version) -> Sequence[Version]:
    """Versions that were in review since the last acceptance, and were withdrawn or turned down before this one."""
    base = base_of(version)
    rows = version.procedure.versions.filter(number__lt=version.number, state__in=LEFT)
    return list(rows.filter(number__gt=base.number) if base else rows)


def in_review_for(row: ReviewComment) -> Version | None:
    """The version under review in which a remark may be answered: its own, or the one that carries it on."""
    current = row.version.procedure.versions.filter(state=VersionState.IN_REVIEW.value).first()
    if current is None or row.version_id == current.pk:
        return current
    return current if any(one.pk == row.version_id for one in carried(current)) else None


def may_comment(person: Person, version: Version, at: datetime) -> bool:
    """Whether a person who may see the version also has a say: its authors, other authors, and reviewers."""
    if pages_reviews.is_author(person, version):
        return True
    return any(access.decide(person, verb, at=at, procedure=version.procedure).allowed for verb in ("author", "review"))


def _moved(row: ReviewComment, version: Version, lines: dict[str, list[str]]) -> int | None:
    """Where a line of earlier bytes stands now: the nearest one that says the same, or None."""
    if row.line is None:
        return None
    if row.path not in lines:
        content = file_diffs.content(version, row.path)
        lines[row.path] = line_diff.lines_of(content.decode("utf-8", "replace")) if content else []
    known = lines[row.path]
    near = range(max(0, row.line - 1 - NEARBY), min(len(known), row.line + NEARBY))
    same = [index for index in near if known[index][:500] == row.line_text]
    return min(same, key=lambda index: abs(index + 1 - (row.line or 0))) + 1 if same and row.line_text.strip() else None
