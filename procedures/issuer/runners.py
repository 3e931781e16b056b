"""Whether the runner that asks is one that people enrolled for this environment, and holds its key (H14, rule 18)."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from procedures.domain.controls import Authority
from procedures.domain.lending import Asked, mark
from procedures.evidence.dsse import pae
from procedures.issuer.refusals import NotYours

CHALLENGE = "application/vnd.opsportal.lease-challenge"
NONCE_BYTES = MARK_BYTES = 32


@dataclass(frozen=True, slots=True)
class Proof:
    """A challenge that the issuer drew about one question, and what came back for it."""

    challenge: bytes
    signature: bytes


Prove = Callable[[Asked], Proof]


def challenge_about(asked: Asked) -> bytes:
    """Fresh each time, and about this one question: a proof that was heard is good for nothing else."""
    return pae(CHALLENGE, secrets.token_bytes(NONCE_BYTES) + mark(asked))


def is_challenge(challenge: bytes, asked: Asked) -> bool:
    """Whether this is a challenge about that very question: a runner signs nothing else for an issuer."""
    nonce = challenge[-NONCE_BYTES - MARK_BYTES : -MARK_BYTES]
    return len(nonce) == NONCE_BYTES and challenge == pae(CHALLENGE, nonce + mark(asked))


def proved_by(sign: Callable[[bytes], bytes]) -> Prove:
    """How a runner in the same process proves who it is."""

    def prove(asked: Asked) -> Proof:
        challenge = challenge_about(asked)
        return Proof(challenge, sign(challenge))

    return prove


def judge_runner(authority: Authority, runner: UUID, environment: str, prove: Prove, *, asked: Asked) -> None:
    """Refuse whoever is not in the log as a runner of this environment, or did not sign with the key enrolled there.

    The table of runners is not asked.
    """
    fact = authority.runners.get(str(runner))
    if fact is None:
        raise NotYours("The log knows no living runner of this id: nobody enrolled it, or it was ended.")
    if not fact["stands"]:
        raise NotYours(f"The runner {fact['name']} is asserted by the platform alone.")
    if environment not in fact["environments"]:
        raise NotYours(f"The runner {fact['name']} was enrolled for another pool than that of {environment}.")
    proof = prove(asked)
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(fact["public"]))
        key.verify(proof.signature, proof.challenge)
        fits = is_challenge(proof.challenge, asked)
    except (InvalidSignature, ValueError):
        fits = False
    if not fits:
        raise NotYours(f"The runner {fact['name']} does not hold the key with which it was enrolled.")
