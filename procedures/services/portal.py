"""What holds for the whole portal: the review profile in force and the names of things."""

from __future__ import annotations

from procedures.models import PortalSetting


def profile_in_force() -> str:
    """`separate`, `team` or `pair` (people.md, S1); `team` until a control change says otherwise."""
    said = PortalSetting.objects.filter(pk="profile").values_list("value", flat=True).first()
    return "team" if said is None else str(said)
