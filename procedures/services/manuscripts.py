"""Writing in the browser: files kept for their author alone, saved whole, and handed in as any bundle is."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime

from procedures.domain.bundle import BundleRefused, check_paths
from procedures.domain.errors import IllegalState, InvalidInput, NotFound
from procedures.models import Manuscript, Person, Procedure, Version
from procedures.services.authorship import require_author
from procedures.services.unit import thing
from procedures.services.versions import stored_files, submit_version

MOST = 100


class TooManyManuscripts(IllegalState):
    """One person's files that were begun and never handed in."""

    code = "manuscript.too-many"
    next_step = "Hand in or discard some of those that you began."


class SavedElsewhere(IllegalState):
    """The same files were saved from another tab or machine meanwhile."""

    code = "manuscript.saved-elsewhere"
    next_step = "Compare the two below; save again to keep yours."


@thing
def open_manuscript(*, actor: Person, name: str, empty: Mapping[str, bytes], at: datetime) -> Manuscript:
    """What this person writes under that name: begun before, or begun now with the accepted version or `empty`.

    Raises NotAllowed for whoever may not author it, TooManyManuscripts.
    """
    procedure = Procedure.objects.filter(name=name).first()
    require_author(actor, name, procedure, at)
    found = Manuscript.objects.filter(owner=actor, name=name).first()
    if found is not None:
        return found
    base = _base(procedure)
    return keep_manuscript(actor=actor, name=name, files=stored_files(base) if base else empty, base=base, at=at)


def keep_manuscript(
    *, actor: Person, name: str, files: Mapping[str, bytes], base: Version | None, at: datetime
) -> Manuscript:
    """A new one of somebody who may author that name and writes it nowhere yet. Raises TooManyManuscripts."""
    if Manuscript.objects.filter(owner=actor).count() >= MOST:
        raise TooManyManuscripts(f"You have {MOST} procedures in the editor already.")
    digest = base.digest if base else ""
    return Manuscript.objects.create(owner=actor, name=name, files=packed(files), base_digest=digest, updated_at=at)


def _base(procedure: Procedure | None) -> Version | None:
    if procedure is None:
        return None
    rows = procedure.versions.exclude(state="draft").order_by("-number")
    return rows.filter(state="accepted").first() or rows.first()


@thing
def save_manuscript(*, actor: Person, name: str, files: Mapping[str, bytes], revision: int, at: datetime) -> Manuscript:
    """Keep these files if nobody saved since `revision`. Raises NotAllowed, NotFound, SavedElsewhere, InvalidInput."""
    require_author(actor, name, Procedure.objects.filter(name=name).first(), at)
    row = Manuscript.objects.select_for_update().filter(owner=actor, name=name).first()
    if row is None:
        raise NotFound("You write nothing under that name.")
    if row.revision != revision:
        raise SavedElsewhere(f"These files were saved elsewhere at {row.updated_at:%H:%M:%S} UTC.")
    try:
        check_paths(files)
    except BundleRefused as problem:
        raise InvalidInput([("/files", problem.message)], problem.message) from problem
    row.files, row.revision, row.updated_at = packed(files), revision + 1, at
    row.save(update_fields=["files", "revision", "updated_at"])
    return row


@thing
def discard_manuscript(*, actor: Person, name: str, at: datetime) -> None:
    """Throw one's own away; safe to repeat."""
    Manuscript.objects.filter(owner=actor, name=name).delete()


def submit_manuscript(*, actor: Person, name: str, note: str, at: datetime) -> Version:
    """Hand in what was saved, as `submit_version` takes any bundle; then nothing is kept here.

    Raises NotFound, NotAllowed, InvalidInput, SameBytes.
    """
    row = Manuscript.objects.filter(owner=actor, name=name).first()
    if row is None:
        raise NotFound("You write nothing under that name.")
    version = submit_version(actor=actor, files=unpacked(row), note=note, at=at)
    discard_manuscript(actor=actor, name=name, at=at)
    return version


def packed(files: Mapping[str, bytes]) -> dict[str, str]:
    return {path: base64.b64encode(content).decode() for path, content in files.items()}


def unpacked(row: Manuscript) -> dict[str, bytes]:
    return {path: base64.b64decode(text) for path, text in row.files.items()}
