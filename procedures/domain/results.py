"""Secret results: what a step makes that nobody may see but who it is for, and the one way in which it gets there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from procedures.domain import age, expressions
from procedures.domain.definition import Definition
from procedures.domain.duration import seconds
from procedures.domain.errors import OpsError

Deliver = Literal["once", "readers", "vault", "kubernetes", "aws"]
SEALED: tuple[Deliver, ...] = ("once", "readers")  # kept by the portal, which cannot open it
SENT: tuple[Deliver, ...] = ("vault", "kubernetes", "aws")  # put where the environment's binding lets it
PLACES: Mapping[str, tuple[str, ...]] = {"vault": ("path", "key"), "kubernetes": ("secret", "key"), "aws": ("secret",)}
EARLY = ("parameters", "environment", "run")  # what a place may depend on: all of it is approved
PROVIDERS = {"vault": "vault", "kubernetes": "kubernetes-token", "aws": "aws-sts"}  # that put something there
SOURCE = r"^\$\{\{\s*steps\.([A-Za-z][A-Za-z0-9_]{0,62})\.output\.([A-Za-z][A-Za-z0-9_]{0,62})\s*\}\}$"
LONGEST_ONCE_S = 7 * 86_400
KEPT_S: Mapping[str, int] = {"once": 86_400, "readers": 90 * 86_400}
MOST = 20
MOST_RECIPIENTS = 500
SHORTEST, LONGEST, FEWEST = 8, 65_536, 4
KEPT, TAKEN, EXPIRED, ERASED = "kept", "picked_up", "expired", "erased"
SENDING, DELIVERED, UNDELIVERED = "sending", "delivered", "undelivered"
STATES = (KEPT, TAKEN, EXPIRED, ERASED, SENDING, DELIVERED, UNDELIVERED)


FIELD = re.compile(r"[A-Za-z0-9_.-]{1,100}")
WORDS: Mapping[tuple[str, str], tuple[re.Pattern[str], str]] = {
    ("vault", "path"): (
        re.compile(r"(?!sys/|auth/|identity/|cubbyhole/)[A-Za-z0-9_-]{1,60}(/[A-Za-z0-9_.@-]{1,100}){1,8}"),
        "write the engine and the path below it, as in secret/teams/payments/db",
    ),
    ("vault", "key"): (FIELD, "a field has letters, digits, dots, - and _"),
    ("kubernetes", "secret"): (
        re.compile(r"(?!opsportal-)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"),
        "a Secret's name has small letters, digits and -, and opsportal- is the issuer's own",
    ),
    ("kubernetes", "key"): (FIELD, "a key has letters, digits, dots, - and _"),
    ("aws", "secret"): (
        re.compile(r"[A-Za-z0-9_+=.@-]{1,100}(/[A-Za-z0-9_+=.@-]{1,100}){0,8}"),
        "a name has letters, digits and /_+=.@-",
    ),
}


class NoSuchPlace(OpsError):
    """A secret result would go to a place that cannot be one."""

    code = "result.no-such-place"
    next_step = "Look at the parameters that the place is made of."


@dataclass(frozen=True, slots=True)
class ResultNeed:
    """One declared secret result. `output` is the name under which its step hands it over.

    `keep_s` is how long the portal keeps what it cannot open; `place` says where it is sent, by PLACES, unrendered.
    """

    name: str
    step: str
    output: str
    deliver: Deliver
    keep_s: int = 0
    classification: str = ""
    credential: str = ""
    place: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who can open what the portal keeps: the subject and one of that person's enrolled keys, without its comment."""

    who: str
    key: str
    public: str


Recipients = Mapping[str, tuple[Recipient, ...]]  # by SEALED


def of(definition: Definition) -> tuple[ResultNeed, ...]:
    """Every secret result that a definition of the right shape declares."""
    return tuple(_need(name, row) for name, row in (definition.output.get("secrets") or {}).items())


def of_step(definition: Definition, step: str) -> tuple[ResultNeed, ...]:
    return tuple(need for need in of(definition) if need.step == step)


def _need(name: str, row: Mapping[str, Any]) -> ResultNeed:
    found = re.match(SOURCE, row["value"])
    step, output = found.groups() if found else ("", "")
    deliver: Deliver = row["deliver"]
    said = row.get("expires") or row.get("keep")
    return ResultNeed(
        name=name,
        step=step,
        output=output,
        deliver=deliver,
        keep_s=seconds(said) if said else KEPT_S.get(deliver, 0),
        classification=row.get("classification", ""),
        credential=row.get("credential", ""),
        place={key: row.get(key, name) for key in PLACES.get(deliver, ())},
    )


def planned(need: ResultNeed, scope: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A result as the plan names it: where it will go is part of what is approved. Raises ExpressionRefused."""
    row = {key: value for key, value in asdict(need).items() if value and key not in {"place", "step"}}
    if need.credential:
        row["credential"] = prefix + need.credential
    return row | ({"place": placed(need, scope)} if need.place else {})


def placed(need: ResultNeed, scope: Mapping[str, Any]) -> dict[str, str]:
    """Where a result is sent, rendered: one place, whatever parameters hold. Raises ExpressionRefused, NoSuchPlace."""
    early = {name: scope[name] for name in EARLY}
    found = {key: str(expressions.render(value, early)) for key, value in need.place.items()}
    for key, value in found.items():
        pattern, says = WORDS[need.deliver, key]
        if not pattern.fullmatch(value) or {".", ".."} & set(value.split("/")):
            raise NoSuchPlace(f"The result {need.name} cannot go to {key} {value[:200]!r}: {says}.")
    return found


def where(deliver: str, place: Mapping[str, str]) -> str:
    """The place of a delivery in words, for people and evidence."""
    if deliver == "vault":
        return f"Vault, {place['path']}, field {place['key']}"
    if deliver == "kubernetes":
        return f"Kubernetes, Secret {place['secret']}, key {place['key']}"
    if deliver == "aws":
        return f"AWS Secrets Manager, {place['secret']}"
    return "to be picked up once" if deliver == "once" else "for its readers"


def told(recipients: Recipients) -> dict[str, Any]:
    """The recipients as the plan names them."""
    return {deliver: [asdict(one) for one in rows] for deliver, rows in recipients.items()}


def read(value: Mapping[str, Any]) -> dict[str, tuple[Recipient, ...]]:
    """Recipients out of a plan."""
    return {deliver: tuple(Recipient(**row) for row in rows) for deliver, rows in value.items()}


def sealed(value: bytes, recipients: tuple[Recipient, ...]) -> bytes:
    """An age file that these alone open. Raises NoRecipient."""
    return age.encrypt(value, [one.public for one in recipients])


def unfit(value: Any) -> str:
    """Why a value cannot be a secret result, or nothing: what is too plain to be masked would hide in no log (H22)."""
    if not isinstance(value, str):
        return "is no text"
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return "is no text"
    if size < SHORTEST:
        return f"has fewer than {SHORTEST} bytes, so that no log could be kept free of it"
    if size > LONGEST:
        return f"has {size:,} bytes; at most {LONGEST:,} are taken"
    if len(set(value)) < FEWEST:
        return f"has fewer than {FEWEST} different characters, so that no log could be kept free of it"
    return ""
