"""`git-token`: a token of a code host, sealed to one pool and good for the one host that its binding names."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from procedures.credentials.sealed import Sealed, host_of, lent, secret_of
from procedures.domain.definition import CredentialNeed
from procedures.domain.ports import Binding, Lease, RunContext
from procedures.domain.repositories import base_problem
from procedures.domain.secrets import Secret
from procedures.ssh.accounts import NotIssuable

GITHUB = "github.com"


class GitToken(Sealed):
    """The ceiling: `{"secret": NAME, "host": HOST, "api"?: URL, "git"?: URL}`.

    `api` and `git` are the addresses at which the host is reached; the role is the user that git names beside it.
    """

    kind: ClassVar[str] = "git"

    def validate(self, need: CredentialNeed, binding: Binding) -> None:
        secret_of(binding, "token")
        host_of(need, binding, "The binding does not name one host: ceiling.host is missing.")
        for name, base in places(binding.ceiling).items():
            if problem := base_problem(base):
                raise NotIssuable(f"ceiling.{name}: {problem}")

    def issue(
        self, context: RunContext, need: CredentialNeed, binding: Binding, lease_id: UUID, *, at: datetime, ttl_s: int
    ) -> Lease:
        self.validate(need, binding)
        name = secret_of(binding, "token")
        evidence = {
            "level": "token",
            "secret": name,
            "host": str(binding.ceiling["host"]),
            "user": binding.role,
            **places(binding.ceiling),
        }
        token = Secret(self.fetch(context.environment, name).reveal().strip())
        return lent(
            lease_id, "git-token", f"token:{name}", at=at, ttl_s=ttl_s, evidence=evidence, material={"token": token}
        )


def places(ceiling: Mapping[str, Any]) -> dict[str, str]:
    """Where the host's git and its API are reached, as GitHub and its enterprise server have them unless set."""
    host = str(ceiling.get("host", ""))
    api = "https://api.github.com" if host == GITHUB else f"https://{host}/api/v3"
    return {"git": str(ceiling.get("git", f"https://{host}")), "api": str(ceiling.get("api", api))}
