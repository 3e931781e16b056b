"""Where the keys of the authorities that certify hosts are."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from procedures.ssh.certifying import AuthorityOf
from procedures.ssh.places import HOSTS, authorities


def of_hosts() -> AuthorityOf:
    """Whose certificates hosts show. Its key lies where an issuer may make one: beside those of identity tokens."""
    return authorities(Path(settings.OPSPORTAL_IDENTITY_KEYS_DIR), HOSTS)
