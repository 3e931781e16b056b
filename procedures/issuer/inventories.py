"""What a confirmed inventory reads, and with which static secret: opened for that inventory alone."""

from __future__ import annotations

from procedures.domain.lending import Fetch
from procedures.domain.secrets import Secret
from procedures.issuer.claimants import require_served
from procedures.issuer.issue import require_confirmed
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.issuer.runners import Prove, judge_runner
from procedures.issuer.sealed import sealed_secret
from procedures.issuer.stock import Stock
from procedures.models import Inventory

NAMES = ("kind", "settings")


def why_not(row: Inventory) -> str:
    """Why the log does not bear an inventory out as its row names it, or an empty string.

    Its settings name a program, or an address that a secret is used at.
    """
    fact = replay().inventories.get(row.name)
    if fact is None or not fact["stands"] or fact["action"] != "set":
        return "it is asserted by the platform alone" if fact else "no change named it"
    same = fact["environment"] == row.environment_id and all(fact[name] == getattr(row, name) for name in NAMES)
    return "" if same else "its row says something else than the change that people signed"


def secret_of(stock: Stock, prove: Prove, asked: Fetch) -> Secret:
    """Raises LeaseRefused, WillNotOpen.

    The inventory, its environment and that it names this secret are what people confirmed; no table is asked.
    """
    authority = replay()
    fact = authority.inventories.get(asked.inventory)
    if fact is None or not fact["stands"] or fact["action"] != "set":
        raise LeaseRefused(f"The log holds no inventory {asked.inventory} that stands by itself.")
    place = str(fact["environment"])
    require_served(place, stock.only)
    judge_runner(authority, asked.runner, place, prove, asked=asked)
    if fact["settings"].get("secret") != asked.secret:
        raise LeaseRefused(f"The inventory {asked.inventory} names no secret {asked.secret}.")
    require_confirmed(stock, authority, place, asked.secret)
    return sealed_secret(stock.keys, place, asked.secret)
