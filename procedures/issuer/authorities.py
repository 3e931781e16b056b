"""Where the keys of an environment's certificate authorities are: what lets runs in, and what certifies hosts."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from procedures.ssh.authority import HOSTS, USERS, in_files
from procedures.ssh.certifying import AuthorityOf


def of_users(keys: Path) -> AuthorityOf:
    """Whose certificates let runs in."""
    return in_files(keys, USERS)


def of_hosts() -> AuthorityOf:
    """Whose certificates hosts show. Its key lies where an issuer may make one: beside those of identity tokens."""
    return in_files(Path(settings.OPSPORTAL_IDENTITY_KEYS_DIR), HOSTS)
