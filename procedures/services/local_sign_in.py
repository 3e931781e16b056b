"""Whether names and passwords of the portal's own open it beside identity providers: a control object of its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from procedures import access
from procedures.domain.providers import SignInRefused
from procedures.models import ControlChange, Person, PortalSetting
from procedures.services import identity_providers

SETTING = "local-sign-in"


class LocalSignInOff(SignInRefused):
    """Names and passwords of the portal's own do not open it any more."""

    code = "signin.local-off"
    next_step = "Sign in with one of the identity providers on the page."


def problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Nobody locks everybody out: without a provider that lives, passwords stay."""
    if object["local"] != "on" and not identity_providers.live().exists():
        return [("/object/local", "stays on while no identity provider lets people in")]
    return []


def apply(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    PortalSetting.objects.update_or_create(name=SETTING, defaults={"value": object["local"], "since_at": at})


def in_force() -> str:
    """`on`, `break-glass` (holders of that verb alone) or `off`; a portal whose providers all ended is `on` again."""
    row = PortalSetting.objects.filter(pk=SETTING).first()
    return str(row.value) if row is not None and identity_providers.live().exists() else "on"


def open_to(person: Person, at: datetime) -> bool:
    """Whether this person may sign in by the portal's own password."""
    setting = in_force()
    if setting == "break-glass":
        return access.decide(person, "break_glass", at=at).allowed
    return setting == "on"
