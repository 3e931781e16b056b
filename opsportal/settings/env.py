"""The only place that reads the environment: every variable with its type, default and meaning.

`describe()` is the table that `opsportal config` prints. A wrong value ends the process with one sentence.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn
from urllib.parse import unquote, urlsplit

import environ

ROOT = Path(__file__).resolve().parent.parent.parent
MASK = "********"
Kind = Literal["text", "integer", "yes or no", "path", "list", "URL"]


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable. `default` is as it would be written; `file` says that `NAME_FILE` may name a file holding it."""

    name: str
    kind: Kind
    default: str
    meaning: str
    secret: bool = False
    file: bool = False
    choices: tuple[str, ...] = ()


VARIABLES = {
    variable.name: variable
    for variable in (
        Variable(
            "OPSPORTAL_PROFILE",
            "text",
            "",
            "Which settings: embedded (one machine, nothing to set up), production, or test. Default: embedded unless "
            "DATABASE_URL or OPSPORTAL_BROKER_URL is set.",
            choices=("", "embedded", "production", "test"),
        ),
        Variable(
            "DATABASE_URL",
            "URL",
            "",
            "PostgreSQL (postgres://…) or SQLite (sqlite:///…). Default: SQLite in the data folder.",
            secret=True,
            file=True,
        ),
        Variable(
            "OPSPORTAL_BROKER_URL",
            "URL",
            "",
            "Redis or Valkey (redis://, rediss://), or RabbitMQ (amqp://, amqps://). Default: what `up` starts.",
            secret=True,
            file=True,
        ),
        Variable("OPSPORTAL_BROKER_CA", "text", "", "File with the authority of the broker's certificate."),
        Variable(
            "OPSPORTAL_DATA_DIR",
            "path",
            str(ROOT / "var"),
            "Folder for what the portal keeps outside the database; made on first start with mode 0700.",
        ),
        Variable(
            "OPSPORTAL_SOURCE_POLL_S", "integer", "60", "Seconds between two looks at a source without a webhook."
        ),
        Variable("OPSPORTAL_PORT", "integer", "8000", "Port on the loopback address where `up` listens."),
        Variable(
            "OPSPORTAL_PUBLIC_URL",
            "URL",
            "",
            "The portal's origin for links, cookies and passkeys; https unless it is localhost. Default: "
            "http://localhost:OPSPORTAL_PORT.",
        ),
        Variable(
            "OPSPORTAL_ALLOWED_HOSTS",
            "list",
            "",
            "Further host names, with commas, beside that of OPSPORTAL_PUBLIC_URL.",
        ),
        Variable(
            "OPSPORTAL_SECRET_KEY",
            "text",
            "",
            "Signs sessions and forms; 50 characters or more. Embedded: made on first start.",
            secret=True,
            file=True,
        ),
        Variable(
            "OPSPORTAL_EVIDENCE_KEY_FILE",
            "path",
            "",
            "The evidence log's signing key, for the sequencer alone. Default: keys/evidence in the data folder.",
        ),
        Variable(
            "OPSPORTAL_WITNESS_POLICY_FILE",
            "path",
            "",
            "File (C2SP tlog-policy) with the evidence log's witnesses; read by the sequencer alone. Unset: none.",
        ),
        Variable(
            "OPSPORTAL_RUNNER_KEY_FILE", "path", "", "This runner's own key. Default: keys/runner in the data folder."
        ),
        Variable(
            "OPSPORTAL_IDENTITY_SECRETS_DIR",
            "path",
            "",
            "Folder with one file per identity provider, of its name, that holds its client secret; read by web alone. "
            "Default: identity-providers in the data folder.",
        ),
        Variable(
            "OPSPORTAL_SANDBOX_UIDS",
            "text",
            "64000-64063",
            "User ids, first-last, under which a runner that is root puts its sandboxes.",
        ),
        Variable("OPSPORTAL_RUNNER_THREADS", "integer", "8", "How many runs one runner drives at once."),
        Variable(
            "OPSPORTAL_RUNNER_ADDRESS",
            "text",
            "",
            "Address or network under which targets see this runner; certificates hold from there alone.",
        ),
        Variable(
            "OPSPORTAL_INVENTORIES_DIR",
            "path",
            "",
            "Folder on a runner's host with files and programs of inventories. Default: inventories in the data "
            "folder.",
        ),
        Variable(
            "OPSPORTAL_CONTACT_EVERY_S",
            "integer",
            "300",
            "How often runners look whether targets are in contact, in seconds.",
        ),
        Variable("OPSPORTAL_OPTION_HOSTS", "list", "", "Hosts from which runners may fetch choices for forms."),
        Variable(
            "OPSPORTAL_SMTP_URL",
            "URL",
            "",
            "Mail server for notices: smtps://name:password@host:465, smtp+starttls://…:587, or smtp://host:25 without "
            "TLS. Unset: nobody gets mail.",
            secret=True,
            file=True,
        ),
        Variable("OPSPORTAL_MAIL_FROM", "text", "", "Sender of notices. Default: opsportal@ the portal's host."),
        Variable("OPSPORTAL_HEARTBEAT_S", "integer", "1", "Seconds between two signs of life of a run's runner."),
        Variable("OPSPORTAL_HEARTBEAT_LOST_S", "integer", "10", "Silence after which a runner counts as lost."),
        Variable("OPSPORTAL_DATABASE_BOUND_S", "integer", "600", "How long a runner tries its writes again."),
        Variable("OPSPORTAL_DRAIN_S", "integer", "10", "What a runner that is to stop lets a step have."),
        Variable(
            "OPSPORTAL_REVIEW_PROFILE",
            "text",
            "team",
            "The review profile that a new portal begins with.",
            choices=("separate", "team", "pair"),
        ),
        Variable("OPSPORTAL_RUNBOOKS_DIR", "path", str(ROOT / "runbooks"), "Folder of the shipped procedures."),
        Variable(
            "OPSPORTAL_LOG_LEVEL",
            "text",
            "INFO",
            "How much the processes say.",
            choices=("DEBUG", "INFO", "WARNING", "ERROR"),
        ),
        Variable(
            "OPSPORTAL_LOG_FORMAT",
            "text",
            "",
            "json or text. Default: text on a terminal, else json.",
            choices=("", "json", "text"),
        ),
        Variable(
            "OPSPORTAL_SESSION_IDLE_MIN",
            "integer",
            "60",
            "Minutes after which a session in a browser that is not used ends, 5 to 720.",
        ),
        Variable(
            "OPSPORTAL_SESSION_HOURS",
            "integer",
            "12",
            "Hours after which every session ends, used or not, 1 to 24; that of the command line after 8 at most.",
        ),
        Variable(
            "OPSPORTAL_ALIVE_FILE",
            "text",
            "",
            "File that runner, disposable pool, scheduler and sequencer touch while they work; `opsportal alive` looks "
            "at it. Unset: none.",
        ),
        Variable("OPSPORTAL_TRUST_PROXY", "yes or no", "no", "Believe X-Forwarded-Proto of the proxy in front."),
        Variable("OPSPORTAL_ROOT_OK", "yes or no", "no", "Let a process be root outside the embedded default."),
    )
}


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
