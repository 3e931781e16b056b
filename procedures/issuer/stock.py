"""What an issuer's process lends from: its keys, its providers, and what is in somebody's hands now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from procedures.definitions import registry
from procedures.domain.ports import Action, Provider
from procedures.issuer import authorities
from procedures.issuer.providers import providers
from procedures.ssh.certifying import AuthorityOf


@dataclass(frozen=True, slots=True)
class Stock:
    """One per process. `only` is the environment that it serves where it is apart, "" beside a runner: each of its own.

    `held` are leases that somebody has in hand, or that are being made: no sweep of this process touches them. `hosts`
    certifies hosts' keys.
    """

    keys: Path
    only: str
    providers: Mapping[str, Provider]
    actions: Mapping[str, Action]
    hosts: AuthorityOf = field(kw_only=True)
    held: set[UUID] = field(default_factory=set)

    @property
    def apart(self) -> bool:
        return bool(self.only)


def stock_of(keys: Path, only: str = "") -> Stock:
    """`keys` is the folder of the private keys."""
    return Stock(keys, only, providers(keys), registry.actions(), hosts=authorities.of_hosts())
