"""Campaigns for the doors: which grants a selection finds, how far one is, and what each grant was really used for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from procedures import access
from procedures.access.decision import live_rights
from procedures.domain.campaigns import SELECTS, CampaignState, ItemDecision
from procedures.domain.errors import NotFound
from procedures.models import Campaign, CampaignItem, Grant, GrantRight, Membership, Person, Procedure
from procedures.queries import deputies

JOINED = ("grant", "grant__person", "grant__group", "grant__procedure", "grant__granted_by", "decided_by", "change")


def selected(select: Mapping[str, str], at: datetime) -> list[UUID]:
    """Ids of the grants that hold now and fit every part of a selection; what another open campaign has is left out."""
    rows = Grant.objects.filter(revoked_at__isnull=True, expires_at__gt=at)
    taken = CampaignItem.objects.filter(campaign__state=CampaignState.OPEN.value, decision="")
    rows = rows.exclude(pk__in=taken.values("grant"))
    plain = {"owner": "granted_by__username", "group": "group__name", "person": "person__username"}
    rows = rows.filter(**{plain[name]: value for name, value in select.items() if name in plain})
    rights = GrantRight.objects.all()
    if procedure := select.get("procedure"):
        rows = rows.filter(pk__in=rights.filter(procedure__name=procedure).values("grant"))
    if environment := select.get("environment"):
        where = Q(environment=environment) | Q(environment__isnull=True)
        rows = rows.filter(pk__in=rights.filter(where).values("grant"))
    if label := select.get("label"):
        named = [pk for pk, labels in Procedure.objects.values_list("pk", "labels") if label in labels]
        labelled = [pk for pk, labels in rows.exclude(selector=[]).values_list("pk", "selector") if label in labels]
        rows = rows.filter(Q(pk__in=rights.filter(procedure__in=named).values("grant")) | Q(pk__in=labelled))
    return sorted(rows.values_list("pk", flat=True))


def unknown(select: Mapping[str, str]) -> list[tuple[str, str]]:
    """(pointer, why) for parts of a selection that are none."""
    return [(f"/select/{name}", f"is not one of {', '.join(SELECTS)}") for name in select if name not in SELECTS]


def holders(grants: Collection[Any]) -> set[str]:
    """Subjects behind these grants, groups opened up as they stand now, and the owners of software."""
    rows = Grant.objects.filter(pk__in=list(grants))
    direct = rows.filter(person__isnull=False).values_list("person__subject", flat=True)
    groups = rows.filter(group__isnull=False).values("group")
    through = Membership.objects.filter(group__in=groups).values_list("person__subject", flat=True)
    found = {str(subject) for subject in (*direct, *through)}
    owners = Person.objects.filter(subject__in=found, owner__isnull=False).values_list("owner__subject", flat=True)
    return found | set(map(str, owners))


def managing_without(grants: Collection[UUID], at: datetime) -> bool:
    """Whether somebody would manage access if all of these were gone."""
    rights = GrantRight.objects.filter(
        verb="manage_access", procedure__isnull=True, environment__isnull=True, not_before_at__lte=at, ends_at__gt=at
    )
    left = {grant for grant in rights.values_list("grant_id", flat=True) if grant not in set(grants)}
    held = Q(person__is_active=True) | Q(group__memberships__person__is_active=True)
    return rights.filter(held, grant__in=left).exists()


def seen_by(person: Person, at: datetime) -> QuerySet[Campaign]:
    """Every one for managers and auditors, newest first; else none."""
    may = any(access.decide(person, verb, at=at).allowed for verb in ("manage_access", "audit"))
    rows = Campaign.objects.select_related("opened_by").order_by("-opened_at", "-id")
    return rows if may else rows.none()


def one(person: Person, campaign: UUID, at: datetime) -> Campaign:
    """Raises NotFound."""
    row = seen_by(person, at).filter(pk=campaign).first()
    if row is None:
        raise NotFound("There is no such campaign.")
    return row


def waiting(person: Person, at: datetime) -> list[Campaign]:
    """Open campaigns that name this person as a reviewer and still hold something undecided."""
    if not live_rights(person, "manage_access", at).exists():
        return []
    rows = Campaign.objects.filter(state=CampaignState.OPEN.value, due_at__gt=at).order_by("due_at")
    mine = [row for row in rows[:200] if reviews(person, row, at)]
    undecided = CampaignItem.objects.filter(campaign__in=mine, decision="").values_list("campaign", flat=True)
    left = set(undecided.distinct())
    return [row for row in mine if row.pk in left]


def reviews(person: Person, campaign: Campaign, at: datetime) -> bool:
    """Whether a campaign names this person, or somebody for whom they stand in now."""
    away = deputies.stood_in_for(person, "manage_access", at)
    return any(str(one.subject) in campaign.reviewers for one in (person, *away))


def progress(campaigns: Sequence[Campaign]) -> dict[UUID, dict[str, int]]:
    """How many grants of each campaign stand at each decision; undecided ones under `undecided`."""
    found: dict[UUID, dict[str, int]] = {row.pk: {} for row in campaigns}
    counts = CampaignItem.objects.filter(campaign__in=list(campaigns)).values_list("campaign", "decision")
    for campaign, decision, count in counts.annotate(Count("id")):
        found[campaign][decision or "undecided"] = count
    return found


def items(campaign: Campaign, *, after: int = 0, size: int = 50, undecided: bool = False) -> list[CampaignItem]:
    """A page of a campaign's grants after that one, with one more than asked for if there is more."""
    rows = CampaignItem.objects.filter(campaign=campaign, pk__gt=after).select_related(*JOINED).order_by("pk")
    if undecided:
        rows = rows.filter(decision=ItemDecision.UNDECIDED.value)
    return list(rows[: size + 1])


def item(campaign: Campaign, grant: UUID) -> CampaignItem:
    """Raises NotFound."""
    row = CampaignItem.objects.filter(campaign=campaign, grant=grant).select_related(*JOINED).first()
    if row is None:
        raise NotFound("This campaign holds no such access.")
    return row


def own(person: Person, grants: Sequence[Grant]) -> set[UUID]:
    """Those of these grants that this person holds, directly or through a group."""
    mine = set(person.memberships.values_list("group_id", flat=True))
    return {grant.pk for grant in grants if grant.person_id == person.pk or grant.group_id in mine}


def names(subjects: Sequence[str]) -> list[str]:
    """People's names, for showing who reviews."""
    return sorted(str(person) for person in Person.objects.filter(subject__in=subjects))
