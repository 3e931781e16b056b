"""Whether the keys in this runner's folder are those that the portal knows: looked at before it takes work.

A runner that makes itself fresh keys where its own are missing would look alive and be refused at every step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from procedures.models import PoolKey, PortalSetting, Runner
from procedures.runner.cards import ca_public
from procedures.runner.identity import load_identity, pool_key


def refuse_strangers(folder: Path, environments: Sequence[str]) -> None:
    """End this process with each reason why it cannot serve these environments, if there is one."""
    if problems := list(_problems(folder, environments)):
        lines = "\n".join(f"- {problem}" for problem in problems)
        raise SystemExit(
            f"Refusing to start: this runner's keys in {folder} are not those that the portal knows.\n{lines}"
        )


def _problems(folder: Path, environments: Sequence[str]) -> Iterator[str]:
    if not (folder / "runner.json").exists():
        yield "There is no runner.json. Make keys with `opsportal keys` before `opsportal install`, or put them back."
        return
    me = load_identity(folder)
    row = Runner.objects.filter(pk=me.id, public=me.public, ended_at__isnull=True).first()
    if row is None:
        enrol = "Make its card with `opsportal runner card`, and have it enrolled."
        yield f"The portal knows no runner {me.name} with this key. {enrol}"
        return
    authorities = PortalSetting.objects.filter(name="ssh-authorities").first()
    for name in environments:
        if name not in row.environments:
            yield f"The runner {me.name} is not enrolled for {name}."
            continue
        for file in (f"pool-{name}.key", f"ssh-ca-{name}"):
            if not (folder / file).exists():
                made = "`opsportal runner card --new-pool` makes one of a new environment."
                yield f"There is no {file}. Bring it from another runner of {name}; {made}"
                return
        if not PoolKey.objects.filter(environment=name, key_id=pool_key(folder, name)[0]).exists():
            yield f"pool-{name}.key is not the key to which secrets of {name} are sealed."
        if authorities is not None and authorities.value.get(name) != ca_public(folder, name):
            yield f"ssh-ca-{name} is not the authority that hosts of {name} were told to trust."
