"""Whether the keys of an environment that lie here are those that the portal knows; made where they are missing: never.

An issuer that makes itself fresh keys would look alive, open no secret, and be trusted by no host.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import structlog

from procedures.issuer.keys import ca_public, missing, pool_pairs
from procedures.models import PoolKey, PortalSetting
from procedures.ssh.certifying import AuthorityAway

log = structlog.get_logger(__name__)


def refuse_strangers(folder: Path, environment: str) -> None:
    """End this process with each reason why it cannot lend for this environment, if there is one."""
    if found := list(problems(folder, environment)):
        lines = "\n".join(f"- {problem}" for problem in found)
        raise SystemExit(
            f"Refusing to start: this issuer's keys in {folder} are not those that the portal knows.\n{lines}"
        )


def problems(folder: Path, environment: str) -> Iterator[str]:
    """What is wrong with the pool key and the authority of an environment, in sentences."""
    if file := missing(folder, environment):
        made = "`opsportal keys --for issuer` makes those of a new environment."
        yield f"There is no {file}. Bring it from another host of {environment}'s pool; {made}"
        return
    here = pool_pairs(folder, environment)
    alive = set(PoolKey.objects.filter(environment=environment, ended_at__isnull=True).values_list("key_id", flat=True))
    if not alive & set(here):
        yield f"pool-{environment}.key is not the key to which secrets of {environment} are sealed."
    elif lacking := sorted(alive - set(here)):
        yield f"Secrets of {environment} are sealed to the key {lacking[0]} too. Bring its file from another host."
    authorities = PortalSetting.objects.filter(name="ssh-authorities").first()
    if authorities is not None and authorities.value.get(environment) != _authority(folder, environment, authorities):
        yield f"ssh-ca-{environment} is not the authority that hosts of {environment} were told to trust."


def _authority(folder: Path, environment: str, told: PortalSetting) -> object:
    """The authority here. One that lies elsewhere and is away now hinders nothing that can be lent without it."""
    try:
        return ca_public(folder, environment)
    except AuthorityAway as problem:
        log.warning("authority.away", environment=environment, why=problem.message)
        return told.value.get(environment)
