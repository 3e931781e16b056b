"""A SoftHSM with tokens that tests make: the library reads its settings once, so there is one folder per process."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.fixtures.counterparts import need

PIN = "5678"
FOLDERS = ("/usr/lib/softhsm", "/usr/lib64/pkcs11", "/usr/local/lib/softhsm")
TOKENS = ("ops", "gone", "spare")


@dataclass(frozen=True, slots=True)
class Hsm:
    """`pin` is a file with the PIN of every token."""

    module: str
    folder: Path
    pin: Path

    def place(self, label: str, *, within: str = "ops", pin: Path | None = None) -> str:
        return f"pkcs11:token={within};object={label}?module-path={self.module}&pin-source={pin or self.pin}"

    def make(self, label: str, *, within: str = "ops", curve: bool = False, **private: Any) -> None:
        """A key pair in a token; `private` are attributes of its private half."""
        import pkcs11
        from pkcs11.util import ec

        oid = ec.encode_named_curve_parameters("secp256r1") if curve else bytes.fromhex("06032b6570")
        kind = pkcs11.KeyType.EC if curve else pkcs11.KeyType.EC_EDWARDS
        wanted = {pkcs11.Attribute[name.upper()]: value for name, value in private.items()}
        found = pkcs11.lib(self.module).get_token(token_label=within)
        with found.open(user_pin=PIN, rw=True) as session:
            domain = session.create_domain_parameters(kind, {pkcs11.Attribute.EC_PARAMS: oid}, local=True)
            mechanism = pkcs11.Mechanism.EC_KEY_PAIR_GEN if curve else pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN
            domain.generate_keypair(mechanism=mechanism, store=True, label=label, private_template=wanted)


@cache
def hsm() -> Hsm:
    """The tokens of this process, with the keys `users`, `hosts` and `curve` in `ops`."""
    util = need("softhsm2-util")
    folder = Path(tempfile.mkdtemp(prefix="opsportal-hsm-", dir="/var/tmp"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "tokens").mkdir()
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(settings)
    for name in TOKENS:
        words = [str(util), "--init-token", "--free", "--label", name, "--so-pin", "12345678", "--pin", PIN]
        subprocess.run(words, check=True, capture_output=True, env={**os.environ, "SOFTHSM2_CONF": str(settings)})
    pin = folder / "pin"
    pin.write_text(f"{PIN}\n")
    pin.chmod(0o600)
    module = next(str(path) for place in FOLDERS if (path := Path(place, "libsofthsm2.so")).exists())
    found = Hsm(module, folder, pin)
    found.make("users")
    found.make("hosts")
    found.make("curve", curve=True)
    return found
