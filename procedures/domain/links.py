"""Links that others wrote: the web and mail alone, nothing hidden in them (H29)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from procedures.domain import expressions, rendering
from procedures.domain.text import visible

SCHEMES = ("http", "https", "mailto")
MAX_LENGTH = 2_000
_SPACES = re.compile(r"\s")


def safe(url: str) -> str:
    """The URL if a page may link to it, else an empty string."""
    if len(url) > MAX_LENGTH or visible(url) != url or _SPACES.search(url) or "\\" in url:
        return ""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return ""
    if parts.scheme not in SCHEMES or parts.username is not None or parts.password is not None:
        return ""
    return url if (parts.path if parts.scheme == "mailto" else host) else ""


def rendered(url: str, scope: Mapping[str, Any]) -> str:
    """A link of `output.links`, not judged yet: values in it are percent-encoded, unless one value is all of it."""
    if url.startswith(("http://", "https://")):
        return rendering.render_url(url, scope)
    return expressions.text_of(expressions.render(url, scope))
