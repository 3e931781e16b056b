"""Whether the keys of an environment that lie here are those that the portal knows; made where they are missing: never.

An issuer that makes itself fresh keys would look alive, open no secret, and be trusted by no host.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from procedures.issuer.keys import ca_public, files_of, pool_pairs
from procedures.models import PoolKey, PortalSetting


def refuse_strangers(folder: Path, environment: str) -> None:
    """End this process with each reason why it cannot lend for this environment, if there is one."""
    if found := list(problems(folder, environment)):
        lines = "\n".join(f"- {problem}" for problem in found)
        raise SystemExit(
            f"Refusing to start: this issuer's keys in {folder} are not those that the portal knows.\n{lines}"
        )


def problems(folder: Path, environment: str) -> Iterator[str]:
    """What is wrong with the pool key and the authority of an environment, in sentences."""
    for file in files_of(environment):
        if not (folder / file).exists():
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
    if authorities is not None and authorities.value.get(environment) != ca_public(folder, environment):
        yield f"ssh-ca-{environment} is not the authority that hosts of {environment} were told to trust."
