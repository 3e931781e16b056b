"""A runner's card: the public halves of its keys, handed to whoever installs the portal; the private ones stay here.

Where each process has a place of its own, no single process could make every key: each runner makes its own with
`opsportal keys`, and `opsportal install` writes what the cards say into genesis.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from procedures.domain.errors import OpsError
from procedures.issuer import identity_keys
from procedures.issuer.keys import ca_public, further_pool_key, missing, pool_key, pool_pairs
from procedures.runner.identity import DISPOSABLE, Identity, load_identity
from procedures.ssh import places

RUNNER, ISSUER = "runner", "issuer"
OF_AN_ISSUER = ("pool", "authority")
FIELDS: Mapping[str, tuple[str, ...]] = {
    RUNNER: ("id", "name", "public", "environment"),
    ISSUER: ("environment", *OF_AN_ISSUER),
    DISPOSABLE: ("id", "name", "public"),
}
Part = Literal["runner", "issuer", ""]


class CardsDoNotFit(OpsError):
    """The cards that were given are not those that this portal needs."""

    code = "install.cards"
    next_step = "Make the cards of each environment and of the disposable pool with `opsportal keys`; give them all."


def make(folder: Path, environment: str, part: Part = "") -> dict[str, Any]:
    """The card of what lies in `folder`, of one environment or the disposable pool; keys that are not there are made,
    those that are stay. `part`: the runner's own key alone, or the issuer's alone, where the two are apart.
    """
    if environment == DISPOSABLE:
        return {"kind": DISPOSABLE, **told(load_identity(folder, name=DISPOSABLE))}
    if part == ISSUER:
        return {"kind": ISSUER, "environment": environment, **_of_an_issuer(folder, environment)}
    me = load_identity(folder, called=f"runner-{environment}")
    keys = _of_an_issuer(folder, environment) if not part else {}
    return {"kind": RUNNER, **told(me), "environment": environment, **keys}


def identity_key(folder: Path, environment: str, *, at_once: bool, at: datetime) -> Path:
    """One more key for the identity tokens of an environment, or one instead of those that are there."""
    return (identity_keys.replace if at_once else identity_keys.make)(folder, environment, at=at)


def further_pool(folder: Path, environment: str, *, at: datetime) -> Path:
    """One more key of an environment's pool. Raises CardsDoNotFit where there is none to be turned."""
    if not pool_pairs(folder, environment):
        raise CardsDoNotFit(f"There is no pool-{environment}.key in {folder}: a pool's first key comes with its card.")
    return further_pool_key(folder, environment, at=at)


def point_authority(folder: Path, environment: str, uri: str, *, of_hosts: bool = False) -> str:
    """Let an authority's key lie in a token or at Vault; its public half. Raises AuthorityAway."""
    return places.point(folder, environment, places.HOSTS if of_hosts else places.USERS, uri).public


def _of_an_issuer(folder: Path, environment: str) -> dict[str, Any]:
    key_id, public, _ = pool_key(folder, environment)
    return {"pool": [key_id, public], "authority": ca_public(folder, environment)}


def make_later(folder: Path, environment: str, *, name: str, new_pool: bool) -> dict[str, Any]:
    """The card of a runner that comes after installation. Its pool's key and authority are on it where it has them:
    a further runner brings them from one of its pool, the first of a new environment makes them (`new_pool`).
    """
    me = load_identity(folder, called=name)
    card = {"kind": "runner", **told(me), "environment": environment}
    if missing(folder, environment) and not new_pool:
        return card
    return {**card, **_of_an_issuer(folder, environment)}


def told(me: Identity) -> dict[str, str]:
    """What of an identity everybody may know."""
    return {"id": str(me.id), "name": me.name, "public": me.public}


def read(path: Path) -> dict[str, Any]:
    """A card out of a file. Raises CardsDoNotFit."""
    try:
        card = json.loads(path.read_text())
        wanted = {"kind", *FIELDS[card["kind"]]}
        whole = wanted | set(OF_AN_ISSUER) if card["kind"] == RUNNER else wanted
        fine = set(card) in (wanted, whole)
    except (OSError, ValueError, KeyError, TypeError):
        fine = False
    if not fine:
        raise CardsDoNotFit(f"{path} is not a card that `opsportal keys` wrote.")
    return dict(card)


def sorted_out(cards: Sequence[Mapping[str, Any]], environments: Sequence[str]) -> dict[str, Any]:
    """Genesis' words out of cards: runners, pools, authorities and the disposable pool. Raises CardsDoNotFit.

    The pool and the authority of an environment stand on its issuer's card, or on its runner's where both are one.
    """
    serving = [card for card in cards if card["kind"] == RUNNER]
    disposable = [card for card in cards if card["kind"] == DISPOSABLE]
    lending = [card for card in cards if "pool" in card]
    for what, found in (("runner", serving), ("pool and authority", lending)):
        have = sorted(card["environment"] for card in found)
        if have != sorted(environments) or len(disposable) != 1:
            given = ", ".join([*have, *(DISPOSABLE for _ in disposable)]) or "none"
            wanted = f"one {what} each of {', '.join(environments)}, and one card of {DISPOSABLE}"
            raise CardsDoNotFit(f"Wanted is {wanted}; given: {given}.")
    for field in ("id", "public"):
        own = [card[field] for card in cards if field in card]
        if len(set(own)) != len(own):
            raise CardsDoNotFit(f"Two cards say the same {field}: each process makes keys of its own.")
    return {
        "runners": [(_row(card), [card["environment"]]) for card in serving],
        "disposable": _row(disposable[0]),
        "pools": {card["environment"]: tuple(card["pool"]) for card in lending},
        "authorities": {card["environment"]: card["authority"] for card in lending},
    }


def _row(card: Mapping[str, Any]) -> dict[str, str]:
    return {field: card[field] for field in ("id", "name", "public")}
