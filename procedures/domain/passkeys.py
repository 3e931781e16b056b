"""Passkeys (WebAuthn Level 2): an assertion over a canonical statement, judged alike by service and issuer.

The challenge is SHA-256 of the statement, so that what was approved is what was signed. An enrolled passkey carries the
origin and relying party that people confirmed; those are compared, never what the assertion or a setting says.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from procedures.domain import cose
from procedures.domain.errors import OpsError

PRESENT, VERIFIED, ATTESTED, EXTENDED = 0x01, 0x04, 0x40, 0x80
LOCAL = "localhost"


class AssertionRefused(OpsError):
    """A passkey's answer that does not prove what it should."""

    code = "passkey.refused"
    next_step = "Reload the page, look at the statement again, and sign it with an enrolled passkey of yours."


def websafe(data: bytes) -> str:
    """base64url without padding, as browsers write it."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def from_websafe(text: str) -> bytes:
    """Raises ValueError unless `text` is the one base64url form of some bytes."""
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if websafe(data) != text:
        raise ValueError("is not base64url in its one form")
    return data


def party_of(origin: str) -> str | None:
    """The relying-party id for an origin: its host; None where browsers offer no passkeys (plain http, an address)."""
    parts = urlsplit(origin)
    host = parts.hostname or ""
    if host == LOCAL or host.endswith("." + LOCAL):
        return host
    is_address = ":" in host or not any(letter.isalpha() for letter in host.rpartition(".")[2])
    return host if parts.scheme == "https" and host and not is_address else None


def origin_of(url: str) -> str:
    """An origin as browsers write it: small letters, no port where it is the scheme's own."""
    parts = urlsplit(url)
    own = {"https": 443, "http": 80}.get(parts.scheme)
    port = "" if parts.port in {None, own} else f":{parts.port}"
    return f"{parts.scheme}://{parts.hostname or ''}{port}"


def challenge_of(statement: bytes) -> str:
    """What a browser is asked to sign for this statement."""
    return websafe(hashlib.sha256(statement).digest())


def counter(row: Mapping[str, Any]) -> int:
    """The sign counter of a row that was checked."""
    return int.from_bytes(_bytes(row, "authenticator_data")[33:37], "big")


def check(row: Mapping[str, Any], statement: bytes, key: Mapping[str, Any]) -> None:
    """Refuse unless the enrolled passkey `key` made this signature row over `statement`.

    `key` is what its enrolment event says: credential, public, algorithm, rp, origin. Raises AssertionRefused.
    """
    if row.get("credential") != key["credential"]:
        raise AssertionRefused("Another passkey than the enrolled one answered.")
    data, client = _bytes(row, "authenticator_data"), _bytes(row, "client_data")
    _says(client, challenge_of(statement), str(key["origin"]))
    _is_here(data, str(key["rp"]))
    try:
        algorithm, public = cose.decoded(base64.b64decode(str(key["public"]), validate=True))
    except (cose.KeyNotTaken, ValueError) as problem:
        raise AssertionRefused(f"The enrolled public key cannot be read: {problem}") from problem
    if algorithm != key["algorithm"]:
        raise AssertionRefused("The enrolled public key is of another algorithm than its enrolment says.")
    if not cose.verifies(public, _bytes(row, "sig"), data + hashlib.sha256(client).digest()):
        raise AssertionRefused("The signature does not verify.")


def _bytes(row: Mapping[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(str(row.get(name, "")), validate=True)
    except (binascii.Error, ValueError) as problem:
        raise AssertionRefused(f"{name} is not base64.") from problem


def _says(client: bytes, challenge: str, origin: str) -> None:
    """The client data: an assertion, of this challenge, from this origin, by nobody's frame."""
    try:
        said = json.loads(client.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError) as problem:
        raise AssertionRefused("The client data is not JSON.") from problem
    if not isinstance(said, dict) or said.get("type") != "webauthn.get":
        raise AssertionRefused("The client data is not that of an assertion.")
    if said.get("challenge") != challenge:
        raise AssertionRefused("The passkey signed another statement than this one.")
    if said.get("origin") != origin:
        raise AssertionRefused(f"The passkey answered to another origin than {origin}.")
    if said.get("crossOrigin", False) is not False:
        raise AssertionRefused("The passkey answered inside a frame of another site.")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _is_here(data: bytes, rp: str) -> None:
    """The authenticator data: this relying party, somebody present and verified, and nothing left over."""
    if len(data) != 37 or data[32] & (ATTESTED | EXTENDED):
        raise AssertionRefused("The authenticator data has another form than that of a plain assertion.")
    if not hmac.compare_digest(data[:32], hashlib.sha256(rp.encode()).digest()):
        raise AssertionRefused(f"The passkey answered to another relying party than {rp}.")
    if not data[32] & PRESENT:
        raise AssertionRefused("Nobody touched the passkey.")
    if not data[32] & VERIFIED:
        raise AssertionRefused("The passkey did not verify who holds it (PIN, finger or face).")
