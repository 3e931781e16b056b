"""The two sides of a version's semantic diff, out of the tables: the accepted version then, the proposed one now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

from django.db.models import Model, Q, QuerySet

from procedures.domain import differences as semantic
from procedures.domain.definition import of_json
from procedures.domain.difference import Bound, Difference, Side
from procedures.models import CredentialBinding, Target, Version

LARGEST_TEXT = 256 * 1024
R = TypeVar("R", bound=Model)


def base_of(version: Version) -> Version | None:
    """What a version is compared with: the last one accepted before it was submitted, if any."""
    earlier = version.procedure.versions.filter(number__lt=version.number, accepted_at__isnull=False)
    return earlier.order_by("-accepted_at").first()


def differences(old: Version | None, new: Version, at: datetime) -> list[Difference]:
    """Every row of what `new` may do against `old`, which speaks of the day when it was accepted."""
    before = None if old is None else side(old, old.accepted_at or at)
    return semantic.differences(before, side(new, at))


def side(version: Version, at: datetime) -> Side:
    """A version with the targets and bindings of that moment."""
    definition = of_json(version.definition)
    names = list(definition.environments)
    return Side(
        definition=definition,
        risk=version.risk,
        files=dict(version.files.values_list("path", "content_sha256")),
        texts=texts(version),
        targets=[
            {"name": t.name, "environment": t.environment_id, "tags": t.tags}
            for t in _standing(Target.objects.filter(environment__in=names), at).order_by("name")
        ],
        bindings=[
            Bound(b.environment_id, b.name, b.provider, b.role, b.max_ttl_s, b.reach, b.ceiling)
            for b in _standing(CredentialBinding.objects.filter(environment__in=names), at)
            if b.name in definition.credentials
        ],
        calls={str(name): str(digest) for name, digest in version.closure.get("calls", [])},
    )


def texts(version: Version) -> dict[str, str]:
    """The readable files that are not very long, for hints."""
    found = {}
    for file in version.files.filter(size_bytes__lte=LARGEST_TEXT).order_by("path"):
        try:
            found[file.path] = bytes(file.content).decode()
        except UnicodeDecodeError:
            continue
    return found


def called_versions(rows: list[Difference]) -> Mapping[str, Version]:
    """The versions behind changed calls, by digest, newest first where a digest was accepted twice."""
    wanted = {row.calls for row in rows if row.calls}
    found = Version.objects.filter(digest__in=wanted).select_related("procedure").order_by("number")
    return {version.digest: version for version in found}


def _standing(rows: QuerySet[R], at: datetime) -> QuerySet[R]:
    """Those that stood at that moment."""
    return rows.filter(Q(ended_at__isnull=True) | Q(ended_at__gt=at), since_at__lte=at)
