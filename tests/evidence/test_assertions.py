"""The verifier's arithmetic for passkeys against a library that did not write it: edges by hand, then at random."""

from __future__ import annotations

import hashlib
from functools import cache

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from procedures.domain import cose
from procedures.evidence import verify

N = verify.QN
MESSAGE = b"what was approved"


@cache
def p256() -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(0x1C0FFEE5, ec.SECP256R1())


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@cache
def ed() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)


def stored(private: object) -> bytes:
    """The canonical COSE form of a key's public half."""
    if isinstance(private, ec.EllipticCurvePrivateKey):
        numbers = private.public_key().public_numbers()
        return cose.encoded({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})
    if isinstance(private, rsa.RSAPrivateKey):
        n = private.public_key().public_numbers().n
        return cose.encoded({1: 3, 3: -257, -1: n.to_bytes(256, "big"), -2: b"\x01\x00\x01"})
    assert isinstance(private, ed25519.Ed25519PrivateKey)
    return cose.encoded({1: 1, 3: -8, -1: 6, -2: private.public_key().public_bytes_raw()})


def takes(key: bytes, message: bytes, signature: bytes) -> bool:
    """Both verdicts, which must be one."""
    _, public = cose.decoded(key)
    theirs = cose.verifies(public, signature, message)
    try:
        ours = bool(verify.cose(key, message, signature))
    except ValueError:
        ours = False
    assert ours is theirs, f"we say {ours}, the library says {theirs}: {signature.hex()}"
    return ours


def numbers(message: bytes = MESSAGE) -> tuple[int, int]:
    return decode_dss_signature(p256().sign(message, ec.ECDSA(hashes.SHA256())))


def wrapped(r: bytes, s: bytes) -> bytes:
    inner = b"\x02" + bytes([len(r)]) + r + b"\x02" + bytes([len(s)]) + s
    return b"\x30" + bytes([len(inner)]) + inner


