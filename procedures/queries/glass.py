"""The register of break-glass: who did it, what it skipped, who has reviewed it, and who could."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from procedures import access
from procedures.domain import break_glass
from procedures.domain.errors import NotAllowed, NotFound
from procedures.models import ControlChange, GlassBreak, Grant, Person
from procedures.queries import deputies
from procedures.queries.duties import duties_of

MOST = 200


def earlier_uses(person: Person, at: datetime) -> list[break_glass.Use]:
    """What this person's limits are reckoned from: uses of the last day, and those without a review."""
    rows = GlassBreak.objects.filter(person=person)
    recent = rows.filter(at__gt=at - break_glass.DAY) | rows.filter(reviewed_at__isnull=True)
    return [break_glass.Use(row.at, row.reviewed_at is not None) for row in recent.order_by("at")]


def may_judge(person: Person, at: datetime) -> bool:
    """Whether reviewing break-glass is this person's business."""
    return access.decide(person, "manage_access", at=at).allowed or "security" in duties_of(person)


def grantors_of(use: GlassBreak) -> set[str]:
    """Subjects who gave the permission that was used, as its grant and its signed change say."""
    grant = Grant.objects.select_related("granted_by", "confirmed_by").filter(pk=use.grant).first()
    found = {str(p.subject) for p in (grant.granted_by, grant.confirmed_by) if p} if grant else set()
    change = ControlChange.objects.filter(pk=use.grant).first()
    return found | ({row["by"] for row in change.signatures} if change else set())


def reviewers_barred(person: Person, use: GlassBreak, at: datetime) -> str:
    """Why this person may not review that use, or an empty string."""
    if str(person.subject) in deputies.stood_in_since(use.person, use.at, at):
        return f"You stood in for {use.person} then or since, so somebody else must review this use."
    return break_glass.may_review(
        str(person.subject),
        user=str(use.person.subject),
        chain={str(link.person.subject) for link in use.run.chain.select_related("person")},
        grantors=grantors_of(use),
    )


def one_use(person: Person, use: UUID, at: datetime) -> GlassBreak:
    """A use, for whoever the register shows it to. Raises NotFound."""
    row = GlassBreak.objects.select_related("run__procedure", "run__environment", "person").filter(pk=use).first()
    sees = row is not None and (
        may_judge(person, at) or row.person_id == person.pk or access.decide(person, "audit", at=at).allowed
    )
    if row is None or not sees:
        raise NotFound("There is no such use of break-glass.")
    return row


def why_not_review(person: Person, use: GlassBreak, at: datetime) -> str:
    """Why this person has nothing to review there, or an empty string. The service decides again."""
    if use.reviewed_at is not None:
        return f"{use.reviewer} found it {use.verdict}."
    if not may_judge(person, at):
        return "Break-glass is reviewed by holders of the security duty and by access managers."
    return reviewers_barred(person, use, at)


def unreviewed(person: Person, at: datetime) -> int:
    """How many open uses this person is to see on every page: all for security and managers, else one's own."""
    rows = GlassBreak.objects.filter(reviewed_at__isnull=True)
    first = list(rows.values_list("person_id", flat=True)[:MOST])
    if not first:
        return 0
    return len(first) if may_judge(person, at) else first.count(person.pk)


def register(person: Person, at: datetime) -> list[GlassBreak]:
    """Every use, newest first: all for security, managers and auditors, else one's own. Raises NotAllowed."""
    rows = GlassBreak.objects.select_related("run__procedure", "run__environment", "person", "reviewer")
    if not (may_judge(person, at) or access.decide(person, "audit", at=at).allowed):
        rows = rows.filter(person=person)
        if not rows.exists():
            raise NotAllowed("The register of break-glass is for security, access managers and auditors.")
    return list(rows.order_by("-at")[:MOST])
