"""Groups by the word of an identity provider, at each sign-in: what it may give alone, and what waits for a manager.

A group that decides, or that reaches production, is joined by a change that managers confirm and sign (H26), unless
signed changes declare the provider an authority. Leaving is never delayed: it takes away.
"""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet

from procedures.domain.providers import Said, portal_groups
from procedures.evidence.record import record
from procedures.models import (
    ControlChange,
    DutyAssignment,
    Environment,
    GrantRight,
    IdentityProvider,
    Membership,
    Person,
)
from procedures.queries import spaces
from procedures.services import controls
from procedures.services.identity_providers import stand_in

DECIDING = ("review", "approve", "manage_access", "operate", "break_glass")
READING = ("discover", "view", "read_output", "audit")
WITHDRAWN = "withdrawn"


def synced(person: Person, provider: IdentityProvider, said: Said, *, at: datetime) -> None:
    """Bring this person's groups in line with what the provider said now. Call inside a transaction."""
    in_line(person, provider, portal_groups(provider.object, said), actor=stand_in(provider, at), at=at)


def in_line(person: Person, provider: IdentityProvider, wanted: set[str], *, actor: Person, at: datetime) -> None:
    """The same for the groups that `actor`, who acts for the provider, may give; what others gave it leaves alone."""
    held = {row.group.name: row for row in Membership.objects.filter(person=person).select_related("group")}
    for name, row in held.items():
        if row.added_by_id == actor.pk and name not in wanted:
            leave(row, provider, at=at)
    _withdraw(person, actor, wanted, at)
    for name in sorted(wanted - set(held)):
        if provider.object["authority"] or not weighs(name, at):
            _join(person, name, provider, actor, at)
        else:
            _ask(person, name, actor, at)


def weighs(group: str, at: datetime) -> bool:
    """Whether being in this group decides something, gives access in a space that it leads, or reaches production."""
    if DutyAssignment.objects.filter(group__name=group, ended_at__isnull=True).exists():
        return True
    if any(f"group:{group}" in space.leads for space in spaces.live()):
        return True
    production = Environment.objects.filter(production=True)
    rights = GrantRight.objects.filter(group__name=group, ends_at__gt=at)
    reaching = Q(environment__isnull=True) if production.exists() else Q(pk__in=[])
    reaching = (reaching | Q(environment__in=production)) & ~Q(verb__in=READING)
    return rights.filter(Q(verb__in=DECIDING) | reaching).exists()


def _join(person: Person, group: str, provider: IdentityProvider, actor: Person, at: datetime) -> None:
    row, _ = Group.objects.get_or_create(name=group)
    Membership.objects.create(person=person, group=row, since_at=at, added_by=actor)
    _note(person, group, provider, "add", at)


def leave(row: Membership, provider: IdentityProvider, *, at: datetime) -> None:
    """A membership that this provider gave ends."""
    person, group = row.person, row.group.name
    Membership.objects.filter(pk=row.pk).delete()
    _note(person, group, provider, "remove", at)


def shrink(provider: IdentityProvider, actor: Person, *, at: datetime) -> None:
    """The provider was changed or ended: what `actor` gave for it and may no longer give ends at once.

    A provider that is no authority any more keeps what a manager confirmed, and loses what weighs.
    """
    mapped = set(provider.object["groups"].values()) if provider.ended_at is None else set()
    for row in Membership.objects.filter(added_by=actor).select_related("group", "person"):
        name = row.group.name
        alone = not _confirmed(row.person, name)
        if name not in mapped or (alone and not provider.object["authority"] and weighs(name, at)):
            leave(row, provider, at=at)


def _confirmed(person: Person, group: str) -> bool:
    """Whether the last thing that managers confirmed about this person and group was to put them in."""
    last = _changes(person, group).filter(state=ControlChange.State.CONFIRMED).order_by("-decided_at").first()
    return last is not None and last.object["action"] == "add"


def _changes(person: Person, group: str) -> QuerySet[ControlChange]:
    rows = ControlChange.objects.filter(control="membership", object__person=str(person.subject))
    return rows.filter(object__group=group)


def _ask(person: Person, group: str, actor: Person, at: datetime) -> None:
    """Propose the membership, once; what a manager refused is not asked for again."""
    Group.objects.get_or_create(name=group)
    last = _changes(person, group).filter(proposer=actor).order_by("-id").first()
    if last is not None:
        refused = last.state == ControlChange.State.REFUSED
        withdrawn = any(row["role"] == WITHDRAWN for row in last.signatures)
        if last.state == ControlChange.State.PROPOSED or (refused and not withdrawn):
            return
    controls.propose_for(
        proposer=actor,
        control="membership",
        object={"person": str(person.subject), "group": group, "action": "add"},
        at=at,
    )


def _withdraw(person: Person, actor: Person, wanted: set[str], at: datetime) -> None:
    """What the provider asked for and no longer says is asked no more."""
    rows = ControlChange.objects.filter(
        control="membership",
        proposer=actor,
        state=ControlChange.State.PROPOSED,
        object__person=str(person.subject),
    )
    for row in rows:
        if row.object["group"] not in wanted:
            controls.withdraw_for(row, proposer=actor, role=WITHDRAWN, at=at)


def _note(person: Person, group: str, provider: IdentityProvider, action: str, at: datetime) -> None:
    record(
        "membership.synced",
        actor=None,
        at=at,
        facts={
            "provider": provider.name,
            "subject": str(person.subject),
            "group": group,
            "action": action,
            "authority": bool(provider.object["authority"]),
        },
    )
