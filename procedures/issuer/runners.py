"""Whether the runner that asks is one that people enrolled for this environment, and holds its key (H14, rule 18)."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from procedures.domain.controls import Authority
from procedures.evidence.dsse import pae
from procedures.issuer.refusals import LeaseRefused

Prove = Callable[[bytes], bytes]
CHALLENGE = "application/vnd.opsportal.lease-challenge"


def judge_runner(authority: Authority, runner: UUID, environment: str, prove: Prove, *, claim: UUID) -> None:
    """Refuse whoever is not in the log as a runner of this environment, or cannot sign with the key enrolled there.

    The table of runners is not asked. `prove` signs a fresh challenge that names the claim.
    """
    fact = authority.runners.get(str(runner))
    if fact is None:
        raise LeaseRefused("The log knows no living runner of this id: nobody enrolled it, or it was ended.")
    if not fact["stands"]:
        raise LeaseRefused(f"The runner {fact['name']} is asserted by the platform alone.")
    if environment not in fact["environments"]:
        raise LeaseRefused(f"The runner {fact['name']} was enrolled for another pool than that of {environment}.")
    challenge = pae(CHALLENGE, secrets.token_bytes(32) + claim.bytes)
    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(fact["public"])).verify(prove(challenge), challenge)
    except (InvalidSignature, ValueError) as problem:
        raise LeaseRefused(f"The runner {fact['name']} does not hold the key with which it was enrolled.") from problem
