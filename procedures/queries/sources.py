"""Sources as pages, API and hooks show them."""

from __future__ import annotations

import hashlib
import hmac

from django.conf import settings

from procedures.domain.errors import NotFound
from procedures.models import Source, Version


def hook_secret(name: str) -> str | None:
    """What signs a source's webhooks; None if there is no such source."""
    row = Source.objects.filter(name=name, ended_at__isnull=True).first()
    return None if row is None else secret_of(row)


def secret_of(source: Source) -> str:
    """What is shared with the forge: made of the row's half and the portal's own key, so that no table holds it."""
    said = f"opsportal/source-hook/v1/{source.name}/{source.hook_secret}".encode()
    return hmac.new(settings.SECRET_KEY.encode(), said, hashlib.sha256).hexdigest()


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
