"""OpenSSH's known_hosts: which keys a host was seen with, hashed names included (sshd(8), SSH_KNOWN_HOSTS)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")


def keys_of(text: str, address: str, port: int) -> list[str]:
    """Keys of a host as "kind base64", the strongest kind first; revoked and CA lines are no keys of a host."""
    name = address if port == 22 else f"[{address}]:{port}"
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 3 and words[0][0] not in "#@" and words[1] in KINDS and _names(words[0], name):
            found.append(f"{words[1]} {words[2]}")
    return sorted(found, key=lambda key: KINDS.index(key.split()[0]))


def _names(field: str, name: str) -> bool:
    if not field.startswith("|1|"):
        return name in field.split(",")
    try:
        salt, mark = (base64.b64decode(part, validate=True) for part in field[3:].split("|"))
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), mark)
