"""What the roles of a portal are called in its database."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

LONGEST = 63  # bytes of a name in PostgreSQL


@dataclass(frozen=True, slots=True)
class Names:
    """`opsportal_web`, `opsportal_runner_staging`: roles are the whole server's, so each begins with the database's."""

    prefix: str

    def of(self, part: str, environment: str = "") -> str:
        return short("_".join(word for word in (self.prefix, part, environment) if word))


def short(name: str) -> str:
    """A name that PostgreSQL does not cut: a long one ends with a digest of all of it."""
    if len(name.encode()) <= LONGEST:
        return name
    return f"{name[:48]}_{hashlib.sha256(name.encode()).hexdigest()[:12]}"
