"""A passkey in software, for the three algorithms: it answers as a browser and its authenticator would, or as told."""

from __future__ import annotations

import base64
import json
import os
import struct
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from django.conf import settings
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData

from procedures.domain import cose
from procedures.domain.canonical import canon
from procedures.domain.clock import now
from procedures.domain.passkeys import from_websafe, origin_of, party_of, websafe
from procedures.models import Person
from procedures.services import controls
from tests.factories.portal import World

ALGORITHMS = ("ES256", "EdDSA", "RS256")
PRESENT, VERIFIED = 0x01, 0x04


@dataclass(slots=True)
class SoftPasskey:
    """One credential of one person at one origin."""

    algorithm: str = "ES256"
    origin: str = field(default_factory=lambda: origin_of(settings.OPSPORTAL_PUBLIC_URL))
    count: int = 0
    credential: str = field(default_factory=lambda: websafe(os.urandom(32)))
    private: Any = None

    def __post_init__(self) -> None:
        made: dict[str, Any] = {
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
            "RS256": lambda: rsa.generate_private_key(65537, 2048),
        }
        self.private = made[self.algorithm]()

    @property
    def key_map(self) -> dict[int, Any]:
        """The COSE key as an authenticator hands it over."""
        public = self.private.public_key()
        if self.algorithm == "EdDSA":
            return {1: 1, 3: -8, -1: 6, -2: public.public_bytes_raw()}
        numbers = public.public_numbers()
        if self.algorithm == "ES256":
            return {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        return {1: 3, 3: -257, -1: numbers.n.to_bytes(256, "big"), -2: numbers.e.to_bytes(3, "big")}

    def registration(self, challenge: str, *, flags: int = 0x45, rp: str = "localhost", **said: Any) -> dict[str, str]:
        """What a browser returns for a new passkey: id, clientDataJSON, attestationObject."""
        client = {"type": "webauthn.create", "challenge": challenge, "origin": self.origin, **said}
        made = AttestedCredentialData.create(bytes(16), from_websafe(self.credential), self.key_map)
        data = AuthenticatorData.create(sha256(rp.encode()).digest(), flags, 0, made)
        return {
            "id": self.credential,
            "clientDataJSON": websafe(json.dumps(client).encode()),
            "attestationObject": websafe(AttestationObject.create("none", data, {})),
        }

    def sign(self, message: bytes) -> bytes:
        if self.algorithm == "ES256":
            return self.private.sign(message, ec.ECDSA(hashes.SHA256()))  # type: ignore[no-any-return]
        if self.algorithm == "EdDSA":
            return self.private.sign(message)  # type: ignore[no-any-return]
        return self.private.sign(message, padding.PKCS1v15(), hashes.SHA256())  # type: ignore[no-any-return]

    def object(self, person: Person | str) -> dict[str, Any]:
        """The control object that enrols it."""
        public = cose.encoded(self.key_map)
        return {
            "subject": str(person.subject if isinstance(person, Person) else person),
            "method": "passkey",
            "public": base64.b64encode(public).decode(),
            "fingerprint": cose.fingerprint(public),
            "algorithm": self.algorithm,
            "credential": self.credential,
            "rp": party_of(self.origin) or "",
            "origin": self.origin,
            "sign_count": 0,
        }

    def enrol(self, world: World, person: Person) -> SoftPasskey:
        """As it must be: proposed by its owner, signed with an older key of theirs or confirmed by Mira."""
        made, signature = self.object(person), None
        if person.username in world.keys:
            statement = canon(controls.statement_for(actor=person, control="key", object=made))
            signature = world.signed(person.username, statement)
        change = controls.propose(actor=person, control="key", object=made, signature=signature, at=now())
        if change.state == "proposed":
            signature = world.signed("mira", bytes(change.statement))
            controls.confirm(actor=world.mira, change=change.id, signature=signature, at=now())
        return self

    def answer(
        self,
        statement: bytes,
        *,
        flags: int = PRESENT | VERIFIED,
        count: int | None = None,
        rp: str = "localhost",
        extra: bytes = b"",
        **client: Any,
    ) -> dict[str, str]:
        """What a browser returns for this statement: credential, authenticator_data, client_data, signature."""
        if count is None:
            self.count = count = self.count + 1
        said = {
            "type": "webauthn.get",
            "challenge": websafe(sha256(statement).digest()),
            "origin": self.origin,
            "crossOrigin": False,
            **client,
        }
        spoken = json.dumps(said).encode()
        data = sha256(rp.encode()).digest() + struct.pack(">BI", flags, count) + extra
        return {
            "credential": self.credential,
            "authenticator_data": text(data),
            "client_data": text(spoken),
            "signature": text(self.sign(data + sha256(spoken).digest())),
        }

    def given(self, statement: bytes, **twisted: Any) -> dict[str, Any]:
        """What a door hands in."""
        return {"statement": text(statement), "passkey": self.answer(statement, **twisted)}

    def row(self, person: Person | str, statement: bytes, *, role: str = "approver", **twisted: Any) -> dict[str, str]:
        """The signature row of evidence that the portal would write."""
        answer = self.answer(statement, **twisted)
        return {
            "by": str(person.subject if isinstance(person, Person) else person),
            "strength": "signed",
            "method": "passkey",
            "role": role,
            "key": str(self.object(person)["fingerprint"]),
            "sig": answer["signature"],
            **{name: answer[name] for name in ("credential", "authenticator_data", "client_data")},
        }


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()
