"""The age format for SSH keys: what another implementation made opens here, and nothing that was changed does."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from procedures.domain import age

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
# Made with rage (pyrage 1.4) for KEY; it also opened what `encrypt` makes, of 0, 12, 65,536, 65,537 and 200,000 bytes.
FOREIGN = """
YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNzaC1lZDI1NTE5IGxibXNvQSBYcDFhSTlZODd4Ukh6Z0w0Wk5WcHQ0cU40MDY5RTZrSzRN
NlgrUnRZLzIwClRpMCtOemFPRGRtTUxUQUFmaUJUdEw1cU5DOFBsV0ZscERRaFVGV0c4MVEKLT4geC1ncmVhc2UgO1xES3w0CmhWRjRw
Mk9KQ1RlbnEybGJlL1hzY2ZiL0xxQ2p6Q1dCcUI2WU0xczNYMlZ1NGFsMkdWRDVob2tNR0w3TkRCK2EKCi0tLSBUU2FwT3NDdm5MbndG
clh6YTZwbnhBenp1OW5QN2RNWnJPVlFQQzBUK2JrCqm3sZd1lCznsQEGrdSbSPoWsqdEsY+ykHkAEGw6zeqofy/oG3mF5Or7VObO
"""


def public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def test_what_another_implementation_made_opens() -> None:
    assert age.decrypt(base64.b64decode("".join(FOREIGN.split())), KEY) == b"hello result"


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 200_000])
def test_every_recipient_opens_it_and_nobody_else(size: int) -> None:
    value = b"v" * size
    file = age.encrypt(value, [public(KEY), public(OTHER)])
    assert age.decrypt(file, KEY) == age.decrypt(file, OTHER) == value
    assert size < 40 or value[:40] not in file
    with pytest.raises(age.NotForYou, match="other keys"):
        age.decrypt(file, Ed25519PrivateKey.generate())


@pytest.mark.parametrize("bit", [1, 2, 4])
def test_no_changed_byte_is_taken(bit: int) -> None:
    for _ in range(4):  # the last letter of a code has spare bits, and a low one of a letter may be a spare one
        file = age.encrypt(b"a value that matters", [public(KEY)])
        for index in range(len(file)):
            changed = file[:index] + bytes([file[index] ^ bit]) + file[index + 1 :]
            with pytest.raises(age.NotForYou):
                age.decrypt(changed, KEY)


@pytest.mark.parametrize("cut", [1, 16, 17, 65_552, 65_560])
def test_no_cut_file_is_taken(cut: int) -> None:
    file = age.encrypt(b"v" * 70_000, [public(KEY)])
    with pytest.raises(age.NotForYou):
        age.decrypt(file[:-cut], KEY)


def test_two_files_of_one_value_have_nothing_in_common() -> None:
    one, two = (age.encrypt(b"the same", [public(KEY)]).split(b"\n", 1)[1] for _ in range(2))
    assert one[20:60] != two[20:60]
    assert one[-24:] != two[-24:]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-ed25519",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ==",
        "ssh-ed25519 AAAA",
        "ssh-ed25519 " + base64.b64encode(age._wire(bytes([1]) + bytes(31))).decode(),
        "ssh-ed25519 " + base64.b64encode(age._wire((2**255 - 20).to_bytes(32, "little"))).decode(),
    ],
)
def test_nothing_is_encrypted_to_what_is_no_key_or_a_weak_one(text: str) -> None:
    assert not age.fits(text)
    with pytest.raises(age.NoRecipient):
        age.encrypt(b"v", [text])


def test_nothing_is_encrypted_to_nobody() -> None:
    with pytest.raises(age.NoRecipient):
        age.encrypt(b"v", [])
