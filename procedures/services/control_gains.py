"""Who gains authority from a change: nobody grants to themselves, to a group of theirs or to software that they own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from procedures.domain.clock import now
from procedures.models import Membership, Person
from procedures.queries import campaigns, labels, stops


def who_gains(control: str, object: Mapping[str, Any], *, at: datetime | None = None) -> set[str]:
    """Subjects who gain authority from the change, groups opened up as they stand now, and the owners of software."""
    if control == "labels":
        gains = {str(one.subject) for one in labels.who_joins(object, at=at or now())}
    else:
        gains = stops.barred(object) if control == "stop_lift" else _gains(control, object)
    software = Person.objects.filter(subject__in=gains, owner__isnull=False)
    return gains | set(map(str, software.values_list("owner__subject", flat=True)))


def _gains(control: str, object: Mapping[str, Any]) -> set[str]:
    if control in {"grant", "duty"} and object.get("action", "add") == "add":
        kind, _, name = str(object.get("principal", "")).partition(":")
        if kind == "person":
            return {name}
        return {str(s) for s in Membership.objects.filter(group__name=name).values_list("person__subject", flat=True)}
    if control == "membership" and object["action"] == "add":
        return {str(object["person"])}
    if control == "space" and object["action"] == "set":
        return {str(who.subject) for lead in object["leads"] for who in labels.holders(lead)}
    if control == "workload_rule" and object["action"] == "set":
        return {str(object["account"])}
    if control in {"agent", "service_account"}:
        return {str(object["owner"])}
    if control == "campaign_keep":
        return campaigns.holders(object["grants"])
    return {str(object["subject"])} if control == "key" else set(map(str, object.get("behind", ())))
