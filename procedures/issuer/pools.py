"""Turns a pool's key while runs go on: sealed to the new one at once, what lies there anew, then the old one goes.

Each step is safe to repeat and stands by itself: an issuer that is killed between two of them goes on where it was.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import partial

import structlog

from procedures.domain.errors import OpsError
from procedures.domain.sealing import seal
from procedures.issuer.confirmed import judge_secret
from procedures.issuer.keys import PoolPair, files_of, pool_pairs
from procedures.issuer.replay import replay
from procedures.issuer.sealed import opened
from procedures.issuer.stock import Stock
from procedures.models import PoolKey
from procedures.services import pool_keys

log = structlog.get_logger(__name__)


class PoolKeysDiffer(OpsError):
    """The portal has values sealed to a key of this pool that its issuer does not hold."""

    code = "pool.keys-differ"
    next_step = (
        "If another host of the pool made it, bring its pool-… file from there. If nobody did, somebody who writes to "
        "the database wants to read what is sealed: end that key's row, seal the secrets anew, and look at the log."
    )


def turn(stock: Stock, environments: Collection[str], *, at: datetime) -> None:
    """Show, seal anew and end, in each of these environments. Raises nothing for what one of them does."""
    for environment in environments:
        try:
            _turn(stock, environment, at)
        except OpsError as problem:
            log.warning("pool.not-turned", environment=environment, why=problem.message)


def _turn(stock: Stock, environment: str, at: datetime) -> None:
    pairs = pool_pairs(stock.keys, environment)
    shown = dict(PoolKey.objects.filter(environment=environment).values_list("key_id", "ended_at"))
    alive = {key_id for key_id, ended_at in shown.items() if ended_at is None}
    if not pairs or not alive:
        return  # its first key comes with the card of its first runner
    if foreign := sorted(alive - set(pairs)):
        raise PoolKeysDiffer(f"What {environment} asks for is sealed to the key {foreign[0]}, which is not here.")
    for pair in [pair for key_id, pair in pairs.items() if key_id not in shown]:
        pool_keys.show(environment, key_id=pair.key_id, public=pair.public, at=at)
        log.info("pool.key-shown", environment=environment, key=pair.key_id)
    if len(rows := pool_keys.living(environment)) > 1:
        _seal_anew(stock, pairs[rows[0].key_id], environment, at)
        pool_keys.end_unused(environment, at=at)
    _forget(stock, environment, pairs)


def _seal_anew(stock: Stock, pair: PoolPair, environment: str, at: datetime) -> None:
    """What people confirmed is sealed to the new key; what they did not stays as it is, and is lent to nobody."""
    authority = replay()
    for row in pool_keys.sealed_to_others(environment, pair.key_id):
        try:
            value = opened(stock.keys, row)
            judge_secret(authority, environment, row.name, bytes(row.ciphertext), value=partial(bytes, value))
        except OpsError as problem:
            log.warning("pool.not-sealed-anew", environment=environment, secret=row.name, why=problem.message)
            continue
        box = seal(pair.public, value, info=f"secret/{environment}/{row.name}")
        pool_keys.sealed_anew(row, key_id=pair.key_id, ciphertext=box, at=at)


def _forget(stock: Stock, environment: str, pairs: Mapping[str, PoolPair]) -> None:
    """Files of ended keys go; the newest takes the name that a pool's key has. By one rename each: half is whole."""
    ended = PoolKey.objects.filter(environment=environment, ended_at__isnull=False).values_list("key_id", flat=True)
    over = [pairs[key_id] for key_id in ended if key_id in pairs]
    first = stock.keys / files_of(environment)[0]
    left = [pair for key_id, pair in pairs.items() if pair not in over]
    try:
        for pair in over:
            if pair.path == first and left:
                left[0].path.replace(first)
            else:
                pair.path.unlink(missing_ok=True)
            log.info("pool.key-gone", environment=environment, key=pair.key_id)
    except OSError as problem:
        log.warning("pool.key-left", environment=environment, why=f"take the file away by hand: {problem}")
