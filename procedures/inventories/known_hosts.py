"""OpenSSH's known_hosts: which keys a host was seen with, hashed names included (sshd(8), SSH_KNOWN_HOSTS)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from fnmatch import fnmatchcase

KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")


def keys_of(text: str, address: str, port: int) -> list[str]:
    """Keys of a host as "kind base64", the strongest kind first; a CA is no key of a host, nor is a revoked key."""
    name = address if port == 22 else f"[{address}]:{port}"
    rows = [line.split() for line in text.splitlines()]
    revoked = {row[3] for row in rows if len(row) >= 4 and row[0] == "@revoked" and _covers(row[1], name)}
    found = [
        f"{row[1]} {row[2]}"
        for row in rows
        if len(row) >= 3
        and row[0][0] not in "#@"
        and row[1] in KINDS
        and row[2] not in revoked
        and _names(row[0], name)
    ]
    return sorted(found, key=lambda key: KINDS.index(key.split()[0]))


def _is_key(row: list[str]) -> bool:
    return len(row) >= 3 and row[0][0] not in "#@" and row[1] in KINDS


def _covers(field: str, name: str) -> bool:
    """Whether a line of revoked keys is about this host, patterns included; an exception from one is not made."""
    return _names(field, name) or any(fnmatchcase(name, pattern) for pattern in field.split(","))


def _names(field: str, name: str) -> bool:
    if not field.startswith("|1|"):
        return name in field.split(",")
    try:
        salt, mark = (base64.b64decode(part, validate=True) for part in field[3:].split("|"))
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), mark)
