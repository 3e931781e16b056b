"""Who is told again of what waits, and whom it is escalated to: those who manage access there, who know whom to call.

Each function gives one that tells under the kind that is due, so that who is told is looked up only then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from uuid import UUID

from procedures.domain.places import Place
from procedures.domain.plan_words import short_code
from procedures.models import AccessRequest, Campaign, ControlChange, GlassBreak, Person, Run, Version
from procedures.queries import access_requests, deciding, deputies, eligible
from procedures.queries.agents import asker
from procedures.services.notices import tell

Tell = Callable[[str], None]
MOST = 200


def approval(run: Run, about: UUID, *, until: datetime, at: datetime) -> Tell:
    def told(kind: str) -> None:
        facts = {**_of(run), "actor": asker(run.requester), "until": until, "code": short_code(run.digest_now)}
        people, path = eligible.approvers(run, at), f"/approvals/{run.id}/"
        tell(kind, people, key=f"{kind}:{about}", path=path, at=at, facts=facts)
        if kind == "approval.late" or not people:
            place = Place(run.procedure.name, (run.environment_id,))
            more = {"what": f"Run {run.no} of {run.procedure.name} in {run.environment_id}", "until": until}
            but = _pks(people) | deputies.behind(run)
            _escalate(place, about, "approve", at, more | {"able": len(people) or "nobody"}, but=but)

    return told


def review(version: Version, *, until: datetime, at: datetime) -> Tell:
    def told(kind: str) -> None:
        facts: dict[str, object] = {"procedure": version.procedure.name, "number": version.number, "until": until}
        facts["actor"] = asker(version.submitter)
        people, path = eligible.reviewers(version, at), f"/reviews/{version.id}/"
        tell(kind, people, key=f"{kind}:{version.id}", path=path, at=at, facts=facts)
        if kind == "review.late" or not people:
            more = {"what": f"Version {version.number} of {version.procedure.name}", "until": until}
            but = _pks(people) | deputies.authors(version)
            place = Place(version.procedure.name)
            _escalate(place, version.pk, "review", at, more | {"able": len(people) or "nobody"}, but=but)

    return told


def change(row: ControlChange, gains: Collection[str], *, until: datetime, at: datetime) -> Tell:
    def told(kind: str) -> None:
        facts = {"actor": asker(row.proposer), "control": row.control.replace("_", " "), "until": until}
        people = eligible.confirmers(row, at, set(gains))
        tell(kind, people, key=f"{kind}:{row.pk}", path=f"/changes/{row.pk}/", at=at, facts=facts)

    return told


def access(row: AccessRequest, *, at: datetime) -> Tell:
    def told(kind: str) -> None:
        procedure = row.procedure.name if row.procedure else "what ends soon"
        facts = {"actor": asker(row.asker), "procedure": procedure, "until": row.lapses_at}
        path = f"/access/requests/{row.pk}/"
        tell(kind, access_requests.deciders(row, at), key=f"{kind}:{row.pk}", path=path, at=at, facts=facts)

    return told


def campaign(row: Campaign, *, at: datetime) -> Tell:
    """Its reviewers and whoever stands in for one; at the end also everybody who manages access."""

    def told(kind: str) -> None:
        named = Person.objects.filter(subject__in=row.reviewers, is_active=True)
        stands_in = deputies.stand_ins(named.values_list("pk", flat=True), "manage_access", at)
        people = list(named) + list(Person.objects.filter(pk__in=stands_in))
        left = row.items.filter(decision="").count()
        facts = {"name": row.name, "left": left, "count": row.count, "until": row.due_at}
        more = eligible.managers(at) if kind == "campaign.late" else []
        path = f"/access/campaigns/{row.pk}/"
        tell(kind, [*people, *more], key=f"{kind}:{row.pk}", path=path, at=at, facts=facts)

    return told


def glass(use: GlassBreak, *, until: datetime, at: datetime) -> None:
    """Security and all managers: a use waits for its review."""
    facts = {**_of(use.run), "person": use.person, "when": use.at, "until": until}
    key = f"glass.unreviewed:{use.pk}"
    tell("break_glass.unreviewed", eligible.security(at), key=key, path="/break-glass/", at=at, facts=facts)


def _escalate(
    place: Place, about: UUID, verb: str, at: datetime, facts: Mapping[str, object], *, but: set[int]
) -> None:
    """Tell once those who manage access there and neither stand behind it nor are told already (`but`)."""
    path = f"/access/answers/who/?verb={verb}&procedure={place.procedure}"
    people = [one for one in deciding.over("manage_access", place, at=at)[:MOST] if one.pk not in but]
    tell("decision.escalated", people, key=f"escalated:{about}", path=path, at=at, facts=facts)


def _pks(people: Collection[Person]) -> set[int]:
    return {one.pk for one in people}


def _of(run: Run) -> dict[str, object]:
    return {"no": run.no, "procedure": run.procedure.name, "environment": run.environment_id}
