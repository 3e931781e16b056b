"""Who wrote what is handed in: whoever wrote what it was made from is an author too (rule 16)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from procedures import access
from procedures.domain.canonical import sha256_hex
from procedures.domain.errors import NotAllowed
from procedures.models import Person, Procedure, Version

READ = 50
SHARE = 4


def require_author(actor: Person, name: str, procedure: Procedure | None, at: datetime) -> None:
    """Raise NotAllowed, in the same words for a procedure that is hidden and for one that is not there."""
    if not access.decide(actor, "author", at=at, procedure=procedure).allowed:
        why = f"No grant lets {actor.username} author {name}."
        raise NotAllowed.for_want_of(why, verb="author", procedure=name)


def behind(people: Iterable[Person]) -> list[Person]:
    """These and the owners of those that are software: persons count, not accounts."""
    rows = list(people)
    return [*rows, *(person.owner for person in rows if person.owner is not None)]


def inherited(procedure: Procedure, files: Mapping[str, bytes]) -> list[Person]:
    """Authors of earlier versions, not accepted since, of which these bytes keep a good part.

    Somebody who sends another's version again with one line changed does not make its writer a stranger to it. What
    was accepted meanwhile is nobody's any more; of versions too many to be read every author counts.
    """
    last = procedure.versions.filter(accepted_at__isnull=False).order_by("-accepted_at").first()
    rows = procedure.versions.filter(draft=False, accepted_at__isnull=True)
    rows = rows.filter(number__gt=last.number) if last else rows
    common = _pieces(_files(last)) if last else set()
    mine = _pieces(files) - common
    found: dict[int, Person] = {}
    for place, row in enumerate(rows.order_by("-number")):
        if place >= READ or _keeps(mine, _pieces(_files(row)) - common):
            found |= {link.person_id: link.person for link in row.authors.select_related("person")}
    return list(found.values())


def _keeps(mine: set[str], theirs: set[str]) -> bool:
    return bool(theirs) and len(mine & theirs) * SHARE >= len(theirs)


def _files(version: Version) -> dict[str, bytes]:
    return {row.path: bytes(row.content) for row in version.files.all()}


def _pieces(files: Mapping[str, bytes]) -> set[str]:
    """Lines of text without the space around them; what is no text is one piece."""
    found: set[str] = set()
    for content in files.values():
        try:
            found |= {line.strip() for line in content.decode().splitlines()}
        except UnicodeDecodeError:
            found.add(sha256_hex(content))
    return found - {""}
