"""`git-token`: a token of a code host, sealed to one pool and good for the one host that its binding names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal
from uuid import UUID

from procedures.domain.definition import CredentialNeed
from procedures.domain.ports import Binding, Lease, Provider, RunContext
from procedures.domain.repositories import base_problem
from procedures.domain.secrets import Secret
from procedures.ssh.accounts import NotIssuable

Fetch = Callable[[str, str], Secret]
HOST = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(:[0-9]{1,5})?$")
GITHUB = "github.com"


class GitToken(Provider):
    """`fetch(environment, name)` opens the token. Ceiling: `{"secret": NAME, "host": HOST, "api"?: URL, "git"?: URL}`.

    `api` and `git` are the addresses at which the host is reached; the role is the user that git names beside it.
    """

    kind: ClassVar[str] = "git"

    def __init__(self, fetch: Fetch) -> None:
        self.fetch = fetch

    def validate(self, need: CredentialNeed, binding: Binding) -> None:
        if not isinstance(binding.ceiling.get("secret"), str):
            raise NotIssuable("The binding does not name the sealed token: ceiling.secret is missing.")
        host = str(binding.ceiling.get("host", ""))
        if not HOST.fullmatch(host):
            raise NotIssuable("The binding does not name one host: ceiling.host is missing.")
        wanted = need.scope.get("host")
        if wanted is not None and wanted != host:
            raise NotIssuable(f"The procedure asks for the host {wanted}, the binding gives {host}.")
        for name, base in places(binding.ceiling).items():
            if problem := base_problem(base):
                raise NotIssuable(f"ceiling.{name}: {problem}")

    def issue(
        self, context: RunContext, need: CredentialNeed, binding: Binding, lease_id: UUID, *, at: datetime, ttl_s: int
    ) -> Lease:
        self.validate(need, binding)
        name = str(binding.ceiling["secret"])
        return Lease(
            id=lease_id,
            provider="git-token",
            target=None,
            handle=f"token:{name}",
            issued_at=at,
            expires_at=at + timedelta(seconds=ttl_s),
            renewable=False,
            self_expiring=False,
            kills_sessions=False,
            evidence={
                "level": "token",
                "secret": name,
                "host": str(binding.ceiling["host"]),
                "user": binding.role,
                **places(binding.ceiling),
            },
            material={"token": Secret(self.fetch(context.environment, name).reveal().strip())},
        )

    def revoke(self, handle: str, why: str) -> Literal["revoked", "already-gone", "expires-only"]:
        return "expires-only"


def places(ceiling: Mapping[str, Any]) -> dict[str, str]:
    """Where the host's git and its API are reached, as GitHub and its enterprise server have them unless set."""
    host = str(ceiling.get("host", ""))
    api = "https://api.github.com" if host == GITHUB else f"https://{host}/api/v3"
    return {"git": str(ceiling.get("git", f"https://{host}")), "api": str(ceiling.get("api", api))}
