"""Refuses an unsafe start: each finding names the setting, says what is wrong and what to do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks

LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1"}


def register() -> None:
    """Make the findings part of `manage.py check` and of every management command."""
    checks.register(unsafe_settings, checks.Tags.security)


def unsafe_settings(**_: Any) -> list[checks.CheckMessage]:
    """The findings as Django's errors."""
    return [checks.Error(problem, id=f"opsportal.E{number:03}") for number, problem in enumerate(findings(), 1)]


def findings() -> Iterator[str]:
    """What makes this configuration unsafe outside the embedded default; one sentence or two each."""
    if settings.OPSPORTAL_PROFILE != "production":
        return
    public = urlsplit(settings.OPSPORTAL_PUBLIC_URL)
    if public.scheme != "https" and public.hostname not in LOCAL_HOSTS:
        yield f"OPSPORTAL_PUBLIC_URL is {settings.OPSPORTAL_PUBLIC_URL}. Use https: passkeys and cookies need it."
    if settings.DEBUG:
        yield "DEBUG is on. Switch it off: it shows settings to whoever meets an error."
    if "*" in settings.ALLOWED_HOSTS:
        yield "OPSPORTAL_ALLOWED_HOSTS contains *. Name the hosts."
    if settings.DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
        yield "DATABASE_URL names SQLite. Use PostgreSQL where several processes or machines share the portal."
    mail = settings.OPSPORTAL_SMTP
    if mail and mail["password"] and not (mail["use_tls"] or mail["use_ssl"]) and mail["host"] not in LOCAL_HOSTS:
        yield "OPSPORTAL_SMTP_URL sends a password without TLS. Use smtps:// or smtp+starttls://."
    if not settings.PASSWORD_HASHERS[0].endswith(".Argon2PasswordHasher"):
        yield "PASSWORD_HASHERS does not begin with Argon2. Leave it as it is: weaker hashes are guessed when stolen."
    if os.geteuid() == 0 and not settings.OPSPORTAL_ROOT_OK:
        yield "This process is root. Start it as a user of its own, or set OPSPORTAL_ROOT_OK=yes in a throw-away host."


def refuse_unsafe_start() -> None:
    """End the process with every finding, one to a line, if there is any."""
    if problems := list(findings()):
        raise SystemExit("Refusing to start:\n" + "\n".join(f"- {problem}" for problem in problems))


def refuse_keys_in_sight() -> None:
    """End a web process that could read a private key, but for the embedded default, which says so on its pages."""
    from procedures.queries.separation import of_this_process

    found = of_this_process()
    if found.keys and not found.embedded:
        names = "\n".join(f"- {path}" for path in found.keys)
        raise SystemExit(
            f"Refusing to start: this web process can read private keys.\n{names}\n"
            "Run sequencer, issuer and runner as users of their own, each with its key at mode 0600."
        )
