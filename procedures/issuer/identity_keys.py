"""The private keys with which an issuer signs identity tokens: in its own folder, made and turned there alone."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from procedures.domain.clock import now
from procedures.domain.identity_tokens import Signer, issuer_of, public_jwk, ring
from procedures.issuer.keys import write_private

BITS, STAMP = 3072, "%Y%m%dT%H%M%S%fZ"
ENDED = ".ended"


def make(folder: Path, environment: str, *, at: datetime) -> Path:
    """A further key of an environment, which signs a day after it was shown, or at once if it is the first."""
    private = generate_private_key(65537, BITS)
    path = folder / f"identity.{environment}.{at.astimezone(UTC):{STAMP}}.pem"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


def replace(folder: Path, environment: str, *, at: datetime) -> Path:
    """A key that signs at once, because those before it are in somebody's hands: they are shown no more."""
    before = list(_living(folder, environment))
    made = make(folder, environment, at=at)
    for path in before:
        path.rename(path.with_name(path.name + ENDED))
    return made


class IdentityKeys:
    """The keys of every environment whose files lie in `folder`; `origin` is where the portal shows their halves."""

    def __init__(self, folder: Path, origin: str) -> None:
        self.folder, self.origin = folder, origin
        self._loaded: dict[Path, RSAPrivateKey] = {}
        self._lock = threading.Lock()

    def signer(self, environment: str, *, at: datetime) -> Signer:
        """The key that signs now, once the portal shows it; made if there is none. Raises IdentityKeysDiffer."""
        with self._lock:
            if not any(_all(self.folder, environment)):
                make(self.folder, environment, at=at)
            return self._turned(environment, at)

    def turn(self) -> None:
        """Show what is new and take away what is over, of each environment that has keys here."""
        for environment in sorted({path.name.split(".")[1] for path in _all(self.folder, "*")}):
            with self._lock:
                if any(_living(self.folder, environment)):
                    self._turned(environment, now())

    def _turned(self, environment: str, at: datetime) -> Signer:
        from procedures.services.identity_keys import show  # `opsportal keys` makes keys where there is no Django

        living = _living(self.folder, environment)
        found = ring({path.name: since for path, since in living.items()}, at=at)
        over = [*(self.folder / name for name in found.over), *self._ended(environment)]
        shown = [self._public(self.folder / name) for name in found.shown]
        own = [key["kid"] for key in (*shown, *map(self._public, over))]
        issuer = issuer_of(self.origin, environment)
        show(environment, issuer, shown, own=own, at=at)
        for path in over:  # only now: until nobody is shown it, it must be known as one's own
            path.unlink(missing_ok=True)
            self._loaded.pop(path, None)
        signing = self.folder / found.signing
        return Signer(issuer, self._public(signing)["kid"], self._private(signing))

    def _ended(self, environment: str) -> list[Path]:
        return [path for path in _all(self.folder, environment) if path.name.endswith(ENDED)]

    def _public(self, path: Path) -> dict[str, str]:
        return public_jwk(self._private(path).public_key())

    def _private(self, path: Path) -> RSAPrivateKey:
        if path not in self._loaded:
            key = load_pem_private_key(path.read_bytes(), None)
            if not isinstance(key, RSAPrivateKey):
                raise SystemExit(f"{path} is no RSA key: an identity key is made by `opsportal keys --new-identity`.")
            self._loaded[path] = key
        return self._loaded[path]


def _all(folder: Path, environment: str) -> list[Path]:
    return sorted(folder.glob(f"identity.{environment}.*.pem*"))


def _living(folder: Path, environment: str) -> Mapping[Path, datetime]:
    paths = [path for path in _all(folder, environment) if path.suffix == ".pem"]
    return {path: datetime.strptime(path.name.split(".")[2], STAMP).replace(tzinfo=UTC) for path in paths}
