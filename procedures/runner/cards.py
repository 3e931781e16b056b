"""A runner's card: the public halves of its keys, handed to whoever installs the portal; the private ones stay here.

Where each process has a place of its own, no single process could make every key: each runner makes its own with
`opsportal keys`, and `opsportal install` writes what the cards say into genesis.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from procedures.domain.errors import OpsError
from procedures.runner.identity import DISPOSABLE, Identity, load_identity, pool_key
from procedures.ssh.authority import load_ca

FIELDS = {
    "runner": ("id", "name", "public", "environment", "pool", "authority"),
    DISPOSABLE: ("id", "name", "public"),
}


class CardsDoNotFit(OpsError):
    """The cards that were given are not those that this portal needs."""

    code = "install.cards"
    next_step = "Make one card per environment and one of the disposable pool with `opsportal keys`, and give them all."


def ca_public(folder: Path, environment: str) -> str:
    """The public key that targets of an environment are told to trust; its private half is made on first use."""
    key = load_ca(folder / f"ssh-ca-{environment}").public_key()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def make(folder: Path, environment: str) -> dict[str, Any]:
    """The card of the runner whose keys lie in `folder`, of one environment or the disposable pool; keys that are not
    there are made, those that are stay.
    """
    if environment == DISPOSABLE:
        return {"kind": DISPOSABLE, **told(load_identity(folder, name=DISPOSABLE))}
    me = load_identity(folder, called=f"runner-{environment}")
    key_id, public, _ = pool_key(folder, environment)
    keys = {"pool": [key_id, public], "authority": ca_public(folder, environment)}
    return {"kind": "runner", **told(me), "environment": environment, **keys}


def make_later(folder: Path, environment: str, *, name: str, new_pool: bool) -> dict[str, Any]:
    """The card of a runner that comes after installation. Its pool's key and authority are on it where it has them:
    a further runner brings them from one of its pool, the first of a new environment makes them (`new_pool`).
    """
    me = load_identity(folder, called=name)
    card = {"kind": "runner", **told(me), "environment": environment}
    there = [(folder / file).exists() for file in (f"pool-{environment}.key", f"ssh-ca-{environment}")]
    if not (new_pool or all(there)):
        return card
    key_id, public, _ = pool_key(folder, environment)
    return {**card, "pool": [key_id, public], "authority": ca_public(folder, environment)}


def told(me: Identity) -> dict[str, str]:
    """What of an identity everybody may know."""
    return {"id": str(me.id), "name": me.name, "public": me.public}


def read(path: Path) -> dict[str, Any]:
    """A card out of a file. Raises CardsDoNotFit."""
    try:
        card = json.loads(path.read_text())
        wanted = {"kind", *FIELDS[card["kind"]]}
        fine = set(card) == wanted
    except (OSError, ValueError, KeyError, TypeError):
        fine = False
    if not fine:
        raise CardsDoNotFit(f"{path} is not a card that `opsportal keys` wrote.")
    return dict(card)


def sorted_out(cards: Sequence[Mapping[str, Any]], environments: Sequence[str]) -> dict[str, Any]:
    """Genesis' words out of cards: runners, pools, authorities and the disposable pool. Raises CardsDoNotFit."""
    serving = [card for card in cards if card["kind"] == "runner"]
    disposable = [card for card in cards if card["kind"] == DISPOSABLE]
    found = sorted(card["environment"] for card in serving)
    if found != sorted(environments) or len(disposable) != 1:
        have = ", ".join([*found, *(DISPOSABLE for _ in disposable)]) or "none"
        raise CardsDoNotFit(f"Wanted is one card each of {', '.join(environments)} and {DISPOSABLE}; given: {have}.")
    for field in ("id", "public"):
        if len({card[field] for card in cards}) != len(cards):
            raise CardsDoNotFit(f"Two cards say the same {field}: each process makes keys of its own.")
    return {
        "runners": [(_row(card), [card["environment"]]) for card in serving],
        "disposable": _row(disposable[0]),
        "pools": {card["environment"]: tuple(card["pool"]) for card in serving},
        "authorities": {card["environment"]: card["authority"] for card in serving},
    }


def _row(card: Mapping[str, Any]) -> dict[str, str]:
    return {field: card[field] for field in ("id", "name", "public")}
