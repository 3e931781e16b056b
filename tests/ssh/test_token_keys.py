"""A key in a token never comes out, and what a token refuses is told in words, by a real PKCS#11 library (SoftHSM)."""

from __future__ import annotations

import base64
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pkcs11
import pytest

from procedures.domain.clock import now
from procedures.domain.sshkeys import fingerprint, verify_sshsig
from procedures.ssh import token_keys
from procedures.ssh.authority import issue
from procedures.ssh.certifying import AuthorityAway, KeyAuthority
from procedures.ssh.places import USERS, authorities, point
from procedures.ssh.restricted import NAMESPACE, signed
from tests.ssh.tokens import PIN, Hsm, hsm


def forgotten() -> None:
    """As in a process that has just begun: nothing is logged in, nothing remembered."""
    for token in token_keys._tokens.values():
        token._close()
    token_keys._tokens.clear()


@pytest.fixture
def tokens() -> Iterator[Hsm]:
    found = hsm()
    forgotten()
    yield found
    forgotten()


@pytest.fixture
def pin(tmp_path: Path) -> Path:
    file = tmp_path / "pin"
    file.write_text(PIN)
    file.chmod(0o600)
    return file


def issued(authority: KeyAuthority) -> int:
    at = now()
    options = {"force-command": "true"}
    return issue(
        authority, principals=["deploy@h"], key_id="r", options=options, at=at, until=at + timedelta(minutes=1)
    ).serial


def test_no_byte_of_the_key_comes_out_whatever_is_asked(tokens: Hsm) -> None:
    key: Any = token_keys.authority_in_token(tokens.place("users")).signing_key()
    for take in (key.private_bytes_raw, lambda: key.private_bytes(None, None, None)):
        with pytest.raises(AuthorityAway, match="stays there"):
            take()

    def read(session: Any) -> None:
        private = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label="users")
        with pytest.raises(pkcs11.AttributeSensitive):
            private[pkcs11.Attribute.VALUE]
        wrapping = session.generate_key(pkcs11.KeyType.AES, 256)
        with pytest.raises(pkcs11.PKCS11Error):
            wrapping.wrap_key(private)

    key._token.do(read)
    curve: Any = token_keys.authority_in_token(tokens.place("curve")).key
    for take in (curve.private_numbers, curve.private_bytes_raw, lambda: curve.exchange(None, None)):
        with pytest.raises(AuthorityAway, match="stays there"):
            take()


@pytest.mark.parametrize("open_by", [{"extractable": True}, {"sensitive": False, "extractable": True}], ids=str)
def test_a_key_that_could_come_out_is_not_used(tokens: Hsm, open_by: dict[str, bool]) -> None:
    label = f"open-{len(open_by)}"
    tokens.make(label, within="spare", **open_by)
    with pytest.raises(AuthorityAway, match=f"{label} in the token spare can be taken out of it"):
        token_keys.authority_in_token(tokens.place(label, within="spare"))


def test_a_restricted_key_s_statement_is_signed_in_the_token(tokens: Hsm, tmp_path: Path) -> None:
    point(tmp_path, "staging", USERS, tokens.place("users"))
    key, at = authorities(tmp_path)("staging").signing_key(), now()
    made = signed(
        key,
        digest="a" * 64,
        limit_s=30,
        at=at,
        until=at + timedelta(minutes=1),
        principal="deploy@web-01",
        lease=uuid4(),
        about="run=1",
    )
    words, signature = (base64.b64decode(word) for word in made.split()[1:])
    assert (
        fingerprint(authorities(tmp_path)("staging").public)
        == verify_sshsig(signature.decode(), words, NAMESPACE).fingerprint
    )


