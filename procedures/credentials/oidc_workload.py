"""`oidc-workload`: a signed word of the environment about one step, which a cloud exchanges for rights of its own."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal, Protocol
from uuid import UUID

from procedures.credentials.sealed import variable_of
from procedures.domain.definition import CredentialNeed
from procedures.domain.identity_tokens import AUDIENCE, Signer, signed, subject
from procedures.domain.ports import Binding, Lease, Provider, RunContext
from procedures.domain.secrets import Secret
from procedures.ssh.accounts import NotIssuable

LONGEST_S = 3600


class Keys(Protocol):
    """What holds the private keys: the issuer, and nobody beside it."""

    def signer(self, environment: str, *, at: datetime) -> Signer: ...

    def turn(self) -> None: ...


class OidcWorkload(Provider):
    """The role is the one audience. The ceiling: `{"env": VARIABLE}`, `{"file": VARIABLE}`, or both.

    `env` is the variable that holds the token, `file` the one that holds the path of a file with it. `origin` is the
    portal's own address: no token is made for the portal itself.
    """

    kind: ClassVar[str] = "oidc"
    min_ttl_s: ClassVar[int] = 30

    def __init__(self, keys: Keys, origin: str) -> None:
        self.keys, self.origin = keys, origin
        self._issued: dict[UUID, Lease] = {}
        self._lock = threading.Lock()

    def validate(self, need: CredentialNeed, binding: Binding) -> None:
        audience = binding.role
        if not AUDIENCE.fullmatch(audience):
            raise NotIssuable(f"{audience!r} is not one audience.")
        if audience.startswith(self.origin):
            raise NotIssuable("A token for the portal itself would be a way in; name the audience of somebody else.")
        if not {"env", "file"} & set(binding.ceiling):
            raise NotIssuable("ceiling.env or ceiling.file: name the variable in which the step finds its token.")
        for field in ("env", "file"):
            if field in binding.ceiling:
                variable_of(binding, field)
        if min(need.ttl_s, binding.max_ttl_s) > LONGEST_S:
            raise NotIssuable("An identity token lives for an hour at most: shorten the ttl or the binding's limit.")
        if "audience" not in need.scope:
            raise NotIssuable(f"The procedure declares no audience; where {audience} is meant, it says so.")
        if (wanted := need.scope["audience"]) != audience:
            raise NotIssuable(f"The procedure asks for the audience {wanted}, the binding gives {audience}.")

    def issue(
        self, context: RunContext, need: CredentialNeed, binding: Binding, lease_id: UUID, *, at: datetime, ttl_s: int
    ) -> Lease:
        self.validate(need, binding)
        with self._lock:  # a second token of one lease would be a second life of it
            if (known := self._issued.get(lease_id)) is not None:
                return known
            made = self._made(context, binding, lease_id, at, ttl_s)
            self._issued = {key: one for key, one in self._issued.items() if one.expires_at > at} | {lease_id: made}
        return made

    def revoke(self, handle: str, why: str) -> Literal["revoked", "already-gone", "expires-only"]:
        """Whoever checks a signature asks nobody: the token ends by its time alone."""
        return "expires-only"

    def sweep(self, known_open: Sequence[str]) -> Sequence[str]:
        """Tokens leave nothing behind; the keys are turned: shown before they sign, gone when they are over."""
        self.keys.turn()
        return ()

    def _made(self, context: RunContext, binding: Binding, lease_id: UUID, at: datetime, ttl_s: int) -> Lease:
        signer = self.keys.signer(context.environment, at=at)
        at = at.replace(microsecond=0)  # tokens count in seconds, and what is kept says what they say
        until = at + timedelta(seconds=min(ttl_s, LONGEST_S))
        claims = _claims(context, signer.issuer, binding.role, lease_id, at, until)
        token = Secret(signed(claims, signer))
        told = {name: claims[name] for name in ("iss", "sub", "aud", "jti")}
        given = binding.ceiling
        return Lease(
            id=lease_id,
            provider="oidc-workload",
            target=context.target.name if context.target else None,
            handle=f"{context.environment} {signer.kid} {lease_id}",
            issued_at=at,
            expires_at=until,
            renewable=False,
            self_expiring=True,
            kills_sessions=False,
            evidence={**told, "kid": signer.kid},
            material={"token": token},
            env={str(given["env"]): token} if "env" in given else {},
            files={str(given["file"]): token} if "file" in given else {},
        )


def _claims(
    context: RunContext, issuer: str, audience: str, lease_id: UUID, at: datetime, until: datetime
) -> dict[str, Any]:
    """Everything here was looked up by the issuer; nothing was said by who asks."""
    since = int(at.timestamp())
    made = {
        "iss": issuer,
        "sub": subject(
            environment=context.environment,
            procedure=context.procedure,
            digest=context.digest,
            step=context.step,
            run=str(context.run_id),
        ),
        "aud": audience,
        "iat": since,
        "nbf": since,
        "exp": int(until.timestamp()),
        "jti": str(lease_id),
        "environment": context.environment,
        "procedure": context.procedure,
        "digest": context.digest,
        "run": str(context.run_id),
        "run_no": context.run_no,
        "step": context.step,
        "attempt": context.attempt,
        "requester": context.requester,
        "approvers": list(context.approvers),
    }
    return made | ({"target": context.target.name} if context.target else {})
