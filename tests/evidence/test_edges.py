"""The verifier's own arithmetic at its edges, where implementations differ: which signatures it takes and which not."""

from __future__ import annotations

import hashlib
import random

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from procedures.evidence import verify

# RFC 8032, 7.1: secret key, public key, message, signature.
KNOWN = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]
# The eight points whose order divides eight, and encodings of them that are not the one form.
SMALL = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]
OTHER_FORMS = [
    "0100000000000000000000000000000000000000000000000000000000000080",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]


@pytest.mark.parametrize(("secret", "public", "message", "signature"), KNOWN)
def test_ed25519_knows_the_answers_of_rfc_8032(secret: str, public: str, message: str, signature: str) -> None:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))
    assert key.public_key().public_bytes_raw().hex() == public
    assert key.sign(bytes.fromhex(message)).hex() == signature, "the vectors are written down rightly"
    assert verify.ed25519(*(bytes.fromhex(one) for one in (public, message, signature)))


@pytest.mark.parametrize("public", SMALL + OTHER_FORMS)
def test_a_key_of_small_order_or_in_another_form_signs_nothing(public: str) -> None:
    """With such a key one signature fits many messages: whoever enrolled it could deny what they signed."""
    raw = bytes.fromhex(public)
    for point in [*SMALL, *OTHER_FORMS]:
        signature = bytes.fromhex(point) + bytes(32)
        assert not any(verify.ed25519(raw, b"%d" % n, signature) for n in range(16))


def test_ed25519_takes_a_signature_in_its_one_form_alone() -> None:
    key, message = ed25519.Ed25519PrivateKey.from_private_bytes(b"k" * 32), b"message"
    public, good = key.public_key().public_bytes_raw(), key.sign(b"message")
    s = int.from_bytes(good[32:], "little")
    assert verify.ed25519(public, message, good)
    for other in (s + verify.L, s + 2 * verify.L, s | 1 << 255, 2**256 - 1, verify.L, 0):
        assert not verify.ed25519(public, message, good[:32] + other.to_bytes(32, "little"))
    for point in [*SMALL, *OTHER_FORMS]:
        assert not verify.ed25519(public, message, bytes.fromhex(point) + good[32:])
    for bad in (b"", good[:-1], good + b"\0", bytes(64)):
        assert not verify.ed25519(public, message, bad)
    for key_bytes in (b"", public[:-1], public + b"\0"):
        assert not verify.ed25519(key_bytes, message, good)


def test_ed25519_agrees_with_another_implementation_on_changed_bits() -> None:
    chance = random.Random(5)
    for _ in range(40):
        key, message = ed25519.Ed25519PrivateKey.from_private_bytes(chance.randbytes(32)), chance.randbytes(20)
        whole = bytearray(key.public_key().public_bytes_raw() + key.sign(message))
        if chance.random() < 0.8:
            whole[chance.randrange(96)] ^= 1 << chance.randrange(8)
        public, signature = bytes(whole[:32]), bytes(whole[32:])
        assert verify.ed25519(public, message, signature) == theirs(public, message, signature)


def theirs(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def test_p256_agrees_with_another_implementation_and_takes_no_number_out_of_range() -> None:
    chance = random.Random(6)
    for secret in (1, 2, verify.QN - 1, chance.getrandbits(255) + 1):
        key = ec.derive_private_key(secret, ec.SECP256R1())
        numbers, message = key.public_key().public_numbers(), chance.randbytes(30)
        r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
        x, y = numbers.x, numbers.y
        assert verify.p256(x, y, message, r, s)
        assert verify.p256(x, y, message, r, verify.QN - s), "a high s is the same signature, as WebAuthn takes it"
        bad = [(0, s), (r, 0), (verify.QN, s), (r, verify.QN), (r + verify.QN, s), (r, s + verify.QN), (s, r), (-r, s)]
        assert not any(verify.p256(x, y, message, *pair) for pair in bad)
        outside = [(x, y + 1), (x + verify.QP, y), (x, y + verify.QP), (0, 0), (x, verify.QP)]
        assert not any(verify.p256(*point, message, r, s) for point in outside)
        assert not verify.p256(x, y, message + b"x", r, s)


def test_rsa_compares_the_whole_padding() -> None:
    """Among them what forges a signature for a small exponent where a padding is only looked through."""
    key = rsa.generate_private_key(65537, 2048)
    n, e, message = key.public_key().public_numbers().n, 65537, b"message"
    good = key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    assert verify.rsa(n, e, message, good, "sha256")
    for bad in (good[:-1], b"\0" + good, (int.from_bytes(good, "big") + n).to_bytes(257, "big"), bytes(256)):
        assert not verify.rsa(n, e, message, bad, "sha256")
    other = key.sign(message, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    assert not verify.rsa(n, e, message, other, "sha256")
    assert not verify.rsa(n, 1, message, b"\x00\x01" + b"\xff" * 202 + forged_tail(message), "sha256")
    assert not verify.rsa(n >> 1025, e, message, good[:128], "sha256"), "a short key"
    cube = forged_cube(message, 2048)
    assert not verify.rsa((1 << 2047) + 1, 3, message, cube, "sha256")


def forged_tail(message: bytes) -> bytes:
    return b"\0" + bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(message).digest()


def forged_cube(message: bytes, bits: int) -> bytes:
    """A number whose cube begins with a short padding and the digest, and ends in anything."""
    start = b"\x00\x01\xff" + forged_tail(message)
    low = int.from_bytes(start.ljust(bits // 8, b"\0"), "big")
    root = 1 << (bits // 3)
    while root**3 < low:
        step = max(1, (low - root**3) // (3 * root * root))
        root += step
    return root.to_bytes(bits // 8, "big")