def test_what_is_missing_or_refused_is_told_in_words(tokens: Hsm, pin: Path, tmp_path: Path) -> None:
    tokens.make("twice", within="spare")
    tokens.make("twice", within="spare")
    for uri, says in (
        (tokens.place("users", within="unplugged"), "The token unplugged is not there. Is it plugged in"),
        (tokens.place("nothing"), "There is no key pair nothing in the token ops"),
        (tokens.place("twice", within="spare"), "There are several keys twice in the token spare"),
        (tokens.place("users", pin=tmp_path / "none"), "The PIN cannot be read from"),
        ("pkcs11:token=ops;object=x?module-path=/none.so&pin-source=" + str(pin), "does not answer as it should"),
        ("pkcs11:token=ops;object=x?pin-source=/x", "does not say module-path"),
        ("pkcs11:token=ops;object=x?module-path=/x&pin-value=1234", "says pin-value, but may say"),
    ):
        forgotten()
        with pytest.raises(AuthorityAway, match=says):
            token_keys.authority_in_token(uri)


def test_a_pin_that_others_can_read_is_not_used(tokens: Hsm, pin: Path) -> None:
    pin.chmod(0o644)
    with pytest.raises(AuthorityAway, match="holds a PIN and is open to others"):
        token_keys.authority_in_token(tokens.place("users", pin=pin))
    pin.chmod(0o600)
    pin.write_text("\n")
    with pytest.raises(AuthorityAway, match="holds no PIN"):
        token_keys.authority_in_token(tokens.place("users", pin=pin))


def test_a_wrong_pin_is_tried_once_so_that_the_token_does_not_lock_itself(
    tokens: Hsm, pin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin.write_text("999999")
    tries: list[str] = []
    real = pkcs11.lib

    def counted(module: str) -> Any:
        tries.append(module)
        return real(module)

    monkeypatch.setattr(pkcs11, "lib", counted)
    for _ in range(5):
        with pytest.raises(AuthorityAway, match=r"does not take the PIN\. It is not tried again until"):
            token_keys.authority_in_token(tokens.place("users", pin=pin))
    assert len(tries) == 1
    pin.write_text(PIN)
    assert issued(token_keys.authority_in_token(tokens.place("users", pin=pin)))


@pytest.mark.parametrize(
    ("problem", "says"),
    [
        (pkcs11.PinLocked, "is locked after too many wrong PINs. Its security officer unlocks it"),
        (pkcs11.PinExpired, "has expired"),
        (pkcs11.UserPinNotInitialized, "has no user's PIN yet"),
        (pkcs11.MultipleTokensReturned, "Several tokens are called ops"),
        (pkcs11.TokenNotPresent, "is not there any more"),
        (pkcs11.MechanismInvalid, "cannot sign with keys of this kind"),
        (pkcs11.GeneralError, "does not answer as it should: GeneralError"),
    ],
)
def test_what_this_library_never_says_but_others_do_is_told_too(
    tokens: Hsm, monkeypatch: pytest.MonkeyPatch, problem: type[Exception], says: str
) -> None:
    def refuses(module: str) -> Any:
        raise problem

    monkeypatch.setattr(pkcs11, "lib", refuses)
    with pytest.raises(AuthorityAway, match=says):
        token_keys.authority_in_token(tokens.place("users"))


def test_a_session_that_broke_is_opened_anew_and_the_certificate_made(tokens: Hsm) -> None:
    authority = token_keys.authority_in_token(tokens.place("users"))
    assert issued(authority)
    key: Any = authority.key
    key._token._session.close()  # a token that was taken out and put back knows no session
    assert issued(authority)


def test_two_keys_of_one_token_share_its_login_and_many_threads_one_session(tokens: Hsm) -> None:
    both = [token_keys.authority_in_token(tokens.place(name)) for name in ("users", "hosts", "curve")]
    assert len(token_keys._tokens) == 1
    serials: list[int] = []
    threads = [threading.Thread(target=lambda one=one: serials.append(issued(one))) for one in both * 6]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(serials)) == 18


def test_where_the_library_is_not_installed_the_extra_is_named(tokens: Hsm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(AuthorityAway, match=r"install opsportal\[pkcs11\]"):
        token_keys.authority_in_token(tokens.place("users"))
