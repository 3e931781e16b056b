"""Groups as a directory keeps them: their names and members give the portal's groups by the signed map alone.

What weighs (duties, deciding, production) waits for a manager, as it does for what a sign-in says (H26).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from procedures.domain.directories import too_much
from procedures.domain.errors import IllegalState, InvalidInput, NotFound
from procedures.domain.providers import is_directory, kept_groups
from procedures.evidence.record import record
from procedures.models import (
    ApiToken,
    DirectoryEntry,
    DirectoryGroup,
    DirectoryMember,
    IdentityProvider,
    Membership,
)
from procedures.services import group_sync
from procedures.services.chains import through
from procedures.services.identity_providers import directory, stand_in_name

T = TypeVar("T")
TOLD = 500  # people whom one event names


class GroupTaken(IllegalState):
    """A directory has a group of this name, or with this external id, already."""

    code = "directory.group-taken"
    next_step = "Change the group that is there, or give this one another name."


def groups(provider: IdentityProvider) -> Any:
    return DirectoryGroup.objects.filter(provider=provider)


def one(provider: IdentityProvider, group: UUID, *, held: bool) -> DirectoryGroup:
    """`held`: until the transaction ends. Raises NotFound."""
    rows = groups(provider).select_for_update(of=("self",)) if held else groups(provider)
    row: DirectoryGroup | None = rows.filter(pk=group).first()
    if row is None:
        raise NotFound("This directory has no such group.")
    return row


def make(*, provider: IdentityProvider, name: str, external_id: str, members: set[UUID], at: datetime) -> Any:
    """A group that a directory tells of. Call inside a transaction. Raises GroupTaken, InvalidInput."""
    _check(provider, name, external_id, None)
    row = DirectoryGroup.objects.create(
        provider=provider, name=name, external_id=external_id, made_at=at, changed_at=at
    )
    _put(row, "made", members, set(), at, mapped=_is_mapped(row))
    return row


def change(row: DirectoryGroup, *, name: str, external_id: str, members: set[UUID], at: datetime) -> DirectoryGroup:
    """Its name and its members as the directory has them now. Call inside a transaction; twice is once.

    Raises GroupTaken, InvalidInput.
    """
    held = set(row.rows.values_list("entry_id", flat=True))
    renamed = (name, external_id) != (row.name, row.external_id)
    if not renamed and held == members:
        return row
    _check(row.provider, name, external_id, row)
    before = row.name, row.external_id
    DirectoryGroup.objects.filter(pk=row.pk).update(
        name=name, external_id=external_id, revision=row.revision + 1, changed_at=at
    )
    row.refresh_from_db()
    mapped = _is_mapped(row, *before)
    also = held & members if renamed else set()
    _put(row, "changed", members - held, held - members, at, mapped=mapped, also=also)
    return row


def remove(row: DirectoryGroup, *, at: datetime) -> None:
    """The directory deletes a group: who was in the portal's groups by it alone is out. Call inside a transaction."""
    _put(row, "deleted", set(), set(row.rows.values_list("entry_id", flat=True)), at, mapped=_is_mapped(row))
    row.delete()


def _check(provider: IdentityProvider, name: str, external_id: str, row: DirectoryGroup | None) -> None:
    problems = [("/displayName", "1 to 255 characters")] if not name.strip() or len(name) > 255 else []
    problems += [("/externalId", "at most 255 characters")] if len(external_id) > 255 else []
    if problems:
        raise InvalidInput(problems)
    others = groups(provider).exclude(pk=row.pk if row else None)
    if others.filter(name__iexact=name).exists():
        raise GroupTaken("This directory has a group of this name already.")
    if external_id and others.filter(external_id=external_id).exists():
        raise GroupTaken("This directory has a group with this externalId already.")


def _put(
    row: DirectoryGroup,
    action: str,
    joined: set[UUID],
    left: set[UUID],
    at: datetime,
    *,
    mapped: bool,
    also: Iterable[UUID] = (),
) -> None:
    """Write who joined and who left, with evidence; where the map says something, bring them and `also` in line."""
    rows = {one.pk: one for one in _entries(row.provider, joined | left | set(also))}
    if strange := joined - rows.keys():
        raise InvalidInput([("/members", f"this directory has no user {min(map(str, strange))}")])
    DirectoryMember.objects.filter(group=row, entry__in=left).delete()
    DirectoryMember.objects.bulk_create(DirectoryMember(group=row, entry=rows[one]) for one in sorted(joined))
    if why := too_much(0, row.rows.count()):
        raise InvalidInput([("/members", why)])
    _note(row, action, [rows[one] for one in sorted(joined)], [rows[one] for one in sorted(left)], at)
    for entry in rows.values() if mapped else ():
        in_line(entry, at=at)


def _is_mapped(row: DirectoryGroup, *before: str) -> bool:
    return bool(kept_groups(row.provider.object, (row.name, row.external_id, *before)))


def _entries(provider: IdentityProvider, ids: set[UUID]) -> list[DirectoryEntry]:
    found: list[DirectoryEntry] = []
    for some in _parts(sorted(ids)):
        mine = DirectoryEntry.objects.filter(provider=provider, left_at__isnull=True, pk__in=some)
        found += mine.select_related("person", "provider")
    return found


def _parts(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    return (rows[start : start + TOLD] for start in range(0, len(rows), TOLD))


def _note(
    row: DirectoryGroup, action: str, joined: list[DirectoryEntry], left: list[DirectoryEntry], at: datetime
) -> None:
    actor = directory(row.provider, at)
    moves = [("joined", one) for one in joined] + [("left", one) for one in left]
    for some in _parts(moves) if moves else [[]]:
        told: dict[str, list[str]] = {"joined": [], "left": []}
        for way, entry in some:
            told[way].append(str(entry.person.subject))
        record(
            "directory.grouped",
            actor=actor.subject,
            at=at,
            facts={"provider": row.provider.name, "group": row.name, "action": action, **told, **through(actor)},
        )


def in_line(entry: DirectoryEntry, *, at: datetime) -> None:
    """One person's groups as their directory and the signed map have them now; a closed account is in none."""
    provider, wanted, actor = entry.provider, set(), directory(entry.provider, at)
    if entry.person.is_active and is_directory(provider.object):
        names = entry.kept_in.values_list("name", "external_id")
        wanted = kept_groups(provider.object, [text for pair in names for text in pair if text])
    by_sign_in = Membership.objects.filter(person=entry.person, added_by__username=stand_in_name(provider))
    by_sign_in.filter(group__name__in=wanted).update(added_by=actor)
    group_sync.in_line(entry.person, provider, wanted, actor=actor, at=at)


def follow(provider: IdentityProvider, *, at: datetime) -> None:
    """The provider's signed object was changed or ended, within that transaction: its map gives what it says now.

    One that pushes nobody any more has no tokens either.
    """
    actor = directory(provider, at)
    if not is_directory({**provider.object, "action": "end" if provider.ended_at else "set"}):
        ApiToken.objects.filter(person=actor, revoked_at__isnull=True).update(revoked_at=at)
    group_sync.shrink(provider, actor, at=at)
    kept = DirectoryEntry.objects.filter(provider=provider, rows__isnull=False).distinct()
    for entry in kept.select_related("person", "provider"):
        in_line(entry, at=at)
