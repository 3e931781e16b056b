"""An authority's key in a PKCS#11 token (HSM, smart card): it signs there, and no byte of it ever comes out.

Sources: PKCS #11 version 3.0 (mechanisms CKM_EDDSA, CKM_ECDSA), RFC 7512 for how a place is written.
"""

from __future__ import annotations

import hashlib
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import unquote

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

from procedures.ssh.certifying import AuthorityAway, KeyAuthority

SCHEME = "pkcs11:"
KNOWN = frozenset({"token", "serial", "object", "module-path", "pin-source"})
NEEDED = ("token", "object", "module-path", "pin-source")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """A key's place: the library, the token by its label, the key pair by its own, and the file that holds the PIN."""

    module: str
    token: str
    label: str
    pin: Path
    serial: str = ""


def place_of(uri: str) -> Place:
    """What "pkcs11:token=T;object=KEY?module-path=/…&pin-source=/…" says. Raises AuthorityAway."""
    path, _, query = uri.removeprefix(SCHEME).partition("?")
    pairs = [part.partition("=") for part in [*path.split(";"), *query.split("&")] if part]
    said = {name: unquote(value).removeprefix("file:") for name, _, value in pairs}
    if unknown := sorted(set(said) - KNOWN):
        raise AuthorityAway(f"The place of a key in a token says {unknown[0]}, but may say {', '.join(sorted(KNOWN))}.")
    if lacking := [name for name in NEEDED if not said.get(name)]:
        raise AuthorityAway(f"The place of a key in a token does not say {lacking[0]}.")
    return Place(said["module-path"], said["token"], said["object"], Path(said["pin-source"]), said.get("serial", ""))


