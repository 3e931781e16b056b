"""What PostgreSQL's client library is told about TLS, by the issuer and by the step alike."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def trusted(authority: bytes | None) -> Iterator[str]:
    """The name of a file of CA certificates for as long as the block lasts; the system's without one of our own."""
    if authority is None:
        yield "system"
        return
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(authority)
        file.flush()
        yield file.name


def secured(tls: str, root: str) -> dict[str, Any]:
    """`tls` is verify-full, require or off."""
    if tls == "off":
        return {"sslmode": "disable"}
    if tls == "require":
        return {"sslmode": "require"}
    return {"sslmode": "verify-full", "sslrootcert": root}
