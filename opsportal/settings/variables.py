"""Every variable of the environment that the product reads, with its type, default and meaning."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parent.parent.parent
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
            "OPSPORTAL_SOURCE_POLL_S",
            "integer",
            "60",
            "How often a git source is looked at when no webhook asks for it, in seconds.",
        ),
        Variable(
            "OPSPORTAL_DATABASE_GIB",
            "integer",
            "0",
            "How much a PostgreSQL database may take, in GiB, so that the portal can tell when it fills. 0: unknown.",
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
            "OPSPORTAL_TSA_URL",
            "text",
            "",
            "A time-stamping authority (RFC 3161, over HTTP) for the log's checkpoints; asked by the sequencer. Unset: "
            "none.",
        ),
        Variable(
            "OPSPORTAL_TSA_ROOTS_FILE",
            "text",
            "",
            "File (PEM) with the certificates that its time stamps must lead to.",
        ),
        Variable("OPSPORTAL_TSA_EVERY_MIN", "integer", "60", "Minutes between two time stamps that nobody asked for."),
        Variable(
            "OPSPORTAL_MIRROR_BUCKET",
            "text",
            "",
            "S3 bucket with Object Lock for copies of the log's tiles and checkpoints; written by the sequencer, with "
            "the AWS credentials of its own environment. Unset: none.",
        ),
        Variable("OPSPORTAL_MIRROR_ENDPOINT", "text", "", "Where another store than AWS answers in S3's protocol."),
        Variable("OPSPORTAL_MIRROR_REGION", "text", "us-east-1", "The region of that bucket."),
        Variable("OPSPORTAL_MIRROR_DAYS", "integer", "365", "Days for which nobody can delete a copy there."),
        Variable("OPSPORTAL_MIRROR_EVERY_MIN", "integer", "5", "Minutes between two rounds of copying."),
        Variable(
            "OPSPORTAL_COLD_DAYS",
            "integer",
            "90",
            "Days after its end for which a run's evidence lies ready; then its bodies go to cold storage, where they "
            "are read as before, a little slower. 0: never.",
        ),
        Variable(
            "OPSPORTAL_COLLECTOR_TOKENS",
            "text",
            "",
            "Folder beside the scheduler with a file for each collector that wants a token, by the collector's name.",
        ),
        Variable(
            "OPSPORTAL_LOG_READERS",
            "text",
            "auditors",
            "Who may read the log's tiles at /evidence/log/: auditors (and this machine itself), or everybody.",
            choices=("auditors", "everybody"),
        ),
        Variable(
            "OPSPORTAL_LOG_TOKEN",
            "text",
            "",
            "Bearer token with which a program follows the log at /evidence/log/; it opens nothing else. Unset: none.",
            secret=True,
            file=True,
        ),
        Variable(
            "OPSPORTAL_RUNNER_KEY_FILE",
            "path",
            "",
            "This runner's own key. Default: keys/runner in the data folder.",
        ),
        Variable(
            "OPSPORTAL_IDENTITY_KEYS_DIR",
            "path",
            "",
            "Folder in which an issuer makes and turns the keys of identity tokens; the only one that it writes into. "
            "Default: keys in the data folder.",
        ),
        Variable(
            "OPSPORTAL_IDENTITY_SECRETS_DIR",
            "path",
            "",
            "Folder with one file per identity provider, of its name, that holds its client secret; read by web alone. "
            "Default: identity-providers in the data folder.",
        ),
        Variable(
            "OPSPORTAL_EGRESS",
            "text",
            "",
            "Where the egress process listens and web asks it: a socket of this machine, or HOST:PORT. Default: beside "
            "the embedded broker.",
        ),
        Variable(
            "OPSPORTAL_EGRESS_PEERS",
            "list",
            "",
            "Users, by name or number, whose processes may ask an egress process by its socket. Default: its own.",
        ),
        Variable(
            "OPSPORTAL_EGRESS_KEY",
            "text",
            "",
            "Seals what web and egress process say over a network; 32 characters or more, the same for both.",
            secret=True,
            file=True,
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
            "OPSPORTAL_ISSUER_SOCKET",
            "text",
            "",
            "For a runner: the socket of the issuer that holds its environment's keys; `{environment}` stands for its "
            "name. Unset: the issuer works in the runner's own process. For an issuer: where it listens; there the "
            "default is issuer/socket in the data folder.",
        ),
        Variable(
            "OPSPORTAL_ISSUER_PEERS",
            "list",
            "",
            "Users, by name or number, whose processes may ask an issuer: those of its runner. Default: its own.",
        ),
        Variable("OPSPORTAL_ISSUER_BOUND_S", "integer", "60", "How long a step waits for an issuer that is away."),
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
            "File that runner, issuer, disposable pool, scheduler, sequencer and egress process touch while they "
            "work; `opsportal alive` looks at it. Unset: none.",
        ),
        Variable("OPSPORTAL_TRUST_PROXY", "yes or no", "no", "Believe X-Forwarded-Proto of the proxy in front."),
        Variable("OPSPORTAL_ROOT_OK", "yes or no", "no", "Let a process be root outside the embedded default."),
    )
}
