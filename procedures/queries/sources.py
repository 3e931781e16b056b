"""Sources as pages, API and hooks show them."""

from __future__ import annotations

from procedures.domain.errors import NotFound
from procedures.models import Source, Version


def hook_secret(name: str) -> str | None:
    """What signs a source's webhooks; None if there is no such source."""
    return Source.objects.filter(name=name, ended_at__isnull=True).values_list("hook_secret", flat=True).first()


def every_source() -> list[Source]:
    return list(Source.objects.filter(ended_at__isnull=True).select_related("owner").order_by("name"))


def one_source(name: str) -> Source:
    """Raises NotFound."""
    row = Source.objects.filter(name=name, ended_at__isnull=True).select_related("owner").first()
    if row is None:
        raise NotFound("There is no such source.")
    return row


def versions_of(source: Source) -> list[Version]:
    """The newest versions that came from a source."""
    rows = Version.objects.filter(origin__source=source.name).select_related("procedure", "submitter")
    return list(rows.order_by("-submitted_at")[:100])
