"""What the settings say of mail: the server as Django's SMTP backend wants it, and the sender."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from opsportal.settings import env


def mail_server(name: str) -> dict[str, object] | None:
    """What Django's SMTP backend is told, from a URL; None where none is set."""
    value = env.text(name)
    if not value:
        return None
    parts = urlsplit(value)
    ports = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
    try:
        host, port = parts.hostname, parts.port or ports.get(parts.scheme, 0)
    except ValueError:
        host, port = None, 0
    if not host or not port or parts.path not in {"", "/"} or parts.query:
        env.refuse(name, value, "smtps://, smtp+starttls:// or smtp:// with host, and name and password where needed")
    return {
        "host": host,
        "port": port,
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "use_tls": parts.scheme == "smtp+starttls",
        "use_ssl": parts.scheme == "smtps",
    }


def mail_sender(name: str, *, default: str) -> str:
    """A bare address, such as opsportal@example.com."""
    value = env.text(name) or default
    if not re.fullmatch(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9.-]{1,200}", value):
        env.refuse(name, value, "a bare address such as opsportal@example.com")
    return value