class Token:
    """One token of this process: one session, logged in, used by one thread at a time, opened anew when it broke."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._lock = threading.Lock()
        self._session: Any = None
        self._refused = b""  # digest of the PIN that the token did not take

    def do(self, work: Callable[[Any], T]) -> T:
        """What `work` gives, called with a session; once more where the session broke. Raises AuthorityAway."""
        pkcs11 = _library()
        with self._lock, _told(self.place):
            try:
                return work(self._open(pkcs11))
            except (pkcs11.NoSuchKey, pkcs11.MultipleObjectsReturned):
                raise
            except pkcs11.PKCS11Error:
                if self._session is None:
                    raise
                self._close()
                return work(self._open(pkcs11))

    def _open(self, pkcs11: Any) -> Any:
        if self._session is None:
            pin = _pin(self.place.pin)
            mark = hashlib.sha256(pin.encode()).digest()
            if mark == self._refused:
                raise AuthorityAway(_words(pkcs11.PinIncorrect(), self.place))
            named: dict[str, Any] = {"token_label": self.place.token}
            named |= {"token_serial": self.place.serial.encode()} if self.place.serial else {}
            token = pkcs11.lib(self.place.module).get_token(**named)
            try:
                self._session = token.open(user_pin=pin)
            except pkcs11.UserAlreadyLoggedIn:  # a token knows one login of a whole process, not one of each session
                self._session = token.open()
            except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange):
                self._refused = mark
                raise
        return self._session

    def _close(self) -> None:
        session, self._session = self._session, None
        with suppress(Exception):  # it broke: nothing that it says matters
            session.close()


_tokens: dict[tuple[str, str, str], Token] = {}
_tokens_lock = threading.Lock()


def token_of(place: Place) -> Token:
    """The one token object of this process: a token is logged into once, whatever lies in it."""
    name = (place.module, place.token, place.serial)
    with _tokens_lock:
        return _tokens.setdefault(name, Token(place))


def authority_in_token(uri: str) -> KeyAuthority:
    """Raises AuthorityAway where the key cannot be used now, or could be taken out of its token."""
    place = place_of(uri)
    token = token_of(place)
    return KeyAuthority(token.do(lambda session: _key(session, token, place)))


def _key(session: Any, token: Token, place: Place) -> TokenEd25519 | TokenEcdsa:
    pkcs11 = _library()
    private = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=place.label)
    public = session.get_key(object_class=pkcs11.ObjectClass.PUBLIC_KEY, label=place.label)
    _require_kept(pkcs11, private, place)
    point = _unwrapped(public[pkcs11.Attribute.EC_POINT])
    if private.key_type == pkcs11.KeyType.EC_EDWARDS and len(point) == 32:
        return TokenEd25519(token, place, ed25519.Ed25519PublicKey.from_public_bytes(point))
    if private.key_type == pkcs11.KeyType.EC and len(point) == 65:
        curve = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        return TokenEcdsa(token, place, curve)
    raise AuthorityAway(f"{place.label} in the token {place.token} is neither an Ed25519 nor a P-256 key.")


def _require_kept(pkcs11: Any, private: Any, place: Place) -> None:
    """A key that can be read out of its token, or be wrapped and carried away, is as good as a file."""
    kept = private[pkcs11.Attribute.SENSITIVE] and not private[pkcs11.Attribute.EXTRACTABLE]
    if not kept:
        raise AuthorityAway(
            f"{place.label} in the token {place.token} can be taken out of it. Make a key that is sensitive and not "
            "extractable, and let hosts trust that one."
        )


def _unwrapped(point: bytes) -> bytes:
    """A point of a curve: tokens give it bare, or as a DER octet string."""
    return point[2:] if len(point) in {34, 67} and point[:1] == b"\x04" and point[1] == len(point) - 2 else point


class _InToken:
    """What both kinds share: they are handles, and what would read the key itself has nothing to read."""

    def __init__(self, token: Token, place: Place, public: Any) -> None:
        self._token, self._place, self._public = token, place, public

    def public_key(self) -> Any:
        return self._public

    def private_bytes(self, *_: Any, **__: Any) -> NoReturn:
        raise AuthorityAway("A key in a token stays there.")

    def private_bytes_raw(self) -> NoReturn:
        self.private_bytes()

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, _: dict[Any, Any]) -> Any:
        return self

    def _signed(self, data: bytes, mechanism: str) -> bytes:
        pkcs11 = _library()

        def sign(session: Any) -> bytes:
            private = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=self._place.label)
            return bytes(private.sign(data, mechanism=pkcs11.Mechanism[mechanism]))

        return self._token.do(sign)


class TokenEd25519(_InToken, ed25519.Ed25519PrivateKey):
    def sign(self, data: Any) -> bytes:
        return self._signed(bytes(data), "EDDSA")


class TokenEcdsa(_InToken, ec.EllipticCurvePrivateKey):
    @property
    def curve(self) -> ec.EllipticCurve:
        return ec.SECP256R1()

    @property
    def key_size(self) -> int:
        return 256

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        digest = hashes.Hash(hashes.SHA256())
        digest.update(bytes(data))
        both = self._signed(digest.finalize(), "ECDSA")
        half = len(both) // 2
        return utils.encode_dss_signature(int.from_bytes(both[:half], "big"), int.from_bytes(both[half:], "big"))

    def exchange(self, *_: Any) -> NoReturn:
        self.private_bytes()

    def private_numbers(self) -> NoReturn:
        self.private_bytes()


def _pin(file: Path) -> str:
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        pin = file.read_text().strip()
    except (OSError, ValueError) as problem:
        raise AuthorityAway(f"The PIN cannot be read from {file}: {type(problem).__name__}.") from problem
    if mode & 0o077:
        raise AuthorityAway(f"{file} holds a PIN and is open to others: its mode is {mode:04o}, but must be 0600.")
    if not pin:
        raise AuthorityAway(f"{file} holds no PIN.")
    return pin


def _library() -> Any:
    try:
        import pkcs11
    except ImportError as problem:
        raise AuthorityAway(
            "A key in a token needs python-pkcs11 where the issuer runs: install opsportal[pkcs11]."
        ) from problem
    return pkcs11


@contextmanager
def _told(place: Place) -> Iterator[None]:
    """The token's refusals in words."""
    pkcs11 = _library()
    try:
        yield
    except pkcs11.PKCS11Error as problem:
        raise AuthorityAway(_words(problem, place)) from problem


def _words(problem: Exception, place: Place) -> str:
    token, key = f"The token {place.token}", f"{place.label} in the token {place.token}"
    again = f"It is not tried again until {place.pin} changes, since a token locks itself after a few."
    said: Mapping[str, str] = {
        "NoSuchToken": f"{token} is not there. Is it plugged in, and does {place.module} see it?",
        "TokenNotPresent": f"{token} is not there any more.",
        "DeviceRemoved": f"{token} is not there any more.",
        "MultipleTokensReturned": f"Several tokens are called {place.token}: say serial=… too.",
        "NoSuchKey": f"There is no key pair {key}; both halves must lie there.",
        "MultipleObjectsReturned": f"There are several keys {key}.",
        "PinIncorrect": f"{token} does not take the PIN. {again}",
        "PinInvalid": f"{token} does not take the PIN. {again}",
        "PinLenRange": f"{token} does not take a PIN of this length. {again}",
        "PinLocked": f"{token} is locked after too many wrong PINs. Its security officer unlocks it.",
        "PinExpired": f"The PIN of {place.token} has expired. Set a new one.",
        "UserPinNotInitialized": f"{token} has no user's PIN yet.",
        "MechanismInvalid": f"{token} cannot sign with keys of this kind.",
    }
    kind = type(problem).__name__
    return said.get(kind, f"{token} does not answer as it should: {kind} {problem}".strip())
