"""The verifier's own arithmetic agrees with a library that did not write it, and refuses what that refuses."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from procedures.domain.sshkeys import fingerprint
from procedures.evidence import verify


def test_ed25519_takes_good_signatures_and_refuses_changed_ones() -> None:
    for _ in range(5):
        key, message = Ed25519PrivateKey.generate(), os.urandom(40)
        public, signature = key.public_key().public_bytes_raw(), key.sign(message)
        assert verify.ed25519(public, message, signature)
        assert not verify.ed25519(public, message + b"x", signature)
        assert not verify.ed25519(public, message, signature[:-1] + bytes([signature[-1] ^ 1]))
        assert not verify.ed25519(Ed25519PrivateKey.generate().public_key().public_bytes_raw(), message, signature)


def test_ed25519_refuses_a_signature_whose_scalar_is_not_reduced() -> None:
    key, message = Ed25519PrivateKey.generate(), b"m"
    signature = key.sign(message)
    s = int.from_bytes(signature[32:], "little") + verify.L
    assert not verify.ed25519(key.public_key().public_bytes_raw(), message, signature[:32] + s.to_bytes(32, "little"))


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_ssh_keygen_s_signatures_verify_for_our_purpose_alone(tmp_path: Path, kind: str) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(key)], check=True)

    def signed(namespace: str) -> str:
        words = ["ssh-keygen", "-Y", "sign", "-q", "-n", namespace, "-f", str(key)]
        return subprocess.run(words, input=b"a plan", capture_output=True, check=True).stdout.decode()

    good = signed("opsportal-approval")
    assert verify.sshsig(good, b"a plan") == fingerprint(key.with_suffix(".pub").read_text())
    assert verify.sshsig(good, b"another plan") is None
    assert verify.sshsig(signed("file"), b"a plan") is None
    assert verify.sshsig("nonsense", b"a plan") is None
