"""The only place that reads the environment: every variable with its type, default and meaning.

`describe()` is the table that `opsportal config` prints. A wrong value ends the process with one sentence.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote, urlsplit

import environ

from opsportal.settings.variables import VARIABLES, Variable

MASK = "********"


def refuse(name: str, value: str, wanted: str) -> NoReturn:
    """End the process with one sentence that names the variable, its value and the choices."""
    shown = MASK if VARIABLES[name].secret else repr(value)
    raise SystemExit(f"{name} is {shown}, but must be {wanted}.")


def text(name: str) -> str:
    """The value as text, out of `NAME_FILE` where that is allowed and set; empty means the documented default."""
    value, _ = _lookup(VARIABLES[name])
    return value


def integer(name: str, *, low: int, high: int) -> int:
    """The value as a whole number within bounds, both included."""
    value = text(name)
    if not value.isdecimal() or not low <= int(value) <= high:
        refuse(name, value, f"a whole number from {low} to {high}")
    return int(value)


def yes(name: str) -> bool:
    """The value as a yes or no."""
    value = text(name).lower()
    if value not in {"yes", "no", "true", "false", "1", "0"}:
        refuse(name, value, "yes or no")
    return value in {"yes", "true", "1"}


def path(name: str) -> Path:
    """The value as an absolute path."""
    return Path(text(name)).expanduser().absolute()


def listing(name: str) -> list[str]:
    """The value as a list, split at commas."""
    return [part.strip() for part in text(name).split(",") if part.strip()]


def origin(name: str, *, default: str) -> str:
    """The value as scheme://host[:port] without a path."""
    value = (text(name) or default).rstrip("/")
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path or parts.query:
        refuse(name, value, "an origin such as https://ops.example.com")
    return value


def database(name: str, *, default: str) -> dict[str, object]:
    """Django's description of the database, from a URL; a host such as %2Frun%2Fpostgresql is a socket's folder."""
    value = text(name) or default
    scheme = urlsplit(value).scheme
    if scheme not in {"postgres", "postgresql", "sqlite"}:
        refuse(name, value, "a URL that begins with postgres:// or sqlite:///")
    described: dict[str, object] = dict(environ.Env.db_url_config(value))
    return {**described, "HOST": unquote(str(described.get("HOST") or ""))}


def profile() -> str:
    """Which settings module applies."""
    chosen = text("OPSPORTAL_PROFILE")
    own_services = text("DATABASE_URL") or text("OPSPORTAL_BROKER_URL")
    return chosen or ("production" if own_services else "embedded")


def describe() -> Iterator[dict[str, str]]:
    """One row per variable: name, type, value (masked), source, default, meaning."""
    for variable in VARIABLES.values():
        value, source = _lookup(variable)
        shown = MASK if variable.secret and value else value
        yield {
            "name": variable.name,
            "type": variable.kind,
            "value": shown,
            "source": source,
            "default": variable.default,
            "meaning": variable.meaning,
        }


def _lookup(variable: Variable) -> tuple[str, str]:
    """The value and where it came from: environment, a file, or default."""
    given = os.environ.get(variable.name, "")
    if variable.file and (file := os.environ.get(f"{variable.name}_FILE", "")):
        if given:
            raise SystemExit(f"{variable.name} and {variable.name}_FILE are both set; keep one of them.")
        return _file_text(f"{variable.name}_FILE", file), file
    if variable.choices and given and given not in variable.choices:
        refuse(variable.name, given, "one of " + ", ".join(choice for choice in variable.choices if choice))
    return (given, "environment") if given else (variable.default, "default")


def _file_text(name: str, file: str) -> str:
    try:
        return Path(file).read_text().strip()
    except OSError as problem:
        raise SystemExit(f"{name} is {file!r}, but must be a file that this process may read ({problem}).") from None
