"""Asking for access: the states of a request, and what a grant that answers it may not go beyond."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from procedures.domain.canonical import canon, moment, parse_moment, sha256_hex

ASKABLE = ("view", "run", "cancel", "read_output", "approve", "review", "author")
MOST_DAYS = 365
EXTENDED_BEFORE = timedelta(days=14)
LAPSES_AFTER = timedelta(days=14)


class AccessRequestState(StrEnum):
    """`proposed`: a manager said yes, and the grant waits for its confirmer."""

    OPEN = "open"
    PROPOSED = "proposed"
    GRANTED = "granted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


S = AccessRequestState
ACCESS_REQUEST_MOVES: dict[AccessRequestState, frozenset[AccessRequestState]] = {
    S.OPEN: frozenset({S.PROPOSED, S.GRANTED, S.REFUSED, S.WITHDRAWN, S.LAPSED}),
    S.PROPOSED: frozenset({S.GRANTED, S.OPEN, S.WITHDRAWN, S.LAPSED}),
}
ENDED_ACCESS_REQUESTS = frozenset(set(S) - set(ACCESS_REQUEST_MOVES))


@dataclass(frozen=True, slots=True)
class Asked:
    """What an access request asks for, by the names that stand in a grant. `kept` are limits that it must carry on.

    `procedure` is empty only where `extends` names a grant over several.
    """

    principal: str
    verbs: Sequence[str]
    procedure: str
    environments: Sequence[str]
    days: int
    reason: str
    kept: Mapping[str, Any] = field(default_factory=dict)
    extends: str = ""

    @property
    def mark(self) -> str:
        """The same for two requests that ask for the same."""
        same = [self.principal, sorted(self.verbs), self.procedure, sorted(self.environments), self.extends]
        return sha256_hex(canon(same))

    def grant(self, begins: datetime) -> dict[str, Any]:
        """The grant exactly as asked, from that instant on."""
        made: dict[str, Any] = {
            "principal": self.principal,
            "verbs": list(self.verbs),
            "environments": list(self.environments),
            "not_before": moment(begins),
            "expires_at": moment(begins + timedelta(days=self.days)),
            "reason": self.reason,
            **self.kept,
        }
        return made | ({"procedure": self.procedure} if self.procedure else {})


def beyond(asked: Asked, grant: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(pointer, why) for each way in which `grant` gives more than was asked; empty if it is the same or narrower."""
    found = []
    if grant["principal"] != asked.principal:
        found.append(("/object/principal", "is not who asked"))
    if grant.get("procedure", "") != asked.procedure:
        found.append(("/object/procedure", "is not the procedure that was asked for"))
    if more := sorted(set(grant["verbs"]) - set(asked.verbs)):
        found.append(("/object/verbs", f"gives {', '.join(more)}, which was not asked for"))
    if asked.environments:
        more = sorted(set(grant["environments"]) - set(asked.environments))
        if more or not grant["environments"]:
            where = ", ".join(more) or "every environment"
            found.append(("/object/environments", f"reaches {where}, which was not asked for"))
    begins, ends = parse_moment(grant["not_before"]), parse_moment(grant["expires_at"])
    if ends - begins > timedelta(days=asked.days):
        found.append(("/object/expires_at", f"is longer than the {asked.days} days that were asked for"))
    found += [
        (f"/object/{name}", "must stay as in the access that is extended")
        for name, value in asked.kept.items()
        if grant.get(name) != value
    ]
    if not asked.extends and grant.get("selector"):
        found.append(("/object/selector", "reaches more than the procedure that was asked for"))
    return found


def narrowed(asked: Asked, grant: Mapping[str, Any]) -> list[str]:
    """The fields in which a grant gives less than was asked, for the one who asked."""
    found = []
    if set(grant["verbs"]) < set(asked.verbs):
        found.append("verbs")
    if set(grant["environments"]) != set(asked.environments):
        found.append("environments")
    if parse_moment(grant["expires_at"]) - parse_moment(grant["not_before"]) < timedelta(days=asked.days):
        found.append("days")
    found += [name for name in ("constraint", "target_filter", "window") if name in grant and name not in asked.kept]
    return found
