"""`sealed-secret`: a static secret as it is, handed to a program by one name; the weakest kind, and said to be."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from procedures.credentials.sealed import Sealed, lent, secret_of, variable_of
from procedures.domain.definition import CredentialNeed
from procedures.domain.ports import Binding, Lease, RunContext
from procedures.ssh.accounts import NotIssuable


class SealedSecret(Sealed):
    """The ceiling: `{"secret": NAME, "env": VARIABLE}`; the program finds the value in that variable."""

    kind: ClassVar[str] = "secret"

    def validate(self, need: CredentialNeed, binding: Binding) -> None:
        secret_of(binding, "value")
        name = variable_of(binding, "env")
        wanted = need.scope.get("env")
        if wanted is not None and wanted != name:
            raise NotIssuable(f"The procedure asks for the variable {wanted}, the binding gives {name}.")

    def issue(
        self, context: RunContext, need: CredentialNeed, binding: Binding, lease_id: UUID, *, at: datetime, ttl_s: int
    ) -> Lease:
        self.validate(need, binding)
        name, variable = secret_of(binding, "value"), str(binding.ceiling["env"])
        value = self.fetch(context.environment, name)
        lease = lent(
            lease_id,
            "sealed-secret",
            f"secret:{name}",
            at=at,
            ttl_s=ttl_s,
            evidence={"level": "static", "secret": name, "env": variable},
            material={"value": value},
        )
        lease.env = {variable: value}
        return lease