def octets(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def test_a_high_s_is_taken_as_webauthn_takes_it() -> None:
    r, s = numbers()
    for value in (s, N - s):
        assert takes(stored(p256()), MESSAGE, encode_dss_signature(r, value))


@pytest.mark.parametrize(
    "pair",
    [(0, 1), (1, 0), (0, 0), (N, 1), (1, N), (N, N), (N + 1, 1), (1, N + 1), (1, 1), (N - 1, N - 1), (2**256 - 1, 1)],
)
def test_numbers_at_the_edges_of_the_group_are_refused(pair: tuple[int, int]) -> None:
    assert not takes(stored(p256()), MESSAGE, encode_dss_signature(*pair))


def test_numbers_beyond_the_group_that_mean_the_same_are_refused() -> None:
    r, s = numbers()
    for pair in ((r + N, s), (r, s + N)):
        assert not takes(stored(p256()), MESSAGE, wrapped(octets(pair[0]), octets(pair[1])))


def test_der_in_any_other_form_is_refused() -> None:
    r, s = numbers()
    one, two = octets(r), octets(s)
    good = encode_dss_signature(r, s)
    bad = {
        "trailing byte": good + b"\x00",
        "trailing inside": good[:1] + bytes([good[1] + 2]) + good[2:] + b"\x05\x00",
        "padded r": wrapped(b"\x00" + one, two),
        "padded s": wrapped(one, b"\x00" + two),
        "negative r": wrapped((-r).to_bytes(33, "big", signed=True), two),
        "long length": b"\x30\x81" + good[1:],
        "indefinite length": b"\x30\x80" + good[2:] + b"\x00\x00",
        "another tag": b"\x31" + good[1:],
        "one number": good[: 4 + good[3]],
        "empty r": wrapped(b"", two),
        "empty": b"",
        "raw r and s": r.to_bytes(32, "big") + s.to_bytes(32, "big"),
        "cut": good[:-1],
        "length too short": good[:1] + bytes([good[1] - 1]) + good[2:],
        "length too long": good[:1] + bytes([good[1] + 1]) + good[2:],
    }
    for name, signature in bad.items():
        assert not takes(stored(p256()), MESSAGE, signature), name
    assert takes(stored(p256()), MESSAGE, good)


def test_a_signature_whose_nonce_point_has_a_large_x_is_judged_like_the_library_does() -> None:
    """x of the nonce's point may exceed n; r is then x - n. Small keys reach the unusual cases of addition."""
    for secret in (1, 2, 3, N - 1, N - 2, (N - 1) // 2):
        key = ec.derive_private_key(secret, ec.SECP256R1())
        signature = key.sign(MESSAGE, ec.ECDSA(hashes.SHA256()))
        assert takes(stored(key), MESSAGE, signature)
        assert not takes(stored(key), MESSAGE + b"x", signature)


def test_points_that_cancel_give_no_signature() -> None:
    """e·w·G + r·w·Q is the point at infinity where Q = -G and e = r."""
    e = int.from_bytes(hashlib.sha256(MESSAGE).digest(), "big") % N
    negative = stored(ec.derive_private_key(N - 1, ec.SECP256R1()))
    assert not takes(negative, MESSAGE, encode_dss_signature(e, 1))


def forged(tail: bytes, size: int = 256, fill: bytes = b"\xff") -> bytes:
    """What raising to e would have to give, brought back with the private key: every padding but the right one."""
    block = b"\x00\x01" + fill * (size - len(tail) - 3) + b"\x00" + tail
    private = rsa_key().private_numbers()
    return pow(int.from_bytes(block, "big"), private.d, private.public_numbers.n).to_bytes(size, "big")


SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def test_rsa_takes_its_own_padding_and_no_other() -> None:
    key, digest = stored(rsa_key()), hashlib.sha256(MESSAGE).digest()
    good = rsa_key().sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    assert takes(key, MESSAGE, good)
    assert forged(SHA256_INFO + digest) == good
    bad = {
        "no parameters": forged(bytes.fromhex("302f300b0609608648016503040201") + b"\x04\x20" + digest),
        "sha1 named": forged(bytes.fromhex("3021300906052b0e03021a05000414") + hashlib.sha1(MESSAGE).digest()),  # noqa: S324
        "bare digest": forged(digest),
        "other filling": forged(SHA256_INFO + digest, fill=b"\x00"),
        "digest first": forged(SHA256_INFO + digest + b"\x00" * 20),
        "sha512": rsa_key().sign(MESSAGE, padding.PKCS1v15(), hashes.SHA512()),
        "PSS": rsa_key().sign(MESSAGE, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()),
        "zero": bytes(256),
        "one": b"\x00" * 255 + b"\x01",
        "short": good[1:],
        "long": b"\x00" + good,
        "empty": b"",
    }
    for name, signature in bad.items():
        assert not takes(key, MESSAGE, signature), name


def test_rsa_refuses_a_number_beyond_the_modulus() -> None:
    n = rsa_key().public_key().public_numbers().n
    number = int.from_bytes(rsa_key().sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256()), "big") + n
    if number < 2**2048:
        assert not takes(stored(rsa_key()), MESSAGE, number.to_bytes(256, "big"))
    assert not verify.rsa(n, 65537, MESSAGE, n.to_bytes(256, "big"), "sha256")


def test_an_exponent_of_one_is_no_key_for_ssh_either() -> None:
    """With e = 1 everybody could write the padded digest down and call it a signature."""
    n = rsa_key().public_key().public_numbers().n
    block = b"\x00\x01" + b"\xff" * 202 + b"\x00" + SHA256_INFO + hashlib.sha256(MESSAGE).digest()
    for exponent in (0, 1, 2, 65536):
        assert not verify.rsa(n, exponent, MESSAGE, block, "sha256")


@settings(max_examples=25, deadline=None)
@given(st.integers(1, N - 1), st.binary(max_size=64), st.integers(0, 71), st.integers(0, 7))
def test_p256_agrees_with_the_library_on_any_key_message_and_bit(
    secret: int, message: bytes, place: int, bit: int
) -> None:
    key = ec.derive_private_key(secret, ec.SECP256R1())
    signature = key.sign(message, ec.ECDSA(hashes.SHA256()))
    assert takes(stored(key), message, signature)
    changed = bytearray(signature)
    changed[place % len(changed)] ^= 1 << bit
    assert not takes(stored(key), message, bytes(changed))


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=64), st.integers(0, 255), st.integers(0, 7))
def test_rsa_agrees_with_the_library_on_any_message_and_bit(message: bytes, place: int, bit: int) -> None:
    signature = rsa_key().sign(message, padding.PKCS1v15(), hashes.SHA256())
    assert takes(stored(rsa_key()), message, signature)
    changed = bytearray(signature)
    changed[place] ^= 1 << bit
    assert not takes(stored(rsa_key()), message, bytes(changed))


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=64), st.integers(0, 63), st.integers(0, 7))
def test_ed25519_agrees_with_the_library_on_any_message_and_bit(message: bytes, place: int, bit: int) -> None:
    signature = ed().sign(message)
    assert takes(stored(ed()), message, signature)
    changed = bytearray(signature)
    changed[place] ^= 1 << bit
    assert not takes(stored(ed()), message, bytes(changed))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_as_der_are_two_numbers_or_refused(data: bytes) -> None:
    try:
        r, s = verify.der(data)
    except ValueError:
        return
    assert encode_dss_signature(r, s) == data
