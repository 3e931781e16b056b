"""What environments made of an accepted version's credentials since people accepted it (H2)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from procedures.domain.definition import of_json
from procedures.domain.difference import Bound, Difference, Side
from procedures.domain.difference_reach import bindings
from procedures.domain.states import VersionState
from procedures.models import CredentialBinding, Version

GROWN = frozenset({"wider", "changed"})


def grown(version: Version, at: datetime) -> list[str]:
    """In words, what of an accepted version's credentials is bound to more, or to something else, than then."""
    return _grown(version, _bindings(), at)


def grown_among(versions: Iterable[Version], at: datetime) -> list[Version]:
    """Those of these accepted versions of which `grown` has something to say."""
    rows = _bindings()
    return [version for version in versions if _grown(version, rows, at)]


def grown_by(binding: CredentialBinding, at: datetime) -> list[Version]:
    """The accepted versions whose reach this new binding made another, and not a smaller one."""
    accepted = Version.objects.filter(state=VersionState.ACCEPTED.value, expires_at__gt=at).select_related(
        "procedure", "submitter"
    )
    name, place = binding.name, binding.environment_id
    concerned = [v for v in accepted if name in v.definition["credentials"] and place in v.definition["environments"]]
    rows = _bindings(environment=place, name=name)
    return [version for version in concerned if _grown(version, rows, at)]


def _bindings(**only: str) -> list[CredentialBinding]:
    return list(CredentialBinding.objects.filter(**only).order_by("environment", "name", "revision"))


def _grown(version: Version, rows: Iterable[CredentialBinding], at: datetime) -> list[str]:
    if version.state != VersionState.ACCEPTED or version.accepted_at is None:
        return []
    definition = of_json(version.definition)
    names, places = set(definition.credentials), set(definition.environments)
    own = [row for row in rows if row.name in names and row.environment_id in places]
    if all(row.since_at <= version.accepted_at for row in own):
        return []
    then, today = (Side(definition, version.risk, bindings=_stood(own, when)) for when in (version.accepted_at, at))
    return [_words(row) for row in bindings(then, today) if row.effect in GROWN]


def _stood(rows: Iterable[CredentialBinding], when: datetime) -> list[Bound]:
    return [
        Bound(b.environment_id, b.name, b.provider, b.role, b.max_ttl_s, b.reach, b.ceiling)
        for b in rows
        if b.since_at <= when and (b.ended_at is None or b.ended_at > when)
    ]


def _words(row: Difference) -> str:
    return f"{row.name} ({row.why})"
