"""Whether the keys in this runner's folder are those that the portal knows: looked at before it takes work.

A runner that makes itself fresh keys where its own are missing would look alive and be refused at every step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from django.conf import settings

from procedures.issuer import known
from procedures.models import Runner
from procedures.runner.identity import load_identity

ISSUERS = ("pool-*.key", "ssh-ca-*", "identity.*.pem*", "host-ca-*")


def refuse_strangers(folder: Path, environments: Sequence[str]) -> None:
    """End this process with each reason why it cannot serve these environments, if there is one."""
    if problems := list(_problems(folder, environments)):
        lines = "\n".join(f"- {problem}" for problem in problems)
        raise SystemExit(
            f"Refusing to start: this runner's keys in {folder} are not those that the portal knows.\n{lines}"
        )


def require_one_issuer_each(environments: Sequence[str]) -> None:
    """An issuer serves one environment: a runner of several names a socket for each, or ends here."""
    where = settings.OPSPORTAL_ISSUER_SOCKET
    if where and len(environments) > 1 and "{environment}" not in where:
        raise SystemExit(
            f"OPSPORTAL_ISSUER_SOCKET is {where!r}, but must contain {{environment}} where a runner serves several."
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
    for name in environments:
        if name not in row.environments:
            yield f"The runner {me.name} is not enrolled for {name}."
        elif not settings.OPSPORTAL_ISSUER_SOCKET:
            yield from known.problems(folder, name)
    if settings.OPSPORTAL_ISSUER_SOCKET:
        for path in sorted(path for pattern in ISSUERS for path in folder.glob(pattern)):
            yield f"{path.name} lies beside this runner's key, though its issuer is apart: it belongs to the issuer."
