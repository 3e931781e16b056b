#!/usr/bin/env python3
"""Verifies an OpsPortal evidence pack offline, with Python's standard library and the log's public key alone.

    python3 verify.py pack.zip --log-key KEYTEXT|FILE [--witness-key KEYTEXT|FILE …] [--quorum N] [--policy FILE]
                      [--turns FILE] [--tsa-roots FILE] [--require INTACT|SIGNED|WITNESSED|TIMESTAMPED]
                      [--json | --codes]
    python3 verify.py event.tlog-proof --log-key …      the same for the proof of one event, or for a .receipt
    python3 verify.py pack.zip … --receipt FILE …       and what people were handed must stand in it
    python3 verify.py pack.zip … --output FILE …        and a run's output must be what its runners signed

INTACT: hashes and proofs hold. SIGNED: by the log's key. WITNESSED: a quorum of the witnesses whose keys you give (all
of them unless --quorum says fewer, or as a tlog-policy file says) saw this very log grow, without a rewrite.
TIMESTAMPED: that, and an RFC 3161 time stamp over the end of the log leads to the certificates in --tsa-roots, as the
program openssl says.
Exit status: 0 verified at the level asked for, 1 failed, 2 malformed, 3 undetermined, 64 wrong use.
The last line is `verdict: LEVEL`. What this cannot prove is printed with every result.
"""

from __future__ import annotations

import argparse
import array
import base64
import csv
import datetime as dt
import functools
import hashlib
import heapq
import io
import itertools
import json
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NoReturn

Row = dict[str, Any]
Point = tuple[int, int, int, int]
Jacobian = tuple[int, int, int]

LEVELS = ("INTACT", "SIGNED", "WITNESSED", "TIMESTAMPED")
PROOF = "c2sp.org/tlog-proof@v1"
RECEIPT = "opsportal/receipt/v1"
OUTPUT = "opsportal/output/v1"
OUTPUT_CHUNK = 65_536
MERGE_DELAY = dt.timedelta(minutes=1)  # within which the log has what was promised, whatever a promise says
LATEST = 253402300799  # the last second that a calendar has
NAMESPACE = b"opsportal-approval"
SEALS = {"run.finished", "run.canceled", "run.denied", "run.rejected", "run.expired", "run.interrupted"}
LIMITS = (
    "that a runner saw the truth",
    "the sandbox tier and the software of a runner, which are reported by the runner itself",
    "that nothing happened outside the portal",
    "that people understood what they approved",
    "that the page on which a passkey signed showed the plan that was signed: its script comes from the portal",
    "that a control is effective",
    "anything after the checkpoint of this pack",
)
UNWITNESSED = (
    "that whoever holds the log's key did not write the whole log anew: no witness that you named vouches for it"
)


class Failed(Exception):
    """A check failed. `member` names the file of the pack, `code` the exit status."""

    def __init__(self, member: str, reason: str, code: int = 1) -> None:
        super().__init__("%s: %s" % (member, reason))
        self.member, self.reason, self.code = member, reason, code


# --- bytes ---------------------------------------------------------------------------------------------------------


def canon(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _pairs(rows: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(rows)
    if len(found) != len(rows):
        raise ValueError("a key stands twice")
    if not all(map(str.isascii, found)):
        raise ValueError("a key outside ASCII, whose place in the order differs between languages")
    return found


def _whole(text: str) -> int:
    if len(text) > 17 or abs(int(text)) >= 2**53:
        raise ValueError("a number that other languages round")
    return int(text)


def _no_float(text: str) -> NoReturn:
    raise ValueError("a number that is not whole: " + text)


def parse(member: str, data: bytes) -> Any:
    """The value of canonical bytes; anything else is malformed."""
    try:
        hooks: dict[str, Any] = {"parse_int": _whole, "parse_float": _no_float, "parse_constant": _no_float}
        value = json.loads(data.decode(), object_pairs_hook=_pairs, **hooks)
        same = canon(value) == data
    except (ValueError, UnicodeError, RecursionError) as problem:
        raise Failed(member, "is not canonical JSON (%s)" % problem, 2)
    if not same:
        raise Failed(member, "is not in canonical form", 2)
    return value


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


CHUNK = 1 << 18
LONGEST = 1 << 26  # a line of a member: more is no pack of ours, and would only fill the reader's memory


class Pack:
    """A canonical ZIP in a seekable file; each deviation is malformed and named. Members are read piece by piece."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.places: dict[str, tuple[int, int]] = {}
        self.digests: dict[str, str] = {}
        rows: list[tuple[str, int, int]] = []
        at, last = 0, ""
        while (head := self._at(at, 30))[:4] == b"PK\x03\x04":
            if len(head) < 30:
                raise Failed("container", "ends inside a header", 2)
            version, flags, method, time, date, crc, packed, size, namelen, extra = struct.unpack(
                "<HHHHHIIIHH", head[4:]
            )
            try:
                name = self._at(at + 30, namelen).decode("ascii")
            except UnicodeDecodeError:
                raise Failed("container", "a member's name after %s is not ASCII" % (last or "the start"), 2)
            if (version, flags, method, time, date, extra) != (20, 0x800, 0, 0, 0x21, 0) or packed != size:
                raise Failed(name, "its header is not the canonical one", 2)
            self.places[name] = (at + 30 + namelen, size)
            whole, found = self._digest(name)
            if name <= last or not whole:
                raise Failed(name, "is out of order or longer than the pack", 2)
            if found != crc:
                raise Failed(name, "its bytes were changed (CRC)", 2)
            rows.append((name, crc, size))
            at, last = at + 30 + namelen + size, name
        rest = directory(rows)
        if not rows or self._at(at, len(rest) + 1) != rest:
            raise Failed("container", "is not the canonical ZIP of its members", 2)

    def _at(self, place: int, size: int) -> bytes:
        self.file.seek(place)
        return self.file.read(size)

    def chunks(self, name: str) -> Iterator[bytes]:
        place, size = self.places[name]
        for start in range(0, size, CHUNK):
            yield self._at(place + start, min(CHUNK, size - start))

    def _digest(self, name: str) -> tuple[bool, int]:
        """(whether all of it is there, its CRC); keeps its SHA-256."""
        crc, have, digest = 0, 0, hashlib.sha256()
        for chunk in self.chunks(name):
            digest.update(chunk)
            crc, have = zlib.crc32(chunk, crc), have + len(chunk)
            if not chunk:
                break
        self.digests[name] = digest.hexdigest()
        return have == self.places[name][1], crc

    def read(self, name: str) -> bytes:
        return self._at(*self.places[name])

    def lines(self, name: str) -> Iterator[bytes]:
        """Each line of a member without its end; a last one without an end is malformed."""
        rest = b""
        for chunk in self.chunks(name):
            *whole, rest = (rest + chunk).split(b"\n")
            yield from whole
            if len(rest) > LONGEST:
                raise Failed(name, "has a line that is too long", 2)
        if rest:
            raise Failed(name, "does not end with a newline", 2)


def entry(name: str, crc: int, size: int) -> bytes:
    """What the local header and the directory of the one canonical ZIP both say of a member."""
    return struct.pack("<HHHHHIIIHH", 20, 0x800, 0, 0, 0x21, crc, size, size, len(name), 0)


def directory(rows: Sequence[tuple[str, int, int]]) -> bytes:
    """All that follows the members (name, CRC, size): stored, sorted, with fixed metadata."""
    central, offset = [], 0
    for name, crc, size in rows:
        tail = struct.pack("<HHHII", 0, 0, 0, 0, offset) + name.encode()
        central.append(b"PK\x01\x02" + struct.pack("<H", 20) + entry(name, crc, size) + tail)
        offset += 30 + len(name) + size
    whole = b"".join(central)
    return whole + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, len(rows), len(rows), len(whole), offset, 0)


def zip_bytes(members: Mapping[str, bytes]) -> bytes:
    """The one ZIP of these members."""
    names = sorted(members)
    rows = [(name, zlib.crc32(members[name]), len(members[name])) for name in names]
    return b"".join(b"PK\x03\x04" + entry(*row) + row[0].encode() + members[row[0]] for row in rows) + directory(rows)


def unzip(data: bytes) -> dict[str, bytes]:
    """Members of a canonical ZIP in memory."""
    pack = Pack(io.BytesIO(data))
    return {name: pack.read(name) for name in pack.places}


# --- keys and signatures -------------------------------------------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def _ed_x(y: int, sign: int) -> int | None:
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * ROOT % P
    if (x * x - x2) % P or (x == 0 and sign):
        return None
    return P - x if x & 1 != sign else x


def _ed_add(a: Point, b: Point) -> Point:
    x1, y1, z1, t1 = a
    x2, y2, z2, t2 = b
    m, n = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    c, d = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    e, f, g, h = n - m, d - c, d + c, n + m
    return e * f % P, g * h % P, f * g % P, e * h % P


def _ed_mul(k: int, point: Point) -> Point:
    out = (0, 1, 1, 0)
    while k:
        if k & 1:
            out = _ed_add(out, point)
        point = _ed_add(point, point)
        k >>= 1
    return out


def _ed_point(raw: bytes) -> Point | None:
    y = int.from_bytes(raw, "little")
    x = _ed_x(y & ((1 << 255) - 1), y >> 255)
    return None if x is None else (x, y & ((1 << 255) - 1), 1, x * (y & ((1 << 255) - 1)) % P)


_BASE_Y = 4 * pow(5, P - 2, P) % P
_BASE_X = _ed_x(_BASE_Y, 0) or 0
_BASE = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % P)


def _ed_windows(point: Point) -> list[list[Point]]:
    """Multiples of a point for each of the 64 digits of a scalar in base 16: a product is then 64 additions."""
    rows = []
    for _ in range(64):
        row = [(0, 1, 1, 0)]
        for _ in range(15):
            row.append(_ed_add(row[-1], point))
        rows.append(row)
        point = _ed_add(row[-1], point)
    return rows


def _ed_product(k: int, windows: list[list[Point]], out: Point) -> Point:
    """`out` and k times the point of these windows."""
    for row in windows:
        if k & 15:
            out = _ed_add(out, row[k & 15])
        k >>= 4
    return out


_BASE_WINDOWS = _ed_windows(_BASE)


@functools.lru_cache(maxsize=32)
def _ed_key(public: bytes) -> list[list[Point]] | None:
    """The windows of a public key's negative; None for what is no key, or one of small order, which fits all."""
    point = _ed_point(public)
    if point is None:
        return None
    x, y, z, _ = _ed_mul(8, point)
    return None if not x % P and not (y - z) % P else _ed_windows((P - point[0], point[1], 1, P - point[3]))


def ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """RFC 8032 verification: without the cofactor, s in its one form, and no key of small order."""
    windows = _ed_key(public) if len(public) == 32 else None
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or windows is None or s >= L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    x, y, z, _ = _ed_product(h, windows, _ed_product(s, _BASE_WINDOWS, (0, 1, 1, 0)))
    inverse = pow(z, P - 2, P)
    encoded = (y * inverse % P) | (x * inverse % P & 1) << 255
    return encoded.to_bytes(32, "little") == signature[:32]


QP = 2**256 - 2**224 + 2**192 + 2**96 - 1
QN = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
QB = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
QG = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def _p_double(a: Jacobian) -> Jacobian:
    """Twice a point of the curve with a = -3, in Jacobian coordinates: x / z^2, y / z^3; z = 0 is infinity."""
    x, y, z = a
    delta, gamma = z * z % QP, y * y % QP
    beta, alpha = x * gamma % QP, 3 * (x - delta) * (x + delta) % QP
    x3 = (alpha * alpha - 8 * beta) % QP
    return x3, (alpha * (4 * beta - x3) - 8 * gamma * gamma) % QP, ((y + z) ** 2 - gamma - delta) % QP


def _p_add(a: Jacobian, b: Jacobian) -> Jacobian:
    (x1, y1, z1), (x2, y2, z2) = a, b
    if not z1 or not z2:
        return a if z1 else b
    zz1, zz2 = z1 * z1 % QP, z2 * z2 % QP
    u1, s1 = x1 * zz2 % QP, y1 * zz2 * z2 % QP
    h, r = (x2 * zz1 - u1) % QP, (y2 * zz1 * z1 - s1) % QP
    if not h:
        return (1, 1, 0) if r else _p_double(a)
    hh, v = h * h % QP, u1 * h * h % QP
    x3 = (r * r - h * hh - 2 * v) % QP
    return x3, (r * (v - x3) - s1 * h * hh) % QP, h * z1 * z2 % QP


def p256(x: int, y: int, message: bytes, r: int, s: int) -> bool:
    """ECDSA over P-256 with SHA-256 (FIPS 186-5, 6.4.2); a high s is taken, as WebAuthn and SSH take it."""
    if not (0 < r < QN and 0 < s < QN and 0 <= x < QP and 0 <= y < QP) or (y * y - x**3 + 3 * x - QB) % QP:
        return False
    w, e = pow(s, QN - 2, QN), int.from_bytes(hashlib.sha256(message).digest(), "big")
    u, v = e * w % QN, r * w % QN
    table = [(1, 1, 0), (*QG, 1), (x, y, 1), _p_add((*QG, 1), (x, y, 1))]
    point = table[0]
    for bit in range(255, -1, -1):
        point = _p_add(_p_double(point), table[(u >> bit & 1) + 2 * (v >> bit & 1)])
    return bool(point[2]) and point[0] * pow(point[2], QP - 3, QP) % QP % QN == r


def rsa(n: int, e: int, message: bytes, signature: bytes, name: str) -> bool:
    """RSASSA-PKCS1-v1_5, the whole padding compared."""
    prefix = {"sha256": "3031300d060960864801650304020105000420", "sha512": "3051300d060960864801650304020305000440"}[
        name
    ]
    size = (n.bit_length() + 7) // 8
    tail = bytes.fromhex(prefix) + hashlib.new(name, message).digest()
    if len(signature) != size or n.bit_length() < 2048 or e < 3 or not (e & 1 and n & 1):
        return False
    want = b"\x00\x01" + b"\xff" * (size - len(tail) - 3) + b"\x00" + tail
    number = int.from_bytes(signature, "big")
    return number < n and pow(number, e, n) == int.from_bytes(want, "big")


def _take(data: bytes) -> tuple[bytes, bytes]:
    (size,) = struct.unpack(">I", data[:4])
    if size > len(data) - 4:
        raise ValueError("too short")
    return data[4 : 4 + size], data[4 + size :]


def sshsig(armored: str, message: bytes) -> str | None:
    """The fingerprint of the SSH key that signed `message` for our purpose, or None."""
    try:
        text = armored.strip().split("\n")
        blob = base64.b64decode("".join(text[1:-1]), validate=True)
        if blob[:10] != b"SSHSIG\x00\x00\x00\x01" or "BEGIN SSH SIGNATURE" not in text[0]:
            return None
        key, rest = _take(blob[10:])
        space, rest = _take(rest)
        _, rest = _take(rest)
        name, rest = _take(rest)
        wrapped, rest = _take(rest)
        if rest or space != NAMESPACE or name not in (b"sha256", b"sha512"):
            return None
        digest = hashlib.new(name.decode(), message).digest()
        data = b"SSHSIG" + b"".join(struct.pack(">I", len(v)) + v for v in (space, b"", name, digest))
        good = _ssh_check(key, wrapped, data)
    except (ValueError, IndexError, struct.error):
        return None
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=") if good else None


def _ssh_check(key: bytes, wrapped: bytes, data: bytes) -> bool:
    kind, rest = _take(key)
    algorithm, raw = _take(wrapped)
    raw, _ = _take(raw)
    if kind == b"ssh-ed25519" == algorithm:
        return ed25519(_take(rest)[0], data, raw)
    if kind == b"ecdsa-sha2-nistp256" == algorithm:
        point = _take(_take(rest)[1])[0]
        r, more = _take(raw)
        numbers = (int.from_bytes(r, "big"), int.from_bytes(_take(more)[0], "big"))
        return point[:1] == b"\x04" and p256(
            int.from_bytes(point[1:33], "big"), int.from_bytes(point[33:65], "big"), data, *numbers
        )
    if kind == b"ssh-rsa" and algorithm in (b"rsa-sha2-256", b"rsa-sha2-512"):
        e, more = _take(rest)
        return rsa(
            int.from_bytes(_take(more)[0], "big"), int.from_bytes(e, "big"), data, raw, "sha" + algorithm[-3:].decode()
        )
    return False


def der(signature: bytes) -> tuple[int, int]:
    """(r, s) of a DER signature in its one form; raises ValueError."""
    numbers, rest = [], signature[2:]
    if len(signature) > 72 or signature[:2] != bytes([0x30, len(rest) & 0x7F]):
        raise ValueError("not a sequence")
    for _ in range(2):
        size = rest[1] if len(rest) > 1 else 0
        raw = rest[2 : 2 + size]
        padded = len(raw) > 1 and raw[0] == 0 and raw[1] < 0x80
        if rest[:1] != b"\x02" or not raw or len(raw) != size or raw[0] > 0x7F or padded:
            raise ValueError("not a positive number in its shortest form")
        numbers.append(int.from_bytes(raw, "big"))
        rest = rest[2 + size :]
    if rest:
        raise ValueError("bytes left over")
    return numbers[0], numbers[1]


def cose(key: bytes, message: bytes, signature: bytes) -> str:
    """The algorithm by which this COSE key (canonical form) signed `message`, or an empty string."""
    good, name = False, ""
    if key[:10] == bytes.fromhex("a5010203262001215820") and key[42:45] == b"\x22\x58\x20" and len(key) == 77:
        x, y = int.from_bytes(key[10:42], "big"), int.from_bytes(key[45:], "big")
        name, good = "ES256", p256(x, y, message, *der(signature))
    elif key[:10] == bytes.fromhex("a4010103272006215820") and len(key) == 42:
        name, good = "EdDSA", ed25519(key[10:], message, signature)
    elif key[:9] == bytes.fromhex("a40103033901002059"):
        size = int.from_bytes(key[9:11], "big")
        n, tail = key[11 : 11 + size], key[11 + size :]
        e = tail[2:]
        if 256 <= size <= 512 and n[0] and 1 <= len(e) <= 4 and e[0] and tail[:2] == bytes([0x21, 0x40 + len(e)]):
            numbers = int.from_bytes(n, "big"), int.from_bytes(e, "big")
            name, good = "RS256", rsa(numbers[0], numbers[1], message, signature, "sha256")
    return name if good else ""


def passkey(row: Row, message: bytes, key: Row) -> bool:
    """Whether the enrolled passkey `key` answered (WebAuthn) for `message`: its challenge, origin, party, UP and UV."""
    try:
        data = base64.b64decode(row["authenticator_data"], validate=True)
        client = base64.b64decode(row["client_data"], validate=True)
        said = json.loads(client.decode(), object_pairs_hook=_pairs)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(message).digest()).decode().rstrip("=")
        if (said["type"], said["challenge"], said["origin"]) != ("webauthn.get", challenge, key["origin"]):
            return False
        if said.get("crossOrigin", False) is not False or row["credential"] != key["credential"]:
            return False
        if len(data) != 37 or data[:32] != hashlib.sha256(key["rp"].encode()).digest():
            return False
        if data[32] & 0xC5 != 0x05:  # present and verified; no attested data, no extensions
            return False
        public, signature = base64.b64decode(key["public"], validate=True), base64.b64decode(row["sig"], validate=True)
        algorithm: str = key["algorithm"]
        return cose(public, data + hashlib.sha256(client).digest(), signature) == algorithm
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return False


# --- the log -------------------------------------------------------------------------------------------------------


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """An RFC 6962 tree that grows at its right edge."""

    def __init__(self) -> None:
        self.size = 0
        self.edge: list[bytes] = []

    def add(self, value: bytes) -> None:
        index = self.size
        while index & 1:
            value, index = node(self.edge.pop(), value), index >> 1
        self.edge.append(value)
        self.size += 1

    def root(self) -> bytes:
        if not self.edge:
            return hashlib.sha256(b"").digest()
        root = self.edge[-1]
        for left in reversed(self.edge[:-1]):
            root = node(left, root)
        return root


def root_of(hashes: Iterable[bytes]) -> bytes:
    tree = Tree()
    for value in hashes:
        tree.add(value)
    return tree.root()


def leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def included(value: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> bool:
    """RFC 9162, 2.1.3.2."""
    if index >= size:
        return False
    fn, sn = index, size - 1
    for p in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            value = node(p, value)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            value = node(value, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and value == root


def vkey(text: str) -> tuple[str, str, int, bytes]:
    """(name, mark, type byte, public key) of a C2SP verifier key; raises ValueError."""
    name, mark, encoded = text.strip().split("+", 2)
    raw = base64.b64decode(encoded, validate=True)
    known = hashlib.sha256(name.encode() + b"\n" + raw).hexdigest()[:8]
    if not name or re.search(r"\s", name) or known != mark or base64.b64encode(raw).decode() != encoded:
        raise ValueError("%r is no key: its name, mark and bytes do not fit" % text.strip()[:120])
    return name, mark, raw[0], raw[1:]


# --- ML-DSA-44 (FIPS 204), verification alone ----------------------------------------------------------------------

MQ, MK, ML, GAMMA1, GAMMA2, BETA, OMEGA = 8380417, 4, 4, 1 << 17, (8380417 - 1) // 88, 78, 80
ZETAS = [pow(1753, int(format(i, "08b")[::-1], 2), MQ) for i in range(256)]
Poly = list[int]


def _ntt(poly: Poly) -> Poly:
    w, m, size = list(poly), 0, 128
    while size:
        for start in range(0, 256, 2 * size):
            m += 1
            zeta = ZETAS[m]
            for j in range(start, start + size):
                t = zeta * w[j + size] % MQ
                w[j + size], w[j] = (w[j] - t) % MQ, (w[j] + t) % MQ
        size //= 2
    return w


def _ntt_back(poly: Poly) -> Poly:
    w, m, size = list(poly), 256, 1
    while size < 256:
        for start in range(0, 256, 2 * size):
            m -= 1
            zeta = MQ - ZETAS[m]
            for j in range(start, start + size):
                t = w[j]
                w[j], w[j + size] = (t + w[j + size]) % MQ, zeta * (t - w[j + size]) % MQ
        size *= 2
    return [8347681 * one % MQ for one in w]


def _fields(data: bytes, bits: int) -> Poly:
    """256 numbers of so many bits each, the lowest bits first."""
    whole = int.from_bytes(data, "little")
    return [whole >> at * bits & (1 << bits) - 1 for at in range(256)]


def _sampled(seed: bytes) -> Poly:
    """RejNTTPoly."""
    found: Poly = []
    for size in itertools.count(840, 168):  # whole blocks of SHAKE128; five are nearly always enough
        data = hashlib.shake_128(seed).digest(size)
        found = [data[i] | data[i + 1] << 8 | (data[i + 2] & 127) << 16 for i in range(0, size, 3)]
        found = [one for one in found if one < MQ][:256]
        if len(found) == 256:
            break
    return found


def _ball(seed: bytes) -> Poly:
    """SampleInBall: 39 coefficients of 1 or -1."""
    data = hashlib.shake_256(seed).digest(1088)
    signs, at, c = int.from_bytes(data[:8], "little"), 8, [0] * 256
    for i in range(256 - 39, 256):
        while data[at] > i:
            at += 1
        c[i], c[data[at]] = c[data[at]], 1 - 2 * (signs & 1)
        signs, at = signs >> 1, at + 1
    return c


def _hints(data: bytes) -> list[set[int]] | None:
    """HintBitUnpack: in its one form, or None."""
    found, at = [], 0
    for end in data[OMEGA:]:
        if not at <= end <= OMEGA or any(data[i] >= data[i + 1] for i in range(at, end - 1)):
            return None
        found.append(set(data[at:end]))
        at = end
    return None if any(data[at:OMEGA]) else found


def _hinted(r: int, hint: bool) -> int:
    """UseHint: the high part of r, moved by one where the hint says so."""
    low = r % (2 * GAMMA2)
    low -= 2 * GAMMA2 if low > GAMMA2 else 0
    high = 0 if r - low == MQ - 1 else (r - low) // (2 * GAMMA2)
    low -= r - low == MQ - 1
    return high if not hint else (high + 1) % 44 if low > 0 else (high - 1) % 44


@functools.lru_cache(maxsize=4)
def _mldsa_key(public: bytes) -> tuple[list[list[Poly]], list[Poly], bytes]:
    """(the matrix, t1 * 2^13, both as transforms; the hash of the key)."""
    matrix = [[_sampled(public[:32] + bytes((s, r))) for s in range(ML)] for r in range(MK)]
    t1 = [_ntt([one << 13 for one in _fields(public[32 + 320 * r : 352 + 320 * r], 10)]) for r in range(MK)]
    return matrix, t1, hashlib.shake_256(public).digest(64)


def mldsa44(public: bytes, message: bytes, signature: bytes, context: bytes = b"") -> bool:
    """Whether an ML-DSA-44 key of 1,312 bytes signed a message: FIPS 204, algorithms 3 and 8."""
    if len(public) != 1312 or len(signature) != 2420 or len(context) > 255:
        return False
    z = [[GAMMA1 - one for one in _fields(signature[32 + 576 * s : 608 + 576 * s], 18)] for s in range(ML)]
    hints = _hints(signature[2336:])
    if hints is None or max(abs(one) for poly in z for one in poly) >= GAMMA1 - BETA:
        return False
    matrix, t1, hashed = _mldsa_key(public)
    mu = hashlib.shake_256(hashed + b"\0" + bytes([len(context)]) + context + message).digest(64)
    c, lent, high = _ntt(_ball(signature[:32])), [_ntt(poly) for poly in z], 0
    at = 0
    for r in range(MK):
        w = [sum(row[i] * poly[i] for row, poly in zip(matrix[r], lent)) - c[i] * t1[r][i] for i in range(256)]
        for i, one in enumerate(_ntt_back([one % MQ for one in w])):
            high |= _hinted(one, i in hints[r]) << at
            at += 6
    return hashlib.shake_256(mu + high.to_bytes(MK * 192, "little")).digest(32) == signature[:32]


class Policy:
    """A C2SP tlog-policy: logs, witnesses, and which of these together are a quorum."""

    def __init__(self) -> None:
        self.logs: list[str] = []
        self.witnesses: dict[str, str] = {}
        self.urls: dict[str, str] = {}
        self.groups: dict[str, tuple[int, list[str]]] = {}
        self.quorum = "none"

    @classmethod
    def of_keys(cls, keys: Sequence[str], quorum: int) -> Policy:
        """Any `quorum` of these witnesses."""
        lines = ["witness w%d %s" % (n, key.strip()) for n, key in enumerate(keys)]
        names = " ".join("w%d" % n for n in range(len(keys)))
        return cls.read("\n".join([*lines, "group g %d %s" % (quorum, names), "quorum g", ""]).encode())

    @classmethod
    def read(cls, data: bytes) -> Policy:
        """The policy in a file. Raises ValueError, which names the line."""
        policy, ended = cls(), False
        if re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", data) or (data and not data.endswith(b"\n")):
            raise ValueError("the policy holds a control character, or its last line has no end")
        for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
            words = [word for word in re.split("[ \t]+", line) if word]
            if not words or words[0].startswith("#"):
                continue
            try:
                if words[0] == "quorum":
                    policy.end(words, ended)
                    ended = True
                else:
                    policy.define(words)
            except (ValueError, IndexError) as problem:
                raise ValueError("line %d of the policy: %s" % (number, problem))
        if not ended:
            raise ValueError("the policy has no quorum line")
        return policy

    def define(self, words: list[str]) -> None:
        if words[0] == "log" and len(words) in (2, 3):
            self.logs.append(words[1])
            if len({vkey(one)[3] for one in self.logs}) != len(self.logs) or vkey(words[1])[2] == 4:
                raise ValueError("a log's key stands twice, or is a witness's")
        elif words[0] == "witness" and len(words) in (3, 4):
            self.new(words[1])
            self.witnesses[words[1]] = words[2]
            if len(words) == 4:
                self.urls[words[1]] = words[3]
            if len({vkey(one)[3] for one in self.witnesses.values()}) != len(self.witnesses) or vkey(words[2])[2] == 1:
                raise ValueError("a witness's key stands twice, or is a log's")
        elif words[0] == "group" and len(words) > 3:
            members = words[3:]
            self.new(words[1])
            count = {"any": 1, "all": len(members)}.get(words[2]) or self.threshold(words[2])
            grouped = [name for _, names in self.groups.values() for name in names]
            known = [name for name in members if name in self.witnesses or name in self.groups]
            if known != members or len(set(members + grouped)) != len(members + grouped):
                raise ValueError("a member is not defined above, or is a member already")
            if not 1 <= count <= len(members):
                raise ValueError("%s of %d members" % (words[2], len(members)))
            self.groups[words[1]] = (count, members)
        else:
            raise ValueError("expected log, witness, group or quorum, with what each needs")

    def threshold(self, word: str) -> int:
        if not re.fullmatch("[0-9]{1,4}", word):
            raise ValueError("%r is no number of members" % word[:20])
        return int(word)

    def new(self, name: str) -> None:
        if name == "none" or name in self.witnesses or name in self.groups:
            raise ValueError("the name %r is taken" % name[:60])

    def end(self, words: list[str], ended: bool) -> None:
        if ended or len(words) != 2:
            raise ValueError("exactly one quorum line is needed")
        if words[1] != "none" and words[1] not in self.witnesses and words[1] not in self.groups:
            raise ValueError("%r is not defined above" % words[1][:60])
        self.quorum = words[1]

    def met(self, cosigners: Collection[str]) -> bool:
        """Whether these keys (as text) are a quorum. `quorum none` never is: it asks for no witness at all."""
        have = {name for name, key in self.witnesses.items() if key in cosigners}

        def by(name: str) -> bool:
            count, members = self.groups.get(name, (1, []))
            return name in have if name in self.witnesses else sum(map(by, members)) >= count

        return self.quorum != "none" and by(self.quorum)


def open_note(member: str, note: str, key: str, witnesses: Collection[str]) -> tuple[str, int, bytes, dict[str, int]]:
    """(origin, size, root, cosigned) of a checkpoint that `key` signed: key of a witness → when, in POSIX seconds.

    Every further line must be a cosignature by one of `witnesses`, each at most once; an unknown line is malformed.
    """
    name, mark, _, public = vkey(key)
    text, blank, tail = note.rpartition("\n\n")
    lines = tail.split("\n")
    if not blank or lines.pop() or not lines:
        raise Failed(member, "is not a note with signature lines", 2)
    message = (text + "\n").encode()
    first = note_line(member, lines[0])
    if first[:2] != (name, mark):
        why = "is signed under another name or key than the log's"
        if first[0] == name:
            why += " for this size; if the log's key was changed, give --turns, or the key of that time"
        raise Failed(member, why, 1 if first[0] == name else 2)
    if not ed25519(public, message, first[2]):
        raise Failed(member, "the signature is not by the log's key")
    known = {vkey(one)[:2]: one for one in witnesses if vkey(one)[2] in (4, 6)}
    cosigned: dict[str, int] = {}
    long: dict[str, bytes] = {}
    for line in lines[1:]:
        who, mark, signature = note_line(member, line)
        cosigner = known.get((who, mark))
        if cosigner and vkey(cosigner)[2] == 6 and cosigner not in long:
            long[cosigner] = signature
            continue
        if cosigner is None or cosigner in {**cosigned, **long} or len(signature) != 72:
            raise Failed(member, "has a line of %s that is unknown, doubled or no cosignature" % who[:120], 2)
        at = int.from_bytes(signature[:8], "big")
        said = b"cosignature/v1\ntime %d\n" % at + message
        if at > LATEST or not ed25519(vkey(cosigner)[3], said, signature[8:]):
            raise Failed(member, "the cosignature of %s does not hold" % who[:120])
        cosigned[cosigner] = at
    rows = text.split("\n")
    try:
        size, root = int(rows[1]), base64.b64decode(rows[2], validate=True)
        plain = "%s\n%d\n%s" % (rows[0], size, base64.b64encode(root).decode())
    except (IndexError, ValueError):
        raise Failed(member, "is not a checkpoint", 2)
    if plain != text or rows[0] != name or len(root) != 32:
        raise Failed(member, "is not a checkpoint of this log", 2)
    for one, signature in long.items():
        if not long_signed(vkey(one)[0], vkey(one)[3], signature, (rows[0], size, root)):
            raise Failed(member, "the ML-DSA-44 signature of %s does not hold" % vkey(one)[0][:120])
        cosigned[one] = int.from_bytes(signature[:8], "big")
    return rows[0], size, root, cosigned


def subtree(cosigner: str, at: int, origin: str, size: int, root: bytes) -> bytes:
    """What an ML-DSA-44 cosignature of a checkpoint signs (C2SP tlog-cosignature, cosigned_message)."""
    names = [bytes([len(one.encode())]) + one.encode() for one in (cosigner, origin)]
    return b"subtree/v1\n\0" + names[0] + struct.pack(">Q", at) + names[1] + struct.pack(">QQ", 0, size) + root


def long_signed(name: str, public: bytes, signature: bytes, head: tuple[str, int, bytes]) -> bool:
    """Whether an ML-DSA-44 key cosigned a checkpoint, whose `head` is (origin, size, root)."""
    origin, size, root = head
    if len(signature) != 8 + 2420 or not 0 < len(name.encode()) < 256 or not 0 < len(origin.encode()) < 256:
        return False
    at = int.from_bytes(signature[:8], "big")
    return at <= LATEST and mldsa44(public, subtree(name, at, origin, size, root), signature[8:])


TURN = "opsportal key turned v1"
Turned = tuple[str, int, str, str, str]  # log, size, former key, next key, note


class Turns:
    """Which key signs a log at which size: a note that both keys signed stands for each change, in order.

    Leaf `size` is the event of the change, so the former key signs trees of up to `size` leaves, the next all beyond.
    """

    def __init__(self) -> None:
        self.rows: list[Turned] = []

    @classmethod
    def read(cls, data: bytes) -> Turns:
        """Those of a file that the portal publishes (`turns`). Raises ValueError."""
        found, notes = cls(), json.loads(data)
        if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
            raise ValueError("the turns are no list of notes")
        for note in notes:
            try:
                found.add("turns", note)
            except Failed as problem:
                raise ValueError(str(problem))
        return found

    @classmethod
    def around(cls, key: str, told: Iterable[Turned]) -> Turns:
        """Of all that is told, the changes that lead to this key and on from it. A key is changed once, as told first,
        and to none that was in a change before.

        Anybody can sign a change between two keys of their own. It leads to no key that signed this log, so it is none.
        """
        found, firsts = cls(), dict[str, Turned]()
        for row in told:
            if not any(had[1] < row[1] and row[3] in had[2:4] for had in firsts.values()):
                firsts.setdefault(row[2], row)
        rows, chain, keys = list(firsts.values()), found.rows, [key]
        while True:
            for row in rows:
                _, size, former, new, _ = row
                if former == keys[-1] and new not in keys and (not chain or size > chain[-1][1]):
                    chain.append(row)
                    keys.append(new)
                    break
                if new == keys[0] and former not in keys and (not chain or size < chain[0][1]):
                    chain.insert(0, row)
                    keys.insert(0, former)
                    break
            else:
                return found

    def add(self, member: str, note: str) -> None:
        """Believe a change that both keys signed and that goes on from the one before; raises Failed."""
        row = turned(member, note)
        name, size, former, key, _ = row
        before = [had for had in self.rows if had[0] == name]
        if row in before:
            return
        if before and (before[-1][3] != former or before[-1][1] >= size or key in self.of(name)):
            raise Failed(member, "the change of the log's key contradicts another one")
        self.rows.append(row)

    def of(self, name: str) -> list[str]:
        """The keys of a log that changed its key, in their order."""
        rows = [row for row in self.rows if row[0] == name]
        return [*(row[2] for row in rows[:1]), *(row[3] for row in rows)]

    def at(self, key: str, size: int) -> str:
        """The key that signs a tree of this size, in the log that `key` is of; `key` itself where none leads there."""
        rows = [row for row in self.rows if row[0] == vkey(key)[0]]
        if key not in self.of(vkey(key)[0]):
            return key
        return self.of(rows[0][0])[sum(row[1] < size for row in rows)]

    def open(
        self, member: str, note: str, key: str, witnesses: Collection[str]
    ) -> tuple[str, int, bytes, dict[str, int]]:
        """As open_note, by the key that signs a log of that size; a key beyond its range signs nothing."""
        said = note.split("\n", 2)[1:2]
        size = int(said[0]) if said and re.fullmatch("[0-9]{1,19}", said[0]) else 0
        return open_note(member, note, self.at(key, size), witnesses)


def turned(member: str, note: str, at: int | None = None) -> Turned:
    """A change of a log's key (at this leaf) that both keys signed, the former one first; raises Failed."""
    text, _, tail = note.rpartition("\n\n")
    rows, lines = text.split("\n"), tail.split("\n")
    try:
        name, size, former, key = rows[0], int(rows[2]), rows[3], rows[4]
        one, two = vkey(former), vkey(key)
        sound = rows == [name, TURN, str(size), former, key] and (one[0], one[2], two[0], two[2]) == (name, 1) * 2
        sound = sound and len(lines) == 3 and not lines[2] and one[3] != two[3]
    except (ValueError, IndexError):
        sound = False
    if not sound or (at is not None and at != size):
        raise Failed(member, "is no change of the log's key at this place")
    if not all(signs(key, text, line) for key, line in zip((former, key), lines)):
        raise Failed(member, "the change of the log's key is not signed by both keys")
    return name, size, former, key, note


def signer_of(note: str, keys: Iterable[str]) -> str:
    """Which of these Ed25519 keys signed the first line below a note; empty if none did."""
    text, _, tail = note.rpartition("\n\n")
    return next((one for one in keys if signs(one, text, tail.split("\n")[0])), "")


def signs(key: str, text: str, line: str) -> bool:
    """Whether a line below a note is the signature of this Ed25519 key."""
    name, mark, kind, public = vkey(key)
    try:
        who, by, signature = note_line("", line)
    except Failed:
        return False
    return kind == 1 and (who, by) == (name, mark) and ed25519(public, (text + "\n").encode(), signature)


def note_line(member: str, line: str) -> tuple[str, str, bytes]:
    """(name, mark, signature) of a line of a note; nothing of it is verified yet."""
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    try:
        data = base64.b64decode(encoded, validate=True)
    except ValueError:
        raise Failed(member, "has a broken signature line", 2)
    if dash != "\u2014" or not name or base64.b64encode(data).decode() != encoded or len(data) < 5:
        raise Failed(member, "has a signature line in another form", 2)
    return name, data[:4].hex(), data[4:]


# --- who had authority, replayed -----------------------------------------------------------------------------------

ENDS = {"grant_end", "key_end", "runner_end", "campaign"}
ALONE = ENDS | {"campaign_keep", "legal_hold"}
BY_TWO = {"redaction", "legal_hold_end", "retention", "outage"}
PORTAL_WIDE = {"membership", "duty", "profile", "key", "runner", "redaction", "source", "action"}
PORTAL_WIDE |= {"identity_provider", "local_sign_in", "policy", "agent", "service_account", "labels", "terms", "space"}
PORTAL_WIDE |= {"legal_hold", "legal_hold_end", "retention", "collector"}
SOFTWARE = {"agent": "agent", "service_account": "account"}
PORTAL_WIDE |= {"trusted_issuer", "workload_rule"}
STANDING = {"schedule", "hook", "standing_end"}
FLOOR_DAYS = 365  # how long a run is kept at least, until a change says otherwise
OPERATED = {"binding", "target", "inventory", "secret", "runner", "runner_end", "stop_lift", "outage"} | STANDING


class Authority:
    """What control events say, in the order of the log; what does not carry its signatures is asserted only."""

    def __init__(self) -> None:
        self.profile, self.bootstrapped = "team", False
        self.production: set[str] = set()
        self.keys: dict[str, Row] = {}
        self.ended: dict[str, int] = {}
        self.keyed: set[str] = set()
        self.known_at, self.signed_at = "", ""
        self.glass: list[Row] = []
        self.recovered: list[Row] = []
        self.outages: list[Row] = []
        self.changes: list[Turned] = []
        self.turns = Turns()
        self.runners: dict[str, str] = {}
        self.gone_runners: set[str] = set()
        self.drafts: dict[tuple[str, str], set[str]] = {}
        self.duties: dict[str, set[str]] = {}
        self.approvals: dict[str, Row] = {}
        self.carried: set[str] = set()
        self.frozen: dict[str, tuple[str, str]] = {}
        self.members: dict[str, set[str]] = {}
        self.owners: dict[str, set[str]] = {}
        self.grants: dict[str, Row] = {}
        self.labels: dict[str, set[str]] = {}
        self.terms: Row = {}
        self.spaces: dict[str, Row] = {}
        self.risks: dict[str, str] = {}
        self.asserted: list[tuple[int, str, str]] = []
        self.redacted: dict[str, set[str]] = {}
        self.floors: list[tuple[str, int]] = []  # days that runs are kept at least, and since when
        self.purged: dict[str, Row] = {}
        self.erased: set[str] = set()
        self.named: dict[str, str] = {}
        self.holds: dict[str, Row] = {}
        self.held: dict[str, list[Row]] = {}  # holds that lived when an event's values or a person were erased
        self.closed: dict[str, int] = {}
        self.gone: set[str] = set()
        self.providers: dict[str, Row] = {}
        self.campaigns: dict[str, Row] = {}
        self.words: dict[str, set[tuple[str, str]]] = {}
        self.synced: dict[str, Row] = {}
        self.agents: set[str] = set()
        self.behind: dict[str, str] = {}
        self.stops: dict[str, str] = {}
        self.halted: dict[str, tuple[str, str]] = {}
        self.standing: dict[tuple[str, str], Row] = {}
        self.paused: set[tuple[str, str]] = set()
        self.ahead: dict[str, Row] = {}  # approvals given ahead, by the nonce of what was signed
        self.up_to: dict[str, str] = {}
        self.spent: set[str] = set()

    def stopped(self, environment: str, procedure: str) -> str:
        """What stands still that a run of this procedure there would pass; what it calls is not told by the log."""
        for where, what in self.halted.values():
            if where == environment or what == procedure or not (where or what):
                return "was claimed while %s was stopped" % (where or what or "the whole portal")
        return ""

    def holders(self, principal: str) -> set[str]:
        kind, _, name = principal.partition(":")
        return ({name} if kind == "person" else set(self.members.get(name, ()))) - self.gone

    def managers(self, control: str, thing: Row, at: str) -> set[str]:
        """Who could decide it at that moment: by living grants over all that it weighs on, and never software."""
        grant = self.grants.get(thing["grant"], {}) if control == "grant_end" else thing if control == "grant" else {}
        procedure, where = grant.get("procedure"), grant.get("environments") or []
        if control in ("binding", "target", "inventory", "secret", "stop_lift", "outage") and "environment" in thing:
            where = [thing["environment"]]
        if control in STANDING:
            procedure, where = thing["procedure"], [thing["environment"]]
        if "replaces" in grant:  # it ends another one
            procedure, where, grant = None, [], {}
        verbs = {"manage_access", "operate"} if control in OPERATED else {"manage_access"}
        found = set()
        for verb in verbs:
            found |= set.intersection(*(self.holding(verb, procedure, one, at) for one in where or [None]))
        if grant:
            found |= {w for space in self.spaces.values() for w in self.leads(space, control, grant, at)}
        return found - set(self.owners)

    def owns(self, space: Row, procedure: str) -> bool:
        wanted = set(space.get("labels", ()))
        return procedure in space["procedures"] or bool(wanted and wanted <= self.labels.get(procedure, set()))

    def leads(self, space: Row, control: str, grant: Row, at: str) -> set[str]:
        """The leads of a space, if this grant lies inside it: for its end by place alone."""
        where = set(grant.get("environments") or ())
        owned = "procedure" in grant and self.owns(space, grant["procedure"])
        inside = owned and where and where <= set(space["environments"])
        if inside and control == "grant":
            ends, begins = (dt.datetime.fromisoformat(grant[n].rstrip("Z")) for n in ("expires_at", "not_before"))
            inside = set(grant["verbs"]) <= set(space["verbs"]) and ends - begins <= dt.timedelta(days=space["days"])
            inside = inside and self.risks.get(grant["procedure"]) in RISKS[: RISKS.index(space["risk"]) + 1]
            bound = "run" in grant["verbs"] and space.get("targets")
            inside = inside and (not bound or grant.get("target_filter") in space["targets"])
            live = [g["procedure"] for g in self.grants.values() if "procedure" in g and at < g["expires_at"]]
            held = sum(self.owns(space, name) for name in live)
            inside = inside and held < space.get("at_once", held + 1)
        return {who for lead in space["leads"] for who in self.holders(lead)} if inside else set()

    def holding(self, verb: str, procedure: str | None, environment: str | None, at: str) -> set[str]:
        """Who holds a verb over a procedure and an environment then; None is every one of them."""
        found = set()
        for grant in self.grants.values():
            wanted = set(grant.get("selector") or ())
            reached = grant.get("pinned", ())
            if grant.get("grows"):
                reached = [name for name, has in self.labels.items() if wanted <= has]
            whole = "procedure" not in grant and not wanted
            what = whole or (procedure is not None and (procedure == grant.get("procedure") or procedure in reached))
            live = verb in grant["verbs"] and grant["not_before"] <= at < grant["expires_at"]
            if live and what and self.in_place(grant, environment):
                found |= self.holders(grant["principal"])
        return found

    def in_place(self, grant: Row, environment: str | None) -> bool:
        """Whether a grant reaches an environment (None: every one); an unsigned one no production that came later."""
        if grant.get("environments"):
            return environment in grant["environments"]
        later_on = bool(self.production) if environment is None else environment in self.production
        return grant.get("everywhere", True) or not later_on

    def gains(self, control: str, thing: Row, at: str) -> set[str]:
        """Who gains authority from a change, owners of software that gains included."""
        found: set[str] = set()
        add = thing.get("action", "add") == "add"
        if control == "grant" or (control == "duty" and add):
            found = self.holders(thing["principal"])
        elif control == "membership" and add:
            found = {thing["person"]}
        elif control == "space" and thing["action"] == "set":
            found = {who for lead in thing["leads"] for who in self.holders(lead)}
        elif control == "key":
            found = {thing["subject"]}
        elif control == "workload_rule" and thing["action"] == "set":
            found = {thing["account"]}
        elif control in SOFTWARE:
            found = {thing["owner"]}
        elif control == "redaction":
            found = set(thing.get("behind", ()))
        elif control == "stop_lift":
            found = {self.stops[thing["stop"]]} if thing["stop"] in self.stops else set()
        elif control == "campaign_keep":
            for grant in set(thing["grants"]) & set(self.grants):
                found |= self.holders(self.grants[grant]["principal"])
        elif control == "labels":
            had, has = self.labels.get(thing["procedure"], set()), set(thing["labels"])
            for grant in self.grants.values():
                wanted = set(grant.get("selector", ()))
                if grant.get("grows") and at < grant["expires_at"] and wanted <= has and not wanted <= had:
                    found |= self.holders(grant["principal"])
            for space in self.spaces.values():
                wanted = set(space.get("labels", ()))
                if wanted and wanted <= has and not wanted <= had:
                    found |= {who for lead in space["leads"] for who in self.holders(lead)}
        return found.union(*(self.owners.get(subject, ()) for subject in found))

    def too_long(self, grant: Row) -> str:
        """Why a grant outlasts the longest terms that a change set, or an empty string."""
        named, days = grant.get("environments") or [], self.terms["days"]
        if "run" in grant["verbs"] and self.production and (not named or set(named) & self.production):
            days = min(days, self.terms["production_run_days"])
        if "break_glass" in grant["verbs"]:
            days = min(days, self.terms["break_glass_days"])
        ends, begins = (dt.datetime.fromisoformat(grant[n].rstrip("Z")) for n in ("expires_at", "not_before"))
        return "" if ends - begins <= dt.timedelta(days=days) else "is longer than the %d days of the terms" % days

    def signed_by(self, body: Row, at: str = "~") -> set[str]:
        """Subjects whose enrolled key signed the body's statement. `at`: for production, where a key that takes the
        place of a lost one counts a day after its enrolment.
        """
        statement, found = base64.b64decode(body.get("statement", "")), set()
        for row in body.get("sigs", []):
            method, mark = row.get("method"), mark_of(row, statement)
            key = self.keys.get(mark, {})
            theirs = key and key["subject"] == row.get("by") and key.get("method", "ssh") == method
            theirs = theirs and key.get("counts_from", "") <= at
            if theirs and (method == "ssh" or passkey(row, statement, key)):
                found.add(row["by"])
        return found

    def ended_at(self, body: Row) -> list[int]:
        """Where in the log the keys ended that signed the body's statement too late."""
        statement = base64.b64decode(body.get("statement", ""))
        marks = {mark_of(row, statement) for row in body.get("sigs", [])}
        return sorted(self.ended[mark] for mark in marks & set(self.ended))

    def lapse(self) -> None:
        """What nobody kept in a campaign whose date has come is over: its signed opening said so."""
        for name in [name for name, row in self.campaigns.items() if row["due_at"] <= self.signed_at]:
            row = self.campaigns.pop(name)
            for grant in row["set"] - row["kept"]:
                self.grants.pop(grant, None)

    def settle_turns(self, end: str) -> None:
        """Of all changes of a key that were told, those count that lead to the one that signed the log's `end`."""
        self.turns = Turns.around(signer_of(end, [key for row in self.changes for key in row[2:4]]), self.changes)
        for row in self.changes:
            if row not in self.turns.rows:
                place = sum(index < row[1] for index, *_ in self.asserted)
                self.asserted.insert(place, (row[1], "log key", "the change leads to no key that signed this log"))

    def take(self, index: int, kind: str, body: Row, at: str) -> None:
        self.lapse()
        if kind == "genesis" and index == 0:
            self.profile = body["profile"]
            self.production = {e["name"] for e in body["environments"] if e["production"]}
            self.approvals = {e["name"]: e.get("approvals", {}) for e in body["environments"]}
            self.runners = {r["runner"]: r["public"] for r in body["runners"]}
        elif kind == "bootstrap.granted":
            if self.bootstrapped:
                self.asserted.append((index, "bootstrap", "a second bootstrap grant"))
                return
            self.bootstrapped = True
            dates = {"not_before": body["at"], "expires_at": body["expires_at"]}
            self.grants[body["grant"]] = {"principal": "person:" + body["subject"], "verbs": body["verbs"], **dates}
            self.keys.update({k["fingerprint"]: k for k in body["keys"]})
            self.keyed.update(k["subject"] for k in body["keys"])
            for duty in body.get("duties", []):
                self.duties.setdefault(duty, set()).add("person:" + body["subject"])
        elif kind == "control.confirmed":
            self.control(index, body, at)
        elif kind == "log.recovered":
            row = {name: body[name] for name in ("former", "restored", "reason", "by")}
            self.recovered.append(dict(row, index=index, lost=body.get("lost")))
        elif kind == "log.key_turned":
            try:
                self.changes.append(turned("leaf %d" % index, str(body.get("note")), index))
            except Failed as problem:
                self.asserted.append((index, "log key", problem.reason))
        elif kind in ("standing.paused", "standing.resumed"):
            key = (body["standing"], body["name"])
            (self.paused.add if kind == "standing.paused" else self.paused.discard)(key)
        elif kind == "standing.taken_back" and body["ahead"] in self.ahead:
            self.ahead[body["ahead"]]["over"] = "taken back"
        elif kind == "stop.thrown":
            if body["stop"] not in self.stops:
                self.halted[body["stop"]] = (body["environment"], body["procedure"])
            self.stops.setdefault(body["stop"], body.get("actor", ""))
        elif kind == "break_glass.used":
            self.break_glass(index, body)
        elif kind == "break_glass.reviewed":
            self.review_glass(index, body)
        elif kind == "membership.synced":
            self.sync(body)
        elif kind == "version.accepted":
            self.risks[str(body.get("procedure"))] = body["risk"]
        elif kind == "person.closed":
            self.close(index, body["subject"])
        elif kind in ("person.made", "account.given") and body.get("owner"):
            self.owners.setdefault(body["subject"], set()).add(body["owner"])
        elif kind == "campaign.opened" and body["campaign"] in self.campaigns:
            row, ids = self.campaigns[body["campaign"]], sorted(body["grants"])
            if "sha256:" + hashlib.sha256(canon(ids)).hexdigest() == row["grants"]:
                row["set"] = set(ids)

    def sync(self, body: Row) -> None:
        """What an identity provider said of a group: it counts if signed changes declare it an authority for that."""
        name, pair = body["provider"], (body["group"], body["subject"])
        word, known = self.words.setdefault(name, set()), self.providers.get(name, {})
        told = self.synced.setdefault(name, {"authority": [], "outside": 0})
        if body["action"] == "remove":
            self.members.get(pair[0], set()).discard(pair[1])
            word.discard(pair)
        elif known.get("authority") and pair[0] in known["groups"].values():
            if pair[1] not in self.members.setdefault(pair[0], set()):
                self.members[pair[0]].add(pair[1])
                word.add(pair)
                told["authority"] = sorted(set(told["authority"]) | {pair[0]})
        else:
            told["outside"] += 1

    def provider(self, thing: Row) -> None:
        """A provider was set or ended: what it said before counts only while it is an authority."""
        name, still = thing["name"], thing if thing["action"] == "set" else {}
        self.providers[name] = still
        for pair in set(self.words.get(name, ())):
            if not (still.get("authority") and pair[0] in still["groups"].values()):
                self.members.get(pair[0], set()).discard(pair[1])
                self.words[name].discard(pair)

    def end_keys(self, index: int, marks: set[str]) -> None:
        """From this place in the log on these keys sign nothing; what stands before it stays signed."""
        for mark in marks & set(self.keys):
            del self.keys[mark]
            self.ended[mark] = index

    def close(self, index: int, subject: str) -> None:
        """Somebody left: grants, memberships and keys of theirs end here, for good."""
        self.closed.setdefault(subject, index)
        self.gone.add(subject)
        self.grants = {n: g for n, g in self.grants.items() if g["principal"] != "person:" + subject}
        self.end_keys(index, {mark for mark, key in self.keys.items() if key["subject"] == subject})
        for members in self.members.values():
            members.discard(subject)

    def control(self, index: int, body: Row, at: str) -> None:
        control, thing = body["control"], body["object"]
        why = self.lacks(control, thing, body, at) or self.spent_before(body)
        if why:
            self.asserted.append((index, control, why))
            return
        add = thing.get("action", "add") in ("add", "set")
        if control == "grant":
            wanted = set(thing.get("selector") or ())
            pinned = [name for name, has in self.labels.items() if wanted and wanted <= has]
            light = not (self.production or thing.get("environments"))
            light = light and bool(self.lacks(control, thing, body, at, weigh=True))
            signers = [r["by"] for r in body.get("sigs", [])]
            self.grants[body["change"]] = dict(thing, pinned=pinned, signers=signers, everywhere=not light)
            self.grants.pop(thing.get("replaces", ""), None)
        elif control == "campaign":
            self.campaigns.setdefault(thing["campaign"], dict(thing, set=set(), kept=set()))
        elif control == "campaign_keep":
            self.campaigns.get(thing["campaign"], {"kept": set()})["kept"].update(thing["grants"])
        elif control == "grant_end":
            self.grants.pop(thing["grant"], None)
        elif control == "stop_lift":
            if self.halted.get(thing["stop"]) == (thing.get("environment", ""), thing.get("procedure", "")):
                del self.halted[thing["stop"]]
        elif control == "membership":
            group = self.members.setdefault(thing["group"], set())
            (group.add if add else group.discard)(thing["person"])
        elif control == "duty":
            holders = self.duties.setdefault(thing["duty"], set())
            (holders.add if add else holders.discard)(thing["principal"])
        elif control == "environment":
            (self.production.add if thing["production"] else self.production.discard)(thing["name"])
            self.approvals[thing["name"]] = thing.get("approvals", {})
            self.up_to[thing["name"]] = thing.get("ahead_up_to", "")
            begun, until = self.frozen.get(thing["name"], ("", ""))
            self.frozen[thing["name"]] = (begun if until > at else at, thing.get("frozen_until", ""))
        elif control == "profile":
            self.profile = thing["profile"]
        elif control == "key":
            self.keys.setdefault(thing["fingerprint"], dict(thing, counts_from=self.counts_from(thing, body)))
            self.ended.pop(thing["fingerprint"], None)
            self.keyed.add(thing["subject"])  # above: nobody takes over another's key
        elif control == "key_end":
            self.end_keys(index, {thing["fingerprint"]})
        elif control in STANDING:
            self.stand(control, thing, body)
        elif control in ("legal_hold", "outage") or (control == "redaction" and "runs" in thing):
            self.of_evidence(index, control, thing, body)
        else:
            self.setting(control, thing, add)

    def of_evidence(self, index: int, control: str, thing: Row, body: Row) -> None:
        """What a change says of the evidence itself: what is held, was purged, or was done without the portal."""
        if control == "legal_hold":
            self.holds.setdefault(body["change"], dict(thing))
        elif control == "outage":
            self.outages.append({**_outage(thing), "index": index})
        else:
            self.purge(index, thing, body)

    def spent_before(self, body: Row) -> str:
        """What people signed changes something once: the same words again bring nothing back that had ended."""
        mark = sha256(base64.b64decode(body.get("statement", "")))
        if "statement" in body and mark in self.spent:
            return "its statement stands in the log before"
        self.spent.add(mark)
        return ""

    def setting(self, control: str, thing: Row, add: bool) -> None:
        """What a change sets that neither gives nor ends a right by itself."""
        if control == "labels":
            self.labels[thing["procedure"]] = set(thing["labels"])
        elif control == "terms":
            self.terms = thing
        elif control == "retention":
            self.floors.append((self.known_at, thing["days"]))
        elif control == "space":
            self.spaces = {**self.spaces, thing["name"]: thing if add else {"procedures": []}}
        elif control == "runner":
            if thing["public"] not in self.runners.values():  # a key is one runner's
                self.runners[thing["runner"]] = thing["public"]
        elif control == "runner_end":
            self.gone_runners.add(thing["runner"])
        elif control == "identity_provider":
            self.provider(thing)
        elif control in SOFTWARE:
            subject = thing[SOFTWARE[control]]
            self.owners[subject], self.behind[subject] = {thing["owner"]}, thing["owner"]
            self.gone.discard(subject)
            if control == "agent":
                self.agents.add(subject)
        elif control == "legal_hold_end":
            self.holds.pop(thing["hold"], None)
        elif control == "redaction" and "subject" in thing:
            self.erased.add(thing["subject"])
            self.held.setdefault(thing["subject"], list(self.holds.values()))
        elif control == "redaction":
            self.held.setdefault(thing["event"], []).extend(self.holds.values())
            self.redacted.setdefault(thing["event"], set()).update(thing["paths"])

    def purge(self, index: int, thing: Row, body: Row) -> None:
        """Two people agreed to erase runs; whether their time was over is judged where they are missing."""
        by = sorted({row["by"] for row in body["sigs"]})
        row = {"index": index, "change": body["change"], "by": by, "basis": thing["basis"]}
        row |= {"at": self.signed_at, "holds": list(self.holds.values())}
        for run in thing["runs"]:
            self.purged.setdefault(run, row)

    def floor(self, asked: str) -> int:
        """How many days a run is kept at least that was asked for then; within a minute of a change, the fewer."""
        first, last, days = later(asked, 0, minutes=-1), later(asked, 0, minutes=1), [FLOOR_DAYS]
        for at, count in self.floors:
            if at <= last:
                days = [count] if at <= first else [*days, count]
        return min(days)

    def break_glass(self, index: int, body: Row) -> None:
        """Keep a use of break-glass; what its signature, its grant and its limits do not bear is asserted only."""
        said = json.loads(base64.b64decode(body.get("statement", "")) or b"{}")
        now, by, earlier = self.signed_at, body["actor"], [g for g in self.glass if g["by"] == body["actor"]]
        same = all(said.get(n) == body[n] for n in ("run", "plan_digest", "digest", "skips", "not_after"))
        where = body["environment"]
        grants = [
            g
            for g in self.grants.values()
            if "break_glass" in g["verbs"]
            and by in self.holders(g["principal"])
            and self.in_place(g, where)
            and g.get("not_before", "") <= now < g.get("expires_at", "~")
        ]
        why = ""
        if said.get("type") != "opsportal/break-glass/v1" or not same or said.get("by") != by:
            why = "its statement is about something else"
        elif by not in self.signed_by(body, now):
            why = "no key that counts signed it"
        elif not body["not_after"] <= later(now, 4, minutes=1):
            why = "it is good for longer than four hours"
        elif not grants:
            why = "no grant that stands gives that permission"
        elif sum(later(g["at"], 24) > now for g in earlier if not g["why"]) >= 3:
            why = "it is the fourth within a day"
        elif any(later(g["at"], 72) <= now and not g["reviewed"] for g in earlier if not g["why"]):
            why = "an earlier one was not reviewed within 72 hours"
        if why:
            self.asserted.append((index, "break_glass", why))
        row = {n: body[n] for n in ("use", "run", "plan_digest", "skips", "chain", "environment", "grant")}
        self.glass.append(dict(row, index=index, by=by, at=now, why=why, reviewed="", verdict=""))

    def review_glass(self, index: int, body: Row) -> None:
        """A review counts if it is signed by somebody outside the run and the grant."""
        said = json.loads(base64.b64decode(body.get("statement", "")) or b"{}")
        reviewer = body["actor"]
        for use in self.glass:
            if use["use"] != body["use"]:
                continue
            signers = self.grants.get(use["grant"], {}).get("signers", [])
            same = said.get("use") == body["use"] and said.get("verdict") == body["verdict"]
            if said.get("type") != "opsportal/break-glass-review/v1" or not same:
                why = "its statement is about something else"
            elif reviewer not in self.signed_by(body, self.signed_at):
                why = "no key that counts signed it"
            elif reviewer == use["by"] or reviewer in use["chain"] or reviewer in signers:
                why = "its reviewer stands behind the run or gave the permission"
            else:
                use["reviewed"], use["verdict"] = reviewer, body["verdict"]
                continue
            self.asserted.append((index, "break_glass review", why))

    def counts_from(self, key: Row, body: Row) -> str:
        """From when on a key counts for production; empty: at once, as the first, or signed by an older one."""
        said = json.loads(base64.b64decode(body.get("statement", "")) or b"{}")
        older = said.get("object") == key and key["subject"] in self.signed_by(body, self.signed_at)
        if key["subject"] not in self.keyed or older:
            return ""
        return later(self.known_at, 24)

    def stand(self, control: str, thing: Row, body: Row) -> None:
        """A schedule or hook was set or ended: who stands behind what it asks for. Its name stays with its place."""
        key = (thing["kind"] if control == "standing_end" else control, thing["name"])
        known = self.standing.get(key, {})
        if known and [known[n] for n in ("procedure", "environment")] != [thing["procedure"], thing["environment"]]:
            return
        if control == "standing_end":
            self.standing.pop(key, None)
            return
        proposer = json.loads(base64.b64decode(body.get("statement", "")) or b"{}").get("proposer", body.get("actor"))
        behind = {known.get("creator", proposer), proposer, *(one["holder"] for one in thing.get("keys", ()))}
        if self.profile == "separate":
            behind |= {row["by"] for row in body.get("sigs", [])}
        self.standing[key] = dict(thing, creator=known.get("creator", proposer), behind=behind, change=body["change"])
        self.paused.discard(key)

    def stands(self, body: Row) -> str:
        """Why no signed schedule or hook stands behind a request that names one, or an empty string."""
        said = body.get("standing") or {}
        if not said and body.get("door") not in ("schedule", "hook"):
            return ""
        row = self.standing.get((str(said.get("kind")), str(said.get("name"))), {})
        fields = ("procedure", "digest", "environment")
        same = row and [row[n] for n in fields] == [body[n] for n in fields]
        same = same and (row["account"] == body["requester"] or bool(body.get("continues")))
        return "" if same else "no signed schedule or hook asked for this"

    def let_ahead(self, environment: str, risk: str) -> bool:
        """Whether the rules of an environment let approvals be given ahead at this risk: never high in production."""
        up_to = self.up_to.get(environment, "")
        high = environment in self.production and risk == RISKS[-1]
        return up_to in RISKS and RISKS.index(risk) <= RISKS.index(up_to) and not high

    def over(self, given: Row) -> str:
        """Why an approval given ahead lets nothing go any more, or an empty string."""
        key = ("schedule", given["said"]["schedule"])
        if self.standing.get(key, {}).get("change") != given["said"]["change"]:
            return "its schedule had been set anew, or had ended"
        if key in self.paused:
            return "its schedule was paused"
        return str(given["over"] or ("its approver had left" if given["by"] in self.gone else ""))

    def is_about(self, control: str, thing: Row, body: Row) -> bool:
        """Whether what was signed is over this very object, and no signature of elsewhere."""
        try:
            statement = json.loads(base64.b64decode(body.get("statement", "")))
        except ValueError:
            return False
        said = statement if isinstance(statement, dict) else {}
        return bool(said.get("control") == control and said.get("object") == thing)

    def lacks(self, control: str, thing: Row, body: Row, at: str, *, weigh: bool = False) -> str:
        """Why a control change does not stand by itself, or an empty string. `weigh`: were it for production."""
        named = thing.get("environments") or []
        if control == "outage":
            _outage(thing)  # of another form, it is malformed
        about = self.is_about(control, thing, body)
        named_by = {row["by"] for row in body.get("sigs", [])} if about else set()
        if control in BY_TWO and len(named_by - set(thing.get("behind", ()))) < 2:
            return "needs two people, whatever the portal holds"
        if control == "grant" and self.terms and self.too_long(thing):
            return self.too_long(thing)
        if control in PORTAL_WIDE or control in ALONE or (control == "stop_lift" and "environment" not in thing):
            touches = bool(self.production)
        elif control == "grant":
            touches = bool(set(named) & self.production if named else self.production)
        elif control == "environment":
            touches = thing.get("production") or thing.get("name") in self.production
        else:
            touches = thing.get("environment") in self.production
        if not (touches or weigh):
            return ""
        gains = self.gains(control, thing, at)
        wide = self.profile == "separate"
        alone = control in ALONE or control == "standing_end"
        if control == "key":
            need = 2 if wide else 1
        else:
            need = 1 + (0 if alone else 1 if wide or control in BY_TWO else 0 if gains or control == "labels" else 1)
        have = 0
        if about:
            signers = self.signed_by(body, self.signed_at)
            if control == "key" and thing["subject"] in signers:
                return ""  # by an older key of the same person
            deciders = self.managers(control, thing, at)
            asking: set[str] = set()
            if control in STANDING:
                asking = self.holding("run", thing["procedure"], thing["environment"], at) - set(self.owners)
            have = len((signers & (deciders | asking)) - gains) if alone or signers & deciders or not asking else 0
        return "" if have >= need else "needs %d signatures of managers who do not gain, carries %d" % (need, have)


def _outage(thing: Row) -> Row:
    """What a record of an outage says, in short. Raises TypeError, KeyError where it says something else."""
    said = {name: thing[name] for name in ("environment", "from", "to")}
    if not all(isinstance(one, str) for one in said.values()) or not isinstance(thing["acts"], list):
        raise TypeError("where, from when to when, or the acts")
    return {**said, "acts": len(thing["acts"])}


def mark_of(row: Row, statement: bytes) -> str:
    """The fingerprint of the key that a signature row is by: proven for SSH, claimed for a passkey."""
    mark = sshsig(row.get("sig", ""), statement) if row.get("method") == "ssh" else row.get("key")
    return mark or ""


def later(at: str, hours: int, *, minutes: int = 0) -> str:
    """A moment so much later, in the log's form."""
    moved = dt.datetime.fromisoformat(at[:-1]) + dt.timedelta(hours=hours, minutes=minutes)
    return moved.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


# --- which runs a pack is about --------------------------------------------------------------------------------------

BY_HEADER = {"run": "run", "procedure": "p", "environment": "e", "requester": "q"}
BY_SEAL = {"outcome": "o", "risk": "risk"}
BY_BODY = ("digest", "door")
FILTERS = (*BY_HEADER, "from", "to", *BY_SEAL, *BY_BODY, "sample")


class Scope:
    """What a filter asks for. Headers alone decide it, but for `digest` and `door`, which stand in bodies."""

    def __init__(self, wanted: Mapping[str, str], sampled: Collection[str] = ()) -> None:
        self.wanted, self.sampled = dict(wanted), frozenset(sampled)
        self.ended: set[str] | None = set() if set(BY_SEAL) & set(wanted) else None  # runs that end as asked for
        self.unknown = 0
        self.needs_all = bool(set(BY_BODY) & set(wanted))

    def foresee(self, header: Row) -> None:
        """Told each header before the log is read: how a run ends decides whether it counts from its beginning."""
        if self.ended is None or header["k"] not in SEALS:
            return
        if all(header[short] == self.wanted.get(name, header[short]) for name, short in BY_SEAL.items()):
            self.ended.add(header["run"])

    def fits(self, header: Row, body: Row | None) -> bool:
        """Whether the run of this request is one of the population."""
        wanted = self.wanted
        same = all(wanted.get(name) in (None, header.get(short)) for name, short in BY_HEADER.items())
        same = same and wanted.get("from", "") <= header["at"] and header["at"] <= wanted.get("to", "~")
        same = same and (self.ended is None or header["run"] in self.ended)
        same = same and ("sample" not in wanted or header["run"] in self.sampled)
        if same and self.needs_all and body is None:
            self.unknown += 1
            return False
        return same and all(wanted.get(name) in (None, (body or {}).get(name)) for name in BY_BODY)


class Foresight:
    """What must be known of a log before it is read from its beginning: its size, and which events were overtaken."""

    def __init__(self, lines: Iterable[bytes], scope: Scope) -> None:
        self.size, self.turn = 0, 0
        late: list[tuple[int, str]] = []
        highest = ""
        for line in lines:
            header = parse(HEADERS, line)
            try:
                if header["at"] < highest:
                    late.append((self.size, header["at"]))
                highest = max(highest, header["at"])
                scope.foresee(header)
            except (KeyError, TypeError) as problem:
                raise Failed(HEADERS, "has a header that lacks %s" % problem, 2)
            self.size += 1
        lowest = "~"
        self.late: list[tuple[int, str]] = []
        for index, at in reversed(late):
            lowest = min(lowest, at)
            self.late.append((index, lowest))
        self.late.reverse()

    def soonest(self, index: int, at: str) -> str:
        """The latest moment at which this event can have happened: no event happened later than one that follows it.

        Call for rising indexes.
        """
        while self.turn < len(self.late) and self.late[self.turn][0] <= index:
            self.turn += 1
        return min(at, self.late[self.turn][1]) if self.turn < len(self.late) else at


class Rows:
    """A report whose rows come in its own order; kept on disk beyond a megabyte."""

    def __init__(self, titles: list[str]) -> None:
        self.file = tempfile.SpooledTemporaryFile(1 << 20)  # noqa: SIM115 (closed with the object)
        self.add(titles)

    def add(self, row: list[Any]) -> None:
        self.file.write(table([row]))

    def rows(self) -> Iterator[bytes]:
        """The file, piece by piece."""
        self.file.seek(0)
        yield from iter(lambda: self.file.read(CHUNK), b"")
        self.file.seek(0, 2)

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for row in self.rows():
            digest.update(row)
        return digest.hexdigest()


class Population(Rows):
    """A row per run of the scope in the order of run numbers, as reports/population.csv holds it."""

    TITLES = ["no", "run", "procedure", "environment", "requester", "requested_at", "outcome", "risk", "ended_at"]

    def __init__(self) -> None:
        self.file = tempfile.SpooledTemporaryFile(1 << 20)  # noqa: SIM115 (closed with the object)
        self.places = array.array("Q")
        self.count = 0

    def add(self, row: list[str]) -> None:
        data, number = table([row]), int(row[0])
        self.places.extend([0] * (number - len(self.places)))
        self.places[number - 1] = self.file.tell() + 1
        self.file.write(struct.pack(">I", len(data)) + data)
        self.count += 1

    def rows(self) -> Iterator[bytes]:
        """The file's lines, its titles first."""
        yield table([self.TITLES])
        for place in self.places:
            if place:
                self.file.seek(place - 1)
                (size,) = struct.unpack(">I", self.file.read(4))
                yield self.file.read(size)
        self.file.seek(0, 2)


class Run:
    """What is kept of a run between its request and its seal."""

    __slots__ = ("n", "row", "tree")

    def __init__(self) -> None:
        self.n, self.tree = 0, Tree()
        self.row: list[str] | None = None  # of the population; None outside the scope


class Headers:
    """Every header in its order: runs without gaps, nothing after a seal, run numbers without gaps, the root."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.tree = Tree()
        self.open: dict[str, Run] = {}
        self.marks = array.array("Q")
        self.numbers = bytearray(size // 8 + 1)
        self.asked = 0

    def take(self, line: bytes) -> tuple[Row, Run | None]:
        """(the header, its run if it belongs to one)."""
        header: Row = parse(HEADERS, line)
        run = None
        if "run" in header:
            name = header["run"]
            run = self.open.get(name)
            if run is None:
                run = self.open[name] = self._begun(header)
            run.n += 1
            if header["n"] != run.n:
                raise Failed(HEADERS, "run %s has a gap, or an event after its seal" % name)
        self.tree.add(leaf(line))
        return header, run

    def _begun(self, header: Row) -> Run:
        if header["k"] != "run.requested" or header["n"] != 1:
            raise Failed(HEADERS, "run %s has a gap, or an event after its seal" % header["run"])
        number = header["no"]
        if type(number) is not int or not 0 < number <= self.size or self._seen(number):
            raise Failed(HEADERS, "run numbers have a gap")
        self.numbers[number >> 3] |= 1 << (number & 7)
        self.asked += 1
        self.marks.append(int.from_bytes(hashlib.sha256(header["run"].encode()).digest()[:8], "big"))
        return Run()

    def _seen(self, number: int) -> bool:
        return bool(self.numbers[number >> 3] >> (number & 7) & 1)

    def follow(self, header: Row, run: Run, line: bytes) -> None:
        """Close a run at its seal, or add the header to what its seal will commit to."""
        if header["k"] in SEALS:
            del self.open[header["run"]]
        else:
            run.tree.add(leaf(line))

    def end(self) -> None:
        if not all(self._seen(number) for number in range(1, self.asked + 1)):
            raise Failed(HEADERS, "run numbers have a gap")
        for part in range(16):  # sixteen small sorts instead of one that holds everything
            marks = sorted(mark for mark in self.marks if mark >> 60 == part)
            if any(a == b for a, b in itertools.pairwise(marks)):
                raise Failed(HEADERS, "a run was requested twice")


# --- the story of each run -----------------------------------------------------------------------------------------


def _cell(value: Any) -> str:
    text = str(value)
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def table(rows: list[list[Any]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([[_cell(v) for v in row] for row in rows])
    return out.getvalue().encode()


def held_by(hold: Row, header: Row, named: dict[str, str], subjects: set[str]) -> bool:
    """Whether a legal hold covers an event, as far as its own header and body tell."""
    return (
        hold.get("run", header.get("run")) == header.get("run")
        and ("procedure" not in hold or named.get(hold["procedure"], "?") == header.get("p"))
        and ("subject" not in hold or hold["subject"] in subjects)
        and hold.get("from", header["at"]) <= header["at"] <= hold.get("until", header["at"])
    )


class Story:
    """What the events of a log tell so far: authority, versions and their reviews, runs, refusals."""

    def __init__(self) -> None:
        self.authority, self.strengths = Authority(), {"session": 0, "totp": 0, "signed": 0}
        self.versions: dict[str, set[str]] = {}
        self.accepted: dict[str, list[bool]] = {}
        self.reviews: dict[str, dict[str, set[str]]] = {}
        self.risks: dict[str, str] = {}
        self.lacking: dict[str, str] = {}
        self.runs: dict[str, Row] = {}
        self.chains: dict[str, tuple[int, str]] = {}
        self.denials = Rows(["index", "kind", "code", "reason"])

    def take(self, index: int, header: Row, body: Row, member: str) -> None:
        """Fold the next event in; raises Failed where it breaks a rule."""
        authority, kind = self.authority, header["k"]
        authority.take(index, kind, body, authority.known_at)
        self._version(kind, body, member)
        if kind == "version.submitted" and "p" in header:
            authority.named[body["procedure"]] = header["p"]
        if kind == "standing.approved_ahead":
            _given_ahead(authority, self.strengths, index, header, body, member)
        if kind == "lease.issued" and self.runs.get(header.get("run", ""), {}).get("draft"):
            raise Failed(member, "a draft got a credential")
        if kind in ("access.denied", "lease.refused", "run.denied"):
            said = body.get("reason") or body.get("why") or body["message"]
            self.denials.add([index, kind, body.get("code", ""), said])
        if "run" in header:
            _run_event(authority, self.accepted, self.runs, self.strengths, header, body, member)
        if kind == "run.claimed" and self.runs[header["run"]]["production"]:
            run = self.runs[header["run"]]
            why = {"acceptance": self.lacking.get(body["digest"]), "approval": _approval(authority, run)}
            why["request"] = run["asked"]
            why["stop"] = authority.stopped(run["environment"], run["procedure"])
            begun, until = authority.frozen.get(run["environment"], ("", ""))
            dated = max(header["at"], later(authority.known_at, 0, minutes=-1))  # where it stands tells, not its date
            if begun <= dated and authority.signed_at < until and not run["thawed"]:
                why["freeze"] = "was claimed while its environment was frozen"
            authority.asserted += [(index, what, text) for what, text in why.items() if text]
        if kind == "run.approval_carried" and self.runs[header["run"]]["production"]:
            authority.asserted.append(
                (index, "approval", "was carried over: that both plans say the same is not in it")
            )
        if kind in SEALS:
            self._ended(header)
        if "dsse" in body:
            runner = _dsse(authority, self.chains, body["dsse"], header, body, member)
            if runner in authority.gone_runners:
                authority.asserted.append((index, "runner", "a statement by a runner that had been ended"))
        elif kind == "run.finished" and header["o"] == "succeeded":
            authority.asserted.append((index, "runner", "said to have succeeded, and no runner signed that"))

    def _ended(self, header: Row) -> None:
        """Of a run that ended only what a run that goes on with it is judged by stays."""
        run = self.runs.pop(header["run"])
        if run.get("said") and header["o"] != "succeeded":
            self.runs[header["run"]] = {name: run[name] for name in ("said", "asked", "chain")}

    def _version(self, kind: str, body: Row, member: str) -> None:
        if kind == "version.submitted":
            self.versions[body["version"]] = set(body["authors"]) | {body["submitter"]}
        elif kind == "version.drafted":
            self.authority.drafts[body["digest"], body["version"]] = set(body["authors"])
        elif kind == "review.made":
            _review(self.authority, self.versions, self.strengths, self.reviews, body, member)
        if kind in ("version.submitted", "version.risk_raised", "version.accepted"):
            before = self.risks.get(body["version"], "low")
            self.risks[body["version"]] = max(body["risk"], before, key=RISKS.index)
        if kind == "version.accepted":
            risk = self.risks[body["version"]]
            self.lacking[body["digest"]] = _acceptance(self.authority, risk, self.reviews, body, member)
        if kind in ("version.accepted", "version.revoked"):
            self.accepted.setdefault(body["digest"], []).append(kind == "version.accepted")

    def tables(self) -> dict[str, bytes]:
        """The reports that say the same whatever runs a pack is about."""
        asserted = [[str(i), control, why] for i, control, why in self.authority.asserted]
        glass = [
            [str(g["index"]), g["at"], g["by"], g["run"], g["environment"], " ".join(g["skips"])]
            + [g["reviewed"], g["verdict"], g["why"]]
            for g in self.authority.glass
        ]
        titles = ["index", "at", "by", "run", "environment", "skipped", "reviewed_by", "verdict", "lacks"]
        counts = sorted([name, str(count)] for name, count in self.strengths.items())
        ahead = [["index", "at", "approver", "schedule", "environment", "digest", "runs", "used", "not_after", "lacks"]]
        for given in self.authority.ahead.values():
            said, used = given["said"], len(given["runs"])
            row = [given["index"], given["at"], given["by"], said["schedule"], said["environment"], said["digest"]]
            ahead.append([str(v) for v in [*row, said["runs"], used, said["not_after"], given["why"]]])
        return {
            **({"reports/approved_ahead.csv": table(ahead)} if len(ahead) > 1 else {}),
            "reports/asserted.csv": table([["index", "control", "why"]] + asserted),
            "reports/break_glass.csv": table([titles] + glass),
            "reports/strengths.csv": table([["strength", "decisions"]] + counts),
        }


class Reading:
    """One pass over a log: what every event says is checked in its turn, and of a run that ended only its row is kept.

    Whoever drives it hands in each header's line, and the body and disclosures of those that it asks for.
    """

    def __init__(self, seen: Foresight, scope: Scope) -> None:
        self.seen, self.scope = seen, scope
        self.headers, self.story, self.population = Headers(seen.size), Story(), Population()
        self.samples = Samples(self.story.authority)
        self.holes: list[tuple[Row, str, str, set[str], int, str]] = []
        self.purged: dict[str, Row] = {}
        self.withheld: list[str] = []
        self.index, self.bodies, self.disclosed = -1, 0, 0
        self.line = b""
        self.header: Row = {}
        self.run: Run | None = None

    def take(self, line: bytes) -> Row:
        """The next header, in its place."""
        self.index, self.line = self.index + 1, line
        try:
            self.header, self.run = self.headers.take(line)
            authority = self.story.authority
            authority.known_at = max(authority.known_at, self.header["at"])
            authority.signed_at = self.seen.soonest(self.index, self.header["at"])
            if self.header["k"] == "run.requested" and not self.scope.needs_all:
                self._request(None)
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise Failed(HEADERS, "has a header that lacks %s" % problem, 2)
        return self.header

    def needs_body(self) -> bool:
        """Whether the filter asks for the body of the header that was taken last."""
        header = self.header
        return self.run is None or self.run.row is not None or (header["n"] == 1 and self.scope.needs_all)

    def _request(self, body: Row | None) -> None:
        header, run = self.header, self.run
        if run is not None and self.scope.fits(header, body):
            names = ("no", "run", "p", "e", "q", "at")
            run.row = [str(header[name]) for name in names] + ["", "", ""]

    def withhold(self, member: str) -> None:
        """The body that the filter asks for is not there: then all bodies of its run were purged, or it fails.

        That two people agreed to it stands in the log behind the run: `gone`, at the end.
        """
        header, run = self.header, self.header.get("run", "")
        if header["k"] == "run.requested":
            self.purged[run] = {"header": header, "bodies": 0, "kept": "~"}
        if run not in self.purged:
            raise Failed(member, "is withheld without a redaction event")
        self.withheld.append(header["id"])
        known = self.purged[run]
        known["bodies"] += 1
        if header["k"] in SEALS:
            days = self.story.authority.floor(known["header"]["at"])
            known["kept"] = max(str(header.get("kept", "")), later(header["at"], 24 * days))

    def follow(self, member: str, data: bytes | None, told: Sequence[bytes] = (), place: str = "") -> Row | None:
        """The body of the header that was taken last (None: withheld), with its disclosures. Raises Failed."""
        header, run, body = self.header, self.run, None
        if data is not None:
            if sha256(data) != header["b"]:
                raise Failed(member, "is not what the log committed to, or is withheld without a redaction event")
            if header.get("run") in self.purged:
                raise Failed(member, "is there, and other bodies of its run are withheld")
            body = parse(member, data)
            self.bodies += 1
        try:
            if header["k"] == "run.requested" and self.scope.needs_all:
                self._request(body)
                body = body if run and run.row else None
            if header["k"] == "run.approved_ahead":
                _count_ahead(self.story.authority, header)
            if body is not None:
                self._told(body, told, place or member)
                self._seal(member, body)
                self.story.take(self.index, header, body, member)
                self.samples.take(self.index, header, body, member)
            if run is not None:
                self._end(run)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as problem:
            raise Failed(member, "lacks what its kind must say (%s)" % problem)
        return body

    def _seal(self, member: str, body: Row) -> None:
        if self.run is None or self.header["k"] not in SEALS:
            return
        if body["seal"] != {"n": self.header["n"], "root": self.run.tree.root().hex()}:
            raise Failed(member, "the seal does not fit the run's headers")

    def _end(self, run: Run) -> None:
        self.headers.follow(self.header, run, self.line)
        if self.header["k"] in SEALS and run.row is not None:
            run.row[6:] = [str(self.header[name]) for name in ("o", "risk", "at")]
            self.population.add(run.row)

    def _told(self, body: Row, told: Sequence[bytes], place: str) -> None:
        """Each value kept apart is one that its event committed to; what is not there is judged at the end."""
        wanted: set[str] = set(body.get("sd", []))
        paths: set[str] = set()
        for data in told:
            row = parse(place, data)
            if sha256(data) not in wanted or not isinstance(row, list) or len(row) != 3:
                raise Failed(place, "is not a disclosure that its event committed to")
            wanted.discard(sha256(data))
            paths.add(row[1])
            self.disclosed += 1
        if wanted:
            whose = str(body.get("whose", body.get("actor", "")))
            about = str(body.get("run", "")) if self.header["k"] == "run.commented" else ""
            self.holes.append((self.header, whose, str(body.get("actor", "")), paths, len(wanted), about))

    def end(self) -> None:
        """After the last header: what only the whole log can tell."""
        self.headers.end()
        for run in self.headers.open.values():
            if run.row is not None:
                self.population.add(run.row)
        if self.scope.unknown:
            said = "whether they belong to what the filter asks for cannot be told: their bodies are not here"
            raise Failed("manifest.json", "%d requests: %s" % (self.scope.unknown, said), 3)

    def erased(self) -> list[Row]:
        """The holes, each of which two people made; raises Failed for one that is only withheld."""
        authority, found = self.story.authority, []
        for header, whose, actor, shown, lacking, about in self.holes:
            event = header["id"]
            paths = sorted(authority.redacted.get(event, set()) - shown)
            for hold in authority.held.get(event, []) + authority.held.get(whose, []):
                if held_by(hold, header, authority.named, {whose, actor}):
                    raise Failed("disclosures of %s" % event, "was erased while it was under a legal hold")
            if whose in authority.erased:
                paths = ["(everything about this person)"]
            elif about in authority.purged:
                paths = ["(with its run)"]
            elif lacking > len(paths):
                raise Failed("disclosures of %s" % event, "withholds a value without a redaction event")
            found.append({"event": event, "values": lacking, "paths": paths})
        return found

    def gone(self) -> list[Row]:
        """What was purged, by change; raises Failed for a run that is missing and that two people did not purge, or not
        after its time, or under a legal hold.
        """
        authority = self.story.authority
        found: dict[str, Row] = {}
        for run, known in self.purged.items():
            said, member = authority.purged.get(run), "bodies of run %s" % run
            if said is None:
                raise Failed(member, "are withheld without a redaction event")
            if said["at"] < known["kept"]:
                raise Failed(member, "were purged while they were to be kept: until %s" % known["kept"])
            if any(held_by(hold, known["header"], authority.named, set()) for hold in said["holds"]):
                raise Failed(member, "were purged while they were under a legal hold")
            fresh = {name: said[name] for name in ("index", "change", "by", "basis")}
            row = found.setdefault(said["change"], dict(fresh, runs=0, bodies=0))
            row["runs"] += 1
            row["bodies"] += known["bodies"]
        return sorted(found.values(), key=lambda row: int(row["index"]))

    def streams(self) -> dict[str, Rows]:
        """The reports that grow with the log."""
        return {"reports/population.csv": self.population, "reports/refusals.csv": self.story.denials}

    def tables(self) -> dict[str, bytes]:
        """The other reports, which are kept in memory."""
        return {**self.story.tables(), **self.samples.tables()}


class Samples:
    """Populations that were fixed and samples that were drawn from them: each draw counts, and all are listed (H23)."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.fixed: dict[str, Row] = {}
        self.drawn: list[Row] = []

    def take(self, index: int, header: Row, body: Row, member: str) -> None:
        if header["k"] == "population.fixed":
            if body["population"] in self.fixed or not 0 < body["size"] <= index or set(body["filter"]) & set(UNFIXED):
                raise Failed(member, "fixes a population twice, of the future, or by what headers do not say")
            self.fixed[body["population"]] = dict(body, index=index)
        elif header["k"] == "sample.drawn":
            known = self.fixed.get(body["population"])
            if known is None or not NONCE.fullmatch(body["nonce"]) or not 0 < body["count"] <= MOST_DRAWN:
                raise Failed(member, "draws from no population that was fixed before, or without a nonce")
            if body.get("strata", "environment") not in STRATA:
                raise Failed(member, "draws by strata that headers do not say")
            self.drawn.append(dict(body, index=index, fixed=known, member=member))

    def check(self, lines: Callable[[], Iterable[bytes]]) -> None:
        """Every draw again, from headers alone: `lines` gives them from the beginning."""
        for known in self.fixed.values():
            mine = [one for one in self.drawn if one["fixed"] is known]
            ranked = rank(lines, known, [(one["nonce"], one["count"], one.get("strata", "")) for one in mine])
            for one, runs in zip(mine, ranked):
                if one["runs"] != runs:
                    raise Failed(one["member"], "the runs that it names are not the ones that its nonce draws")

    def runs(self, sample: str) -> list[str] | None:
        return next((one["runs"] for one in self.drawn if one["sample"] == sample), None)

    def tables(self) -> dict[str, bytes]:
        if not self.fixed:
            return {}
        rows = [["index", "sample", "population", "size", "runs_in_population", "filter", "by", "nonce", "drawn"]]
        strata = any("strata" in one for one in self.drawn)  # a column that older packs lack
        for one in self.drawn:
            known = one["fixed"]
            row = [one["index"], one["sample"], one["population"], known["size"], known["runs"]]
            row += [canon(known["filter"]).decode(), one["actor"], one["nonce"], " ".join(one["runs"])]
            rows.append([str(cell) for cell in [*row, *([one.get("strata", "")] if strata else [])]])
        undrawn = [p for p in self.fixed.values() if not any(one["fixed"] is p for one in self.drawn)]
        for known in undrawn:
            row = [known["index"], "", known["population"], known["size"], known["runs"]]
            row += [canon(known["filter"]).decode(), known["actor"], "", "", *([""] if strata else [])]
            rows.append([str(cell) for cell in row])
        rows[0] += ["strata"] if strata else []
        return {"reports/samples.csv": table(rows)}


UNFIXED = (*BY_BODY, "sample")
NONCE = re.compile("[0-9A-Za-z_-]{8,128}")
MOST_DRAWN = 10_000
STRATA = {"environment": "e", "outcome": "o", "risk": "risk"}


def rank(lines: Callable[[], Iterable[bytes]], known: Row, draws: Sequence[tuple[str, int, str]]) -> list[list[str]]:
    """The runs that each (nonce, count, strata) draws from a fixed population, first the one that ranks first.

    Seed: SHA-256("sample/v1" || root || nonce || canonical filter); rank: SHA-256(seed || run). Neither who fixed the
    root before the nonce was spoken, nor who speaks the nonce, can choose. By strata, `count` of each value that a
    header says, strata in the order of their values; a run that has not ended is of the stratum "". Raises Failed if
    the root is another one.
    """
    scope, tree = Scope(known["filter"]), Tree()
    for line in itertools.islice(lines(), known["size"]):
        scope.foresee(parse(HEADERS, line))
    root = bytes.fromhex(known["root"])
    hats = [_Hat(root + nonce.encode() + canon(known["filter"]), count, by) for nonce, count, by in draws]
    late = [hat for hat in hats if hat.by in BY_SEAL]
    going: set[str] = set()
    found = 0
    for line in itertools.islice(lines(), known["size"]):
        header = parse(HEADERS, line)
        tree.add(leaf(line))
        if header["k"] == "run.requested" and scope.fits(header, None):
            found += 1
            for hat in hats:
                if hat.by not in BY_SEAL:
                    hat.put(header)
            going.update([header["run"]] if late else [])
        elif header["k"] in SEALS and header["run"] in going:
            going.discard(header["run"])
            for hat in late:
                hat.put(header)
    for hat in late:
        for run in going:
            hat.put({"run": run})
    if tree.root() != root or found != known["runs"]:
        raise Failed("reports/samples.csv", "a population was fixed over another log, or counted wrongly")
    return [hat.drawn() for hat in hats]


class _Hat:
    """What one draw is made from: the runs of each stratum that rank first, and no more of them than are drawn."""

    def __init__(self, seed: bytes, count: int, by: str) -> None:
        self.seed, self.count, self.by = hashlib.sha256(b"sample/v1" + seed).digest(), count, by
        self.best: dict[str, list[tuple[int, str]]] = {}

    def put(self, header: Row) -> None:
        """A run, by the header that says its stratum."""
        kept = self.best.setdefault(str(header.get(STRATA.get(self.by, ""), "")), [])
        place = -int.from_bytes(hashlib.sha256(self.seed + header["run"].encode()).digest(), "big")
        (heapq.heappush if len(kept) < self.count else heapq.heappushpop)(kept, (place, header["run"]))

    def drawn(self) -> list[str]:
        return [run for _, kept in sorted(self.best.items()) for _, run in sorted(kept, reverse=True)]


def counted(strengths: bytes) -> dict[str, int]:
    """The counts of reports/strengths.csv, weakest first."""
    rows = dict(line.split(",") for line in strengths.decode().split("\r\n")[1:-1])
    return {name: int(rows[name]) for name in ("session", "totp", "signed")}


def _proven(authority: Authority, body: Row, member: str, strengths: dict[str, int]) -> Any:
    """Count a decision by what its signatures support; a claimed signature that does not hold fails."""
    claimed = body["strength"]
    strengths[claimed] += 1
    if claimed == "signed" and body["actor"] not in authority.signed_by(body):
        for leaf_index in authority.ended_at(body):
            raise Failed(member, "is signed by a key that had ended before, at leaf %d" % leaf_index)
        raise Failed(member, "claims a signature that no key enrolled for this person made")
    return json.loads(base64.b64decode(body["statement"]))


RISKS = ("low", "moderate", "high")
DUTIES = ("operations", "security", "compliance")


def _acceptance(
    authority: Authority, risk: str, reviews: dict[str, dict[str, set[str]]], body: Row, member: str
) -> str:
    """What an acceptance lacks to stand by signatures alone, or an empty string; its reviews must at least be there."""
    given = reviews.get(body["version"], {})
    if not body["reviewers"] or not set(body["reviewers"]) <= set(given):
        raise Failed(member, "was accepted without the reviews that it names")
    signed = {who: duties for who, duties in given.items() if duties}
    needed = DUTIES[: RISKS.index(risk) + 1]
    persons = {"separate": len(needed), "team": 2 if risk == "high" else 1}.get(authority.profile, 1)
    held = set()
    for who, duties in signed.items():
        for duty in duties:
            if any(who in authority.holders(one) for one in authority.duties.get(duty, ())):
                held.add(duty)
    missing = [duty for duty in needed if duty not in held]
    if missing:
        return "no signed review for " + ", ".join(missing)
    return "" if len(signed) >= persons else "needs %d signed reviews, carries %d" % (persons, len(signed))


def _approval(authority: Authority, run: Row) -> str:
    """What the approvals of a production run lack to stand by signatures alone, or an empty string."""
    if any(not use["why"] for use in run["glass"]):
        return ""
    rules = authority.approvals.get(run["environment"], {}).get(run["risk"], {})
    needed = max(run["needed"], sum(rules.values()))
    signed = {row[1] for row in run["approved"] if row[0] == run["plan"] and not row[2] and row[3] == "signed"}
    signed &= run["then"]  # nobody is made an approver after the request
    return "" if len(signed) >= needed else "needs %d signed approvals, carries %d" % (needed, len(signed))


def _review(
    authority: Authority,
    versions: dict[str, set[str]],
    strengths: dict[str, int],
    reviews: dict[str, dict[str, set[str]]],
    body: Row,
    member: str,
) -> None:
    statement = _proven(authority, body, member, strengths)
    if body["actor"] in versions.get(body["version"], ()):
        raise Failed(member, "somebody reviewed their own work")
    names = ("version", "digest", "verdict")
    if [statement[n] for n in names] != [body[n] for n in names] or statement["reviewer"] != body["actor"]:
        raise Failed(member, "the signed statement is about another review")
    if body["verdict"] == "accept":
        counts = body["actor"] in authority.signed_by(body, authority.signed_at)
        signed = set(statement["duties"]) if body["strength"] == "signed" and counts else set()
        reviews.setdefault(body["version"], {})[body["actor"]] = signed


AHEAD = ("schedule", "change", "procedure", "digest", "environment", "account", "targets", "plan", "runs", "not_after")
OWN = {"run", "no", "requester", "continues"}


def _given_ahead(
    authority: Authority, strengths: dict[str, int], index: int, header: Row, body: Row, member: str
) -> None:
    """Keep an approval of runs of a schedule, given ahead: what was signed, and the very plan that it is of."""
    said, work = _proven(authority, body, member, strengths), body["work"]
    same = said["type"] == "opsportal/pre-approval/v1" and all(said[name] == body[name] for name in AHEAD)
    if not same or said["approver"] != body["actor"] or said["nonce"] != body["ahead"]:
        raise Failed(member, "the signed statement is about another approval")
    targets = sorted(row["name"] for row in work["targets"])
    fits = all(said[name] == work[name] for name in ("procedure", "digest", "environment", "parameters"))
    if set(work) & OWN or "sha256:" + sha256(canon(work)) != said["plan"] or targets != said["targets"] or not fits:
        raise Failed(member, "the plan that it holds is not the one that was signed")
    row = authority.standing.get(("schedule", said["schedule"]), {})
    behind = row.get("behind", set()) | {said["account"]} | authority.owners.get(said["account"], set())
    if body["actor"] in behind:
        raise Failed(member, "somebody behind the schedule approved it ahead")
    if said["nonce"] in authority.ahead:
        raise Failed(member, "an approval was given ahead twice under one name")
    why = ""
    if body["actor"] not in authority.signed_by(body, authority.signed_at):
        why = "no key that counts signed it"
    elif row.get("change") != said["change"]:
        why = "no signed change set its schedule so"
    elif said["not_after"] > min(later(header["at"], 90 * 24, minutes=1), row["expires_at"]):
        why = "it is good for longer than ninety days, or than its schedule"
    elif type(said["runs"]) is not int or not 0 < said["runs"] <= 2500:
        why = "it is for no number of runs"
    if why:
        authority.asserted.append((index, "approval ahead", why))
    then = {who for one in authority.duties.values() for name in one for who in authority.holders(name)}
    given = {"index": index, "at": header["at"], "by": body["actor"], "said": said, "work": work, "why": why}
    authority.ahead[said["nonce"]] = dict(given, over="", runs=[], then=then)


def _count_ahead(authority: Authority, header: Row) -> None:
    """Each run that an approval given ahead let go, from headers alone: so every pack counts all of them."""
    member = "bodies/%s.json" % header["id"]
    given = authority.ahead.get(header.get("a", ""))
    if given is None:
        raise Failed(member, "was approved ahead by nothing that stands in the log before it")
    if header["run"] not in given["runs"]:
        given["runs"].append(header["run"])
    limit = given["said"]["runs"]
    if type(limit) is not int or len(given["runs"]) > limit:
        raise Failed(member, "an approval given ahead was used more often than it was signed for")


def _used_ahead(authority: Authority, run: Row, header: Row, body: Row, member: str) -> None:
    """An approval given ahead lets this run go: of its schedule, in time, and of the very plan that was signed."""
    given = authority.ahead[header["a"]]
    said, own, named = given["said"], body["own"], run["said"]
    if (named.get("kind"), named.get("name"), named.get("change")) != ("schedule", said["schedule"], said["change"]):
        raise Failed(member, "was approved ahead for another schedule, or another setting of it")
    if [said[n] for n in ("digest", "environment", "account")] != [run["digest"], run["environment"], run["asker"]]:
        raise Failed(member, "was approved ahead for another version, place or account")
    mine = (own["run"], own["no"], own["requester"], own.get("continues", {}).get("run"))
    if set(own) - OWN or mine != (header["run"], run["no"], run["asker"], run["before"]):
        raise Failed(member, "names another run than its own")
    plan = "sha256:" + sha256(canon(dict(given["work"], **own)))
    if body["ahead"] != header["a"] or not plan == body["plan_digest"] == run["plan"]:
        raise Failed(member, "what was approved ahead is another plan")
    if given["by"] in run["chain"]:
        raise Failed(member, "somebody in the chain of the request approved it ahead")
    if header["at"] > said["not_after"] or authority.over(given):
        raise Failed(member, "was approved ahead by what was over: " + (authority.over(given) or "its time had ended"))
    run["ahead"].append((plan, given))


def _ahead_at_claim(authority: Authority, run: Row) -> None:
    """What was approved ahead counts once the run begins, if it was not taken back before: then it goes on with it."""
    for plan, given in run["ahead"]:
        if not authority.over(given):
            good = not given["why"] and given["by"] in given["then"]
            good = good and authority.let_ahead(run["environment"], run["risk"])
            run["approved"].append((plan, given["by"], "", "signed" if good else "session"))
    run["ahead"] = []


def _run_event(
    authority: Authority,
    accepted: dict[str, list[bool]],
    runs: dict[str, Row],
    strengths: dict[str, int],
    header: Row,
    body: Row,
    member: str,
) -> None:
    kind, run = header["k"], runs.setdefault(header["run"], {"approved": [], "plan": None, "ahead": []})
    if kind == "run.requested":
        run["chain"] = {link["by"] for link in body["chain"]} | {body["requester"]}
        run["chain"] |= {authority.behind[who] for who in run["chain"] & set(authority.behind)}
        said = body.get("standing") or {}
        run["chain"] |= authority.standing.get((str(said.get("kind")), str(said.get("name"))), {}).get("behind", set())
        run["asked"] = authority.stands(body)
        run["digest"], run["before"], run["said"] = body["digest"], body.get("continues"), said
        run["asker"], run["no"] = body["requester"], header.get("no")
        if said and runs.get(run["before"], {}).get("said") == said:  # what goes on is judged by the first request
            run["asked"] = runs[run["before"]]["asked"]
            run["chain"] |= runs[run["before"]]["chain"]
        run["software"] = body["requester"] in authority.agents or any(
            link["role"] == "delegator" for link in body["chain"]
        )
        run["environment"], run["procedure"], run["risk"] = body["environment"], body["procedure"], body["risk"]
        run["production"] = body["environment"] in authority.production
        run["then"] = {who for one in authority.duties.values() for name in one for who in authority.holders(name)}
        run["draft"] = body.get("draft") is True and body["environment"] not in authority.production
        run["drafted"] = body["requester"] in authority.drafts.get((body["digest"], body.get("version", "")), ())
    elif kind in ("run.planned", "run.drifted"):
        run["plan"] = body["plan_digest"]
        run["needed"] = sum(body["approvals"].values())
    elif kind == "run.approved":
        statement = _proven(authority, body, member, strengths)
        if body["actor"] in run["chain"]:
            raise Failed(member, "somebody in the chain of the request approved it")
        same = (statement["run"], statement["plan_digest"], statement["approver"])
        if same != (header["run"], body["plan_digest"], body["actor"]):
            raise Failed(member, "the signed statement is about another run or plan")
        counts = body["actor"] in authority.signed_by(body, authority.signed_at)
        strength = "session" if body["strength"] == "signed" and not counts else body["strength"]
        run["approved"].append((body["plan_digest"], body["actor"], body["gate"], strength))
    elif kind == "run.approval_carried":
        _carried(authority, run, strengths, header, body, member)
    elif kind == "run.approved_ahead":
        _used_ahead(authority, run, header, body, member)
    elif kind == "run.claimed":
        fine = run["drafted"] if run["draft"] else accepted.get(body["digest"], [False])[-1]
        if body["digest"] != run["digest"] or not fine:
            raise Failed(member, "what was claimed is not what was accepted")
        if _weaker(body.get("tier", ""), body.get("tier_asked", "")):
            raise Failed(member, "it was claimed by a runner with a weaker sandbox than was asked for")
        broken = [g for g in authority.glass if (g["run"], g["plan_digest"]) == (header["run"], body["plan_digest"])]
        run["glass"] = [g for g in broken if "approval" in g["skips"]]
        run["thawed"] = any("freeze" in g["skips"] and not g["why"] for g in broken)
        _ahead_at_claim(authority, run)
        people = {who for plan, who, gate, _ in run["approved"] if plan == body["plan_digest"] and not gate}
        if body["plan_digest"] != run["plan"] or (len(people) < run["needed"] and not run["glass"]):
            raise Failed(member, "it was claimed without the approvals that its plan needs")
        if run["software"] and run["production"] and not people:
            raise Failed(member, "software had an effect in production that no person approved")


def _weaker(tier: str, asked: str) -> bool:
    """Whether a sandbox, as its runner reported it, is less than what was asked for; A is the strongest, D none."""
    order = "ABCD"
    return asked in tuple(order) and (tier not in tuple(order) or order.index(tier) > order.index(asked))


def _carried(authority: Authority, run: Row, strengths: dict[str, int], header: Row, body: Row, member: str) -> None:
    """An approval of the run before this one, which counts here too: once, in time, of the plan that it names."""
    statement = _proven(authority, body, member, strengths)
    if body["actor"] in run["chain"]:
        raise Failed(member, "somebody in the chain of the request approved it")
    same = (statement["run"], statement["plan_digest"], statement["approver"], statement["verdict"], statement["gate"])
    if same != (body["from"], body["was_plan_digest"], body["actor"], "approve", "") or body["from"] != run["before"]:
        raise Failed(member, "the signed statement is about another run or plan")
    if not header["at"] <= statement["not_after"]:
        raise Failed(member, "an approval was carried over after it had expired")
    if statement["nonce"] in authority.carried:
        raise Failed(member, "an approval was carried over twice")
    authority.carried.add(statement["nonce"])
    counts = body["actor"] in authority.signed_by(body, authority.signed_at)
    strength = "session" if body["strength"] == "signed" and not counts else body["strength"]
    run["approved"].append((body["plan_digest"], body["actor"], "", strength))


def _dsse(
    authority: Authority, chains: dict[str, tuple[int, str]], envelope: Row, header: Row, body: Row, member: str
) -> str:
    """Check a runner's statement; who made it."""
    payload = base64.b64decode(envelope["payload"], validate=True)
    kind = envelope["payloadType"].encode()
    data = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    said = parse(member, payload)["predicate"]
    public = authority.runners.get(said["runner"])
    if public is None or not ed25519(
        base64.b64decode(public), data, base64.b64decode(envelope["signatures"][0]["sig"])
    ):
        raise Failed(member, "the runner's statement is not by an enrolled runner's key")
    last = chains.get(said["runner"])
    if last and said["sequence"] <= last[0]:
        raise Failed(member, "the runner's statements are out of sequence")
    if last and said["sequence"] == last[0] + 1 and said["previous"] != last[1]:
        raise Failed(member, "the runner's statement does not follow the one before")
    chains[said["runner"]] = (said["sequence"], sha256(payload))
    facts = said["facts"]
    for name in ("step", "target", "attempt", "outcome", "exit", "transcript"):
        if header["k"] == "task.finished" and facts.get(name) != body.get(name):
            raise Failed(member, "the event and the runner's statement differ in %s" % name)
    if facts["run"] != header["run"] or (header["k"] == "run.finished" and facts["outcome"] != header["o"]):
        raise Failed(member, "the runner's statement is about another run or outcome")
    return str(said["runner"])


# --- the pack ------------------------------------------------------------------------------------------------------

HEADERS = "log/headers.jsonl"
BUNDLE = 1024  # leaves whose bodies, and whose disclosures, stand in one member
MOST_ATTESTATIONS = 1000  # beyond so many runs their statements stand in the bodies of the seals alone
NEEDED = ("manifest.json", "export.tlog-proof", HEADERS, "log/checkpoint.end", "README.txt")
DERIVED: tuple[str, ...] = ("README.txt", "ocsf/events.jsonl", "oscal/assessment-results.json", "reports/report.html")
DERIVED += ("reports/report.pdf", "verify.py")
SAID = {"v", "range", "frontier", "filter", "counts", "sample", "withheld", "files", "software", "exporter", "made_at"}
SAID |= {"query"}


class Singles:
    """Bodies and disclosures of a pack of form 1: a member for each."""

    def __init__(self, pack: Pack, withheld: Collection[str]) -> None:
        self.pack, self.withheld = pack, withheld
        self.left = {name for name in pack.places if name.startswith(("bodies/", "disclosures/"))}
        self.of: dict[str, list[str]] = {}
        for name in sorted(self.left):
            if name.startswith("disclosures/"):
                self.of.setdefault(name[len("disclosures/") :].split(".")[0], []).append(name)

    def body(self, index: int, header: Row) -> tuple[str, bytes | None]:
        name = "bodies/%s.json" % header["id"]
        self.left.discard(name)
        return name, self.pack.read(name) if name in self.pack.places else None

    def disclosures(self, index: int, header: Row, data: bytes) -> tuple[str, list[bytes]]:
        names = self.of.get(header["id"], [])
        self.left -= set(names)
        return "disclosures/%s" % header["id"], [self.pack.read(name) for name in names]

    def end(self) -> None:
        for name in sorted(self.left):
            what = "header of the scope" if name.startswith("bodies/") else "event of the scope"
            raise Failed(name, "belongs to no " + what)


class Bundles:
    """Those of a pack of form 2: a line for each, in the order of the log, a member for each 1,024 leaves."""

    def __init__(self, pack: Pack, withheld: Collection[str]) -> None:
        self.pack, self.withheld = pack, set(withheld)
        self.left = {name for name in pack.places if name.startswith(("bodies/", "disclosures/"))}
        self.rows: dict[str, Iterator[bytes]] = {}
        self.next: dict[str, bytes | None] = {}

    def _turn(self, folder: str, index: int) -> str:
        """The member of a folder for this place in the log; the one before must be used up."""
        name = "%s/%08d.jsonl" % (folder, index // BUNDLE)
        if name in self.left:
            self._used_up(folder)
            self.left.discard(name)
            self.rows[folder] = self.pack.lines(name)
            self._step(folder)
            if self.next[folder] is None:
                raise Failed(name, "is empty", 2)
        return name

    def _step(self, folder: str) -> None:
        self.next[folder] = next(self.rows[folder], None)

    def _used_up(self, folder: str) -> None:
        if self.next.get(folder) is not None:
            raise Failed(folder, "holds a line that belongs to no event of the scope, or stands out of its place")

    def body(self, index: int, header: Row) -> tuple[str, bytes | None]:
        name = self._turn("bodies", index)
        member = "%s, event %s" % (name, header["id"])
        if header["id"] in self.withheld:
            self.withheld.discard(header["id"])
            return member, None
        data = self.next.get("bodies") if name in self.pack.places else None
        if data is not None:
            self._step("bodies")
        return member, data

    def disclosures(self, index: int, header: Row, data: bytes) -> tuple[str, list[bytes]]:
        """The lines that come next, in the order in which the body lists their digests."""
        name, found = self._turn("disclosures", index), []
        if b'"sd":[' in data and name in self.pack.places:
            for digest in parse(name, data).get("sd", []):
                line = self.next.get("disclosures")
                if line is not None and sha256(line) == digest:
                    found.append(line)
                    self._step("disclosures")
        return name, found

    def end(self) -> None:
        for folder in ("bodies", "disclosures"):
            self._used_up(folder)
        if self.left or self.withheld:
            raise Failed(min([*self.left, *self.withheld]), "belongs to no header of the scope")


def check_proof(
    pack: Pack,
    manifest: Row,
    key: str | None,
    witnesses: Collection[str],
    turns: Turns | None = None,
) -> dict[str, int]:
    """The manifest itself is in the log, later than everything that it speaks of. Returns who cosigned that."""
    member = "export.tlog-proof"
    header, body, index, proof, note = read_proof(member, pack.read(member))
    try:
        said, told = parse(member, body or b""), parse(member, header)
        if told["k"] != "export.made" or told["b"] != sha256(body or b""):
            raise Failed(member, "is about another manifest")
        if said["manifest"] != pack.digests["manifest.json"]:
            raise Failed(member, "is about another manifest")
        if manifest["v"] > 1:
            check_said(manifest, said, told["at"])
    except (KeyError, TypeError, AttributeError) as problem:
        raise Failed(member, "is malformed in %s" % problem, 2)
    if key is None:
        return {}
    _, size, root, cosigned = (turns or Turns()).open(member, note, key, witnesses)
    if not included(leaf(header), index, size, proof, root):
        raise Failed(member, "does not prove that the manifest is in the log")
    return cosigned


def read_proof(member: str, data: bytes) -> tuple[bytes, bytes | None, int, list[bytes], str]:
    """(header, body or None, index, audit path, checkpoint) of a C2SP tlog-proof; nothing of it is verified yet."""
    text = data.decode("utf-8", "replace")
    head, blank, note = text.partition("\n\n")
    rows = head.split("\n")
    try:
        if rows[0] != PROOF or not rows[1].startswith("extra ") or not rows[2].startswith("index "):
            raise ValueError("its first lines")
        extra = parse(member, base64.b64decode(rows[1][6:], validate=True))
        index, proof = int(rows[2][6:]), [base64.b64decode(row, validate=True) for row in rows[3:]]
        again = [PROOF, "extra " + base64.b64encode(canon(extra)).decode(), "index %d" % index]
        again += [base64.b64encode(h).decode() for h in proof]
        if "\n".join(again) + "\n\n" + note != text or not blank or not set(extra) <= {"header", "body"}:
            raise ValueError("its form")
        body = extra["body"].encode() if "body" in extra else None
        return extra["header"].encode(), body, index, proof, note
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as problem:
        raise Failed(member, "is malformed in %s" % problem, 2)


def verify_entry(
    data: bytes,
    key: str | None,
    require: str = "SIGNED",
    policy: Policy | None = None,
    turns: Turns | None = None,
) -> Row:
    """Check a file.tlog-proof: that the log holds the one event that it carries.

    Lines of witnesses whose keys are not given say nothing. Returns a dict of what was found; raises Failed.
    """
    member, policy = "the proof", policy or Policy()
    header, body, index, proof, note = read_proof(member, data)
    said = parse(member, header)
    if not isinstance(said, dict) or (body is not None and said.get("b") != sha256(body)):
        raise Failed(member, "has a body that is not the one that its header commits to")
    if key is None:
        raise Failed(member, "proves nothing without the log's key", 3)
    trusted = list(policy.witnesses.values())
    turns = turns or Turns()
    known = [vkey(one)[:2] for one in [key, *turns.of(vkey(key)[0]), *trusted]]
    text, blank, tail = note.rpartition("\n\n")
    lines = [line for line in tail.split("\n") if not line or note_line(member, line)[:2] in known]
    _, size, root, cosigned = turns.open(member, text + blank + "\n".join(lines), key, trusted)
    if not included(leaf(header), index, size, proof, root):
        raise Failed(member, "does not prove that the event is in the log")
    level = "WITNESSED" if policy.met(cosigned) else "SIGNED"
    if LEVELS.index(level) < LEVELS.index(require):
        raise Failed(member, "reaches %s, and %s is asked for" % (level, require), 3)
    return {
        "verdict": level,
        "index": index,
        "size": size,
        "header": said,
        "body": None if body is None else parse(member, body),
        "witnesses": [{"name": vkey(one)[0], "at": _when(at), "trusted": True} for one, at in sorted(cosigned.items())],
        "not_proven": [*LIMITS[:-1], "anything else than this one event"],
    }


def moment_of(text: str) -> dt.datetime:
    """The moment that an event's header tells. Raises ValueError."""
    return dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=dt.timezone.utc)  # noqa: UP017


def read_receipt(member: str, data: bytes) -> tuple[Row, bytes, Row, bytes | None]:
    """(receipt, header, its value, proof or None) of what somebody was handed for a request or a decision."""
    said = parse(member, data.rstrip(b"\n"))
    try:
        header, body, proof = said["header"].encode(), said["body"].encode(), said.get("proof")
        value = parse(member, header)
        if said["type"] != RECEIPT or value["b"] != sha256(body):
            raise Failed(member, "has a body that is not the one that its header commits to")
        moment_of(value["at"])
        return said, header, value, None if proof is None else proof.encode()
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        raise Failed(member, "is malformed in %s" % problem, 2)


def verify_receipt(
    data: bytes,
    key: str | None,
    require: str = "SIGNED",
    policy: Policy | None = None,
    turns: Turns | None = None,
) -> Row:
    """Check a receipt: that the log holds the event that it promised. Returns what `verify_entry` does; raises Failed,
    undetermined where it is still a promise, which nobody signed.
    """
    member = "the receipt"
    said, header, _, proof = read_receipt(member, data)
    if proof is None:
        raise Failed(member, "is a promise that carries no proof yet; ask its portal for that, or hold a pack to it", 3)
    if read_proof(member, proof)[0] != header:
        raise Failed(member, "carries the proof of another event")
    found = verify_entry(proof, key, require, policy, turns)
    return {**found, "body": parse(member, said["body"].encode())}


class Output:
    """What is kept of one task's output, as its runner must have signed it."""

    def __init__(self, seed: bytes) -> None:
        self.seed, self.rest, self.count = seed, b"", 0
        self.tree = Tree()

    def add(self, line: bytes) -> None:
        self.rest += line + b"\n"
        while len(self.rest) >= OUTPUT_CHUNK:
            self._commit(self.rest[:OUTPUT_CHUNK])
            self.rest = self.rest[OUTPUT_CHUNK:]

    def end(self) -> Row:
        if self.rest:
            self._commit(self.rest)
        return {"root": self.tree.root().hex(), "chunks": self.count, "seed": sha256(self.seed)}

    def _commit(self, chunk: bytes) -> None:
        salt = hashlib.sha256(self.seed + self.count.to_bytes(8, "big")).digest()[:16]
        self.tree.add(hashlib.sha256(salt + chunk).digest())
        self.count += 1


def read_output(member: str, lines: Iterable[bytes]) -> tuple[str, dict[str, Row]]:
    """(run, what its runners must have signed by task) of a file of output: `task line` a row, below what it is of."""
    run, names, tasks = "", list[str](), list[Output]()
    try:
        for number, row in enumerate(lines):
            row = row.rstrip(b"\n")
            if number == 0:
                said = parse(member, row)
                if said["type"] != OUTPUT:
                    raise Failed(member, "is no file of output", 2)
                run = said["run"]
                names = [one[0] for one in said["tasks"]]
                tasks = [Output(bytes.fromhex(one[1])) for one in said["tasks"]]
                continue
            place, _, line = row.partition(b" ")
            if not place.isdigit():
                raise Failed(member, "has a line that names no task", 2)
            tasks[int(place)].add(line)
    except (KeyError, TypeError, IndexError, ValueError, AttributeError) as problem:
        raise Failed(member, "is malformed in %s" % problem, 2)
    if not run or len(set(names)) != len(names):
        raise Failed(member, "names no run, or a task twice", 2)
    return run, {name: one.end() for name, one in zip(names, tasks)}


def check_outputs(pack: Pack, given: Mapping[str, Iterable[bytes]]) -> int:
    """Each file of output is what the runners signed of that run's tasks, and nothing is missing; how many tasks.

    Call it once bodies and signatures were checked.
    """
    wanted = {name: read_output(name, lines) for name, lines in given.items()}
    signed: dict[str, dict[str, Row]] = {run: {} for run, _ in wanted.values()}
    for member in sorted(name for name in pack.places if name.startswith("bodies/")):
        for line in pack.lines(member):
            if b'"transcript":{' not in line or b'"dsse":{' not in line:
                continue
            body = parse(member, line)
            try:
                run = parse(member, base64.b64decode(body["dsse"]["payload"]))["predicate"]["facts"]["run"]
                said = {name: body["transcript"][name] for name in ("root", "chunks", "seed")}
            except (KeyError, TypeError, ValueError):  # no task that was finished, or none that signed a seed
                continue
            if run in signed:
                signed[run][body["task"]] = said
    for name, (run, tasks) in sorted(wanted.items()):
        if not signed[run]:
            raise Failed(name, "is of a run of which this pack holds no signed output", 3)
        for task, said in sorted(signed[run].items()):
            if tasks.get(task) != said:
                raise Failed(name, "is not what the runner signed of the output of task %s" % task)
        if set(tasks) - set(signed[run]):
            raise Failed(name, "tells of a task whose output no runner signed")
    return sum(len(tasks) for _, tasks in wanted.values())


def check_receipts(pack: Pack, manifest: Row, given: Mapping[str, bytes]) -> list[str]:
    """Each receipt that falls into the range of a pack stands in it, in its place where the receipt knows it.

    Returns the names of those that are later than the pack. A promise counts once its merge delay is over by the last
    moment that the log tells.
    """
    wanted: dict[str, tuple[Row, bytes, Row, bytes | None]] = {name: read_receipt(name, given[name]) for name in given}
    places, last, origin = {}, "", pack.read("log/checkpoint.end").decode().partition("\n")[0]
    heads = {header: name for name, (_, header, _, _) in wanted.items()}
    for number, line in enumerate(pack.lines(HEADERS)):
        last = max(last, parse(HEADERS, line)["at"])
        if line in heads:
            places[heads[line]] = number
    later = []
    for name, (_, _, value, proof) in sorted(wanted.items()):
        index: int | None = None
        if proof is not None:
            _, _, place, _, note = read_proof(name, proof)
            index = place if note.partition("\n")[0] == origin else None  # a log opened anew has other places
        if name in places:
            if index is not None and index != places[name]:
                raise Failed(name, "proves a place in the log that another event has now: the log was written anew")
            continue
        if index is None:
            over = bool(last) and moment_of(last) - moment_of(value["at"]) >= MERGE_DELAY
        else:
            over = index < manifest["range"]["end"]
        if over:
            raise Failed(name, "promises an event of %s that the log lacks: it was lost or taken out" % value["at"])
        later.append(name)
    return later


def told_entry(found: Row) -> str:
    """What a proof says, for people to read; its last line is the verdict."""
    rows = ["Place %d of %d in the log: %s" % (found["index"], found["size"], canon(found["header"]).decode())]
    rows.append("Its body: %s" % ("withheld" if found["body"] is None else canon(found["body"]).decode()))
    rows += ["Cosigned by %(name)s at %(at)s UTC." % row for row in found["witnesses"]]
    rows.append("Not proven by this: " + "; ".join(found["not_proven"]) + ".")
    return "\n".join([*rows, "verdict: " + found["verdict"]])


def check_said(manifest: Row, said: Row, at: str) -> None:
    """What the log itself says of this export beside the manifest's digest is what the manifest says."""
    for name in ("range", "exporter", "filter", "software"):
        if said[name] != manifest[name]:
            raise Failed("manifest.json", "says another %s than the log's event of this export" % name)
    if at != manifest["made_at"]:
        raise Failed("manifest.json", "says another made_at than the log's event of this export")


def check_files(pack: Pack) -> Row:
    """The manifest of a pack that holds exactly the files that it lists, with the bytes that it lists."""
    for name in NEEDED:
        if name not in pack.places:
            raise Failed(name, "is missing", 2)
    manifest: Row = parse("manifest.json", pack.read("manifest.json"))
    files = manifest["files"]
    for name, digest in pack.digests.items():
        if name not in ("manifest.json", "export.tlog-proof") and files.get(name) != digest:
            raise Failed(name, "is not the file that the manifest lists")
    missing = sorted(set(files) - set(pack.places))
    if missing:
        raise Failed(missing[0], "is listed and missing")
    for name in ("manifest.json", "export.tlog-proof"):
        if name in files:
            raise Failed("manifest.json", "lists itself, or the proof of itself", 2)
    if type(manifest["v"]) is not int or manifest["v"] not in (1, 2):
        raise Failed("manifest.json", "is of a form that this verifier does not know: take a newer one", 2)
    if manifest["range"]["start"] != 0 or manifest["frontier"] != []:
        raise Failed("manifest.json", "this verifier reads packs that begin with the log", 2)
    if manifest["v"] > 1:
        check_form(pack, manifest)
    return manifest


def check_form(pack: Pack, manifest: Row) -> None:
    """A manifest of form 2 says what it must and nothing else, and no member is of an unknown kind."""
    member, wanted, sample = "manifest.json", manifest["filter"], manifest["sample"]
    if set(manifest) - {"witnesses", "mldsa"} != SAID or set(manifest["range"]) != {"start", "end"}:
        raise Failed(member, "holds other fields than a manifest of its form", 2)
    if not set(wanted) <= set(FILTERS) or not all(type(one) is str for one in wanted.values()):
        raise Failed(member, "has a filter that this verifier does not know: take a newer one", 2)
    withheld = manifest["withheld"]
    if type(withheld) is not list or sorted(set(withheld)) != withheld:
        raise Failed(member, "lists what it withholds in another form", 2)
    if type(sample) is not list or (sample and "sample" not in wanted):
        raise Failed(member, "names a sample that its filter does not", 2)
    if manifest["query"] != query(wanted):
        raise Failed(member, "says another query than its filter")
    kinds = r"log/anchors/\d{8}\.tsr|(bodies|disclosures)/\d{8}\.jsonl|reports/[a-z_]+\.csv"
    kinds += r"|attest/run-[0-9a-f-]{36}\.dsse\.json"
    for name in pack.places:
        if name not in NEEDED + DERIVED and not re.fullmatch(kinds, name):
            raise Failed(name, "is no member of a pack", 2)


def query(wanted: Mapping[str, str]) -> str:
    """The command that takes such a pack again."""
    words = ["opsportal", "evidence", "export"]
    return shlex.join(words + [word for name in sorted(wanted) for word in ("--" + name, wanted[name])])


def check_attestation(pack: Pack, header: Row, body: Row) -> str:
    """The name of the runner's statement beside the log, if it is there: the one that the seal of its run holds."""
    name = "attest/run-%s.dsse.json" % header["run"]
    if name in pack.places and pack.read(name) != canon(body.get("dsse")):
        raise Failed(name, "is not the statement of the run's seal")
    return name


def check_end(
    pack: Pack, manifest: Row, root: bytes, key: str | None, witnesses: Collection[str], turns: Turns
) -> dict[str, int]:
    """The log's key signed the root of exactly these headers. Returns who cosigned it."""
    if key is None:
        return {}
    note = pack.read("log/checkpoint.end").decode("utf-8", "replace")
    _, size, signed, cosigned = turns.open("log/checkpoint.end", note, key, witnesses)
    if size != manifest["range"]["end"] or signed != root:
        raise Failed(HEADERS, "does not give the root that the log signed")
    return cosigned


def named_witnesses(manifest: Row) -> list[str]:
    """Keys of witnesses that the pack itself names: their lines must hold, and they count for nothing."""
    named = manifest.get("witnesses", [])
    try:
        sound = isinstance(named, list) and sorted(set(named)) == named and all(vkey(one)[2] == 4 for one in named)
    except (ValueError, TypeError, AttributeError, IndexError):
        sound = False
    if not sound:
        raise Failed("manifest.json", "names witnesses that are none", 2)
    return list(named)


def named_mldsa(manifest: Row) -> list[str]:
    """The ML-DSA-44 key of the log that the pack itself names: a line of it must hold, and counts for nothing."""
    if "mldsa" not in manifest:
        return []
    try:
        name, _, kind, raw = vkey(manifest["mldsa"])
        sound = kind == 6 and len(raw) == 1312 and manifest["mldsa"] == manifest["mldsa"].strip() and bool(name)
    except (ValueError, TypeError, AttributeError, IndexError):
        sound = False
    if not sound:
        raise Failed("manifest.json", "names an ML-DSA-44 key that is none", 2)
    return [manifest["mldsa"]]


def read_log(pack: Pack, manifest: Row) -> Reading:
    """Every header and every body that the filter asks for, read once from beginning to end."""
    scope = Scope(manifest["filter"], manifest.get("sample", ()))
    seen = Foresight(pack.lines(HEADERS), scope)
    if seen.size != manifest["range"]["end"]:
        raise Failed(HEADERS, "does not hold every header of the range")
    reading = Reading(seen, scope)
    store = (Singles if manifest["v"] == 1 else Bundles)(pack, manifest["withheld"])
    attested = {name for name in pack.places if name.startswith("attest/")}
    for line in pack.lines(HEADERS):
        header = reading.take(line)
        member, place, data = "bodies", "", None
        told: list[bytes] = []
        if reading.needs_body():
            member, data = store.body(reading.index, header)
            if data is None and not (header["k"] == "run.requested" and scope.needs_all):
                reading.withhold(member)
        if data is not None:
            place, told = store.disclosures(reading.index, header, data)
        body = reading.follow(member, data, told, place)
        if body is not None and header["k"] in SEALS:
            attested.discard(check_attestation(pack, header, body))
    reading.end()
    reading.story.authority.settle_turns(pack.read("log/checkpoint.end").decode("utf-8", "replace"))
    store.end()
    for name in attested:
        raise Failed(name, "is not the statement of the run's seal")
    reading.samples.check(lambda: pack.lines(HEADERS))
    return reading


def check_counts(manifest: Row, reading: Reading) -> None:
    """The counts of a manifest, and the sample that it is about, are what the log says."""
    counts = {"events": reading.headers.size, "runs": reading.population.count, "bodies": reading.bodies}
    if manifest["v"] > 1:
        counts["disclosures"] = reading.disclosed
        wanted = manifest["filter"].get("sample")
        if wanted is not None and reading.samples.runs(wanted) != manifest["sample"]:
            raise Failed("manifest.json", "names other runs than the sample that was drawn")
    if manifest["counts"] != counts:
        raise Failed("manifest.json", "counts something else than the log")


def check_reports(pack: Pack, reading: Reading) -> dict[str, bytes]:
    """Each report that counts is recomputed. Returns those that are kept in memory."""
    tables = reading.tables()
    for name, text in tables.items():
        if pack.digests.get(name) != sha256(text):
            raise Failed(name, "is not what the log says")
    streams = reading.streams()
    for name, rows in streams.items():
        if pack.digests.get(name) != rows.sha256():
            raise Failed(name, "is not what the log says")
    for name in pack.places:
        if name.endswith(".csv") and name not in tables and name not in streams:
            raise Failed(name, "is no report that this verifier recomputes", 2)
    return tables


def _der(data: bytes) -> list[tuple[int, bytes]]:
    """(tag, content) of each value in DER bytes, of which each is whole. Raises ValueError."""
    found = []
    while data:
        if len(data) < 2 or data[0] & 31 == 31:
            raise ValueError("a value in another form")
        size, head = data[1], 2
        if size & 128:
            head += size & 127
            size = int.from_bytes(data[2:head], "big")
        if not 2 <= head <= 6 or len(data) < head + size:
            raise ValueError("a value that is cut short")
        found.append((data[0], data[head : head + size]))
        data = data[head + size :]
    return found


def stamped(answer: bytes) -> tuple[bytes, int]:
    """(SHA-256, POSIX seconds) that an RFC 3161 answer says; its signature is not looked at. Raises ValueError."""
    try:
        whole = _der(_der(answer)[0][1])
        signed = _der(_der(_der(whole[1][1])[1][1])[0][1])
        info = _der(_der(_der(_der(signed[2][1])[1][1])[0][1])[0][1])
        mark = _der(info[2][1])
        moment = info[4][1].decode("ascii")
        if _der(mark[0][1])[0][1] != bytes.fromhex("608648016503040201") or len(mark[1][1]) != 32:
            raise ValueError("not over SHA-256")
        at = dt.datetime.strptime(moment.split(".")[0].rstrip("Z") + "+0000", "%Y%m%d%H%M%S%z")
    except (IndexError, UnicodeDecodeError) as problem:
        raise ValueError("no RFC 3161 time stamp: %s" % problem)
    return mark[1][1], int(at.timestamp())


def check_anchors(pack: Pack, roots: str | None) -> list[Row]:
    """Each time stamp is over the end of the log as its key signed it. `sound`: it leads to the certificates given."""
    note = pack.read("log/checkpoint.end")
    text, blank, lines = note.rpartition(b"\n\n")
    data, found = text + blank + lines.split(b"\n")[0] + b"\n", []
    for name in sorted(name for name in pack.places if name.startswith("log/anchors/")):
        answer = pack.read(name)
        try:
            mark, at = stamped(answer)
        except ValueError as problem:
            raise Failed(name, "is no time stamp: %s" % problem, 2)
        if mark != hashlib.sha256(data).digest():
            raise Failed(name, "is over something else than the end of this log")
        found.append({"at": _when(at), "sound": roots is not None and _openssl(name, answer, data, at, roots)})
    return found


def _openssl(name: str, answer: bytes, data: bytes, at: int, roots: str) -> bool:
    """Whether openssl finds that a time stamp leads to these certificates; False where there is no openssl."""
    program = shutil.which("openssl")
    if program is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        files = [folder + "/answer", folder + "/data"]
        for path, content in zip(files, (answer, data)):
            with open(path, "wb") as file:
                file.write(content)
        words = [program, "ts", "-verify", "-in", files[0], "-data", files[1], "-CAfile", roots, "-attime", str(at)]
        done = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Failed(name, "does not lead to the certificates that you gave")
    return True


def verify(
    data: bytes | BinaryIO,
    key: str | None,
    require: str = "SIGNED",
    policy: Policy | None = None,
    roots: str | None = None,
    turns: Turns | None = None,
    receipts: Mapping[str, bytes] | None = None,
    mldsa: str | None = None,
    outputs: Mapping[str, Iterable[bytes]] | None = None,
) -> Row:
    """Check a whole pack, given as bytes or as a seekable file. `policy` says which witnesses the reader trusts,
    `roots` is a file with the certificates that time stamps must lead to, `turns` are changes of the log's key that
    the reader knows from elsewhere, `receipts` is what people were handed, `mldsa` the log's ML-DSA-44 key, `outputs`
    are lines of files of output.

    Returns a dict of what was found; raises Failed.
    """
    pack = Pack(io.BytesIO(data) if isinstance(data, bytes) else data)
    try:
        manifest = check_files(pack)
        reading = read_log(pack, manifest)
        holes, gone = reading.erased(), reading.gone()
        check_counts(manifest, reading)
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        raise Failed("manifest.json", "lacks %s" % problem, 2)
    tables = check_reports(pack, reading)
    authority = reading.story.authority
    policy = policy or Policy()
    trusted = list(policy.witnesses.values())
    long = {*named_mldsa(manifest), *([mldsa] if mldsa else [])}
    known = sorted({*trusted, *named_witnesses(manifest), *long})
    if key is not None:  # what the reader knows counts before what the log says
        turns = Turns.around(key, [*(turns or Turns()).rows, *authority.turns.rows])
    turns = turns or Turns()
    cosigned = check_end(pack, manifest, reading.headers.tree.root(), key, known, turns)
    later = check_proof(pack, manifest, key, known, turns)
    level = "INTACT" if key is None else "WITNESSED" if policy.met(cosigned) and policy.met(later) else "SIGNED"
    both = [one for one in long if one in cosigned and one in later]
    if mldsa and key is not None and mldsa not in both:
        raise Failed("log/checkpoint.end", "carries no ML-DSA-44 signature by the key that you gave", 3)
    cosigned = {one: at for one, at in cosigned.items() if one not in long}
    stamps = check_anchors(pack, roots)
    if level == "WITNESSED" and any(one["sound"] for one in stamps):
        level = "TIMESTAMPED"
    if LEVELS.index(level) < LEVELS.index(require):
        raise Failed("log/checkpoint.end", "reaches %s, and %s is asked for" % (level, require), 3)
    beyond = check_receipts(pack, manifest, receipts) if receipts else []
    printed = check_outputs(pack, outputs) if outputs else 0
    return {
        "verdict": level,
        **({"receipts": {"held": len(receipts) - len(beyond), "later": beyond}} if receipts else {}),
        **({"outputs": {"runs": len(outputs), "tasks": printed}} if outputs else {}),
        "events": reading.headers.size,
        "runs": reading.population.count,
        "bodies": reading.bodies,
        "asserted": [{"index": i, "control": c, "why": w} for i, c, w in authority.asserted],
        "closed": [{"index": index, "subject": subject} for subject, index in authority.closed.items()],
        "erased": holes,
        "purged": gone,
        "holds": [dict(row, hold=id) for id, row in sorted(authority.holds.items())],
        "break_glass": {
            "used": len(authority.glass),
            "unreviewed": sum(not use["reviewed"] for use in authority.glass),
        },
        "ahead": [
            {"approver": g["by"], "schedule": g["said"]["schedule"], "runs": g["said"]["runs"], "used": len(g["runs"])}
            for g in authority.ahead.values()
        ],
        "recovered": authority.recovered,
        "outages": authority.outages,
        "turned": [{"index": size, "former": was, "key": now} for _, size, was, now, _ in authority.turns.rows],
        "decisions": counted(tables["reports/strengths.csv"]),
        "providers": authority.synced,
        "witnesses": [
            {"name": vkey(one)[0], "at": _when(at), "trusted": one in trusted} for one, at in sorted(cosigned.items())
        ],
        "mldsa": [{"name": vkey(one)[0], "mark": vkey(one)[1], "trusted": one == mldsa} for one in sorted(both)],
        "stamps": stamps,
        "samples": len(reading.samples.drawn),
        "unread": [name for name in DERIVED if name in pack.places],
        "not_proven": [*LIMITS, *([] if level in ("WITNESSED", "TIMESTAMPED") else [UNWITNESSED])],
    }


def _when(at: int) -> str:
    return (dt.datetime.fromisoformat("1970-01-01") + dt.timedelta(seconds=at)).strftime("%Y-%m-%d %H:%M:%S")


def told(found: Row) -> str:
    """What was found, for people to read; its last line is the verdict."""
    rows = [
        "%(events)d events, %(runs)d runs in scope, %(bodies)d bodies: every hash, proof and seal holds." % found,
        "Reviews and approvals by strength: session %(session)d, totp %(totp)d, signed %(signed)d."
        % found["decisions"],
        "Break-glass: %(used)d, %(unreviewed)d unreviewed." % found["break_glass"],
    ]
    for row in found["witnesses"]:
        counts = "" if row["trusted"] else "; you did not give this key, so it counts for nothing"
        rows.append("Cosigned by %s at %s UTC%s." % (row["name"], row["at"], counts))
    for row in found["mldsa"]:
        counts = "" if row["trusted"] else "; you did not give this key (--mldsa-key), so it counts for nothing"
        rows.append("Signed with ML-DSA-44 beside Ed25519 by %s+%s%s." % (row["name"], row["mark"], counts))
    for row in found["stamps"]:
        counts = "" if row["sound"] else "; that is what it says, its signature was not checked (--tsa-roots, openssl)"
        rows.append("Time stamp of %s UTC%s." % (row["at"], counts))
    for row in found["recovered"]:
        lost = "an unknown number of" if row["lost"] is None else row["lost"]
        said = "LOG OPENED ANEW: leaf %d, after %s went back to %d events; %s published events are not in it."
        rows.append(said % (row["index"], row["former"].split("+")[0], row["restored"]["size"], lost))
    word = "OUT OF USE: leaf %(index)d, %(environment)s from %(from)s to %(to)s; %(acts)d acts by hand."
    rows += [word % row for row in found["outages"]]
    word = "Key turned: leaf %(index)d; trees beyond it are signed by %(key)s, up to it by %(former)s."
    rows += [word % row for row in found["turned"]]
    word = "APPROVED AHEAD: %(used)d of %(runs)d runs of the schedule %(schedule)s, by %(approver)s"
    rows += [word % row for row in found["ahead"]]
    rows += ["ASSERTED BY PLATFORM: leaf %(index)d, %(control)s: %(why)s" % row for row in found["asserted"]]
    word = (
        "ASSERTED BY PLATFORM: leaf %(index)d, person.closed: nobody signs it; it only takes from %(subject)s, for good"
    )
    rows += [word % row for row in found["closed"]]
    for name, row in sorted(found["providers"].items()):
        if row["authority"]:
            groups = ", ".join(row["authority"])
            rows.append("IDENTITY PROVIDER %s IS AN AUTHORITY: it put people into %s." % (name, groups))
        if row["outside"]:
            said = "Identity provider %s put people into groups %d times; outside production alone."
            rows.append(said % (name, row["outside"]))
    for row in found["erased"]:
        rows.append("ERASED: %d value(s) of event %s: %s" % (row["values"], row["event"], ", ".join(row["paths"])))
    word = (
        "PURGED: %(runs)d run(s), %(bodies)d bodies, after their time; two people agreed at leaf %(index)d: %(basis)s"
    )
    rows += [word % row for row in found["purged"]]
    for row in found["holds"]:
        what = ", ".join("%s %s" % (n, row[n]) for n in ("run", "procedure", "subject", "from", "until") if n in row)
        rows.append("UNDER LEGAL HOLD: %s (%s)." % (what, row["basis"]))
    if "receipts" in found:
        rows.append(
            "Receipts: %d stand in this log, %d are later than this pack."
            % (
                found["receipts"]["held"],
                len(found["receipts"]["later"]),
            )
        )
    if "outputs" in found:
        rows.append("Output: of %(tasks)d tasks in %(runs)d runs, as their runners signed it." % found["outputs"])
    if found["samples"]:
        rows.append("%(samples)d samples were drawn, each by its nonce: reports/samples.csv lists all." % found)
    rows.append("Not checked, since derived: " + ", ".join(found["unread"]) + ".")
    rows.append("Not proven by this: " + "; ".join(found["not_proven"]) + ".")
    return "\n".join([*rows, "verdict: " + found["verdict"]])


def decided(data: BinaryIO) -> Iterator[str]:
    """A line for each decision on a plan, in the order of the log, from a pack that was verified: who, and which code.

    The code is the first 32 digits of the plan's digest, as page, command line and mail showed it.
    """
    pack = Pack(data)
    for name in sorted(one for one in pack.places if one.startswith("bodies/")):
        for line in pack.lines(name) if name.endswith("l") else [pack.read(name)]:
            body = json.loads(line)
            said = json.loads(base64.b64decode(body.get("statement", "")) or b"{}")
            what = {
                "opsportal/approval/v1": "%(verdict)s, run %(run)s",
                "opsportal/break-glass/v1": "break-glass, run %(run)s",
                "opsportal/pre-approval/v1": "%(runs)s runs of the schedule %(schedule)s ahead",
            }.get(str(said.get("type")))
            if what is not None:
                digits = said.get("plan_digest", said.get("plan", "")).partition(":")[2]
                code = " ".join(digits[at : at + 4] for at in range(0, 32, 4))
                row = (what % said, body.get("actor"), body.get("strength", "signed"), code)
                yield "Decided: %s, by %s (%s): plan %s" % row


def key_in(given: str) -> str:
    """The key that an argument says, or that stands in the file it names. Raises ValueError, OSError."""
    if "+" not in given:
        with open(given) as file:
            given = file.read()
    vkey(given)
    return given.strip()


def trust(given: argparse.Namespace) -> tuple[str | None, Policy]:
    """(the log's key, the policy) that the arguments say. Raises ValueError, OSError."""
    policy = Policy()
    if given.policy:
        if given.witness_key or given.quorum is not None:
            raise ValueError("--policy says which witnesses and how many: give it alone")
        with open(given.policy, "rb") as file:
            policy = Policy.read(file.read())
    elif given.witness_key:
        keys = [key_in(one) for one in given.witness_key]
        policy = Policy.of_keys(keys, len(keys) if given.quorum is None else given.quorum)
    if given.log_key is None and len(policy.logs) > 1:
        raise ValueError("the policy names several logs: say which by --log-key")
    log = key_in(given.log_key) if given.log_key else policy.logs[0] if policy.logs else None
    if log and vkey(log)[2] != 1:
        raise ValueError("the log's key is not of type 01 (Ed25519)")
    if log and vkey(log)[3] in [vkey(one)[3] for one in policy.witnesses.values()]:
        raise ValueError("a witness's key is the log's own: whoever signs the log is no witness of it")
    return log, policy


def known_turns(path: str | None) -> Turns:
    """What a file of turns says. Raises ValueError, OSError."""
    if path is None:
        return Turns()
    with open(path, "rb") as file:
        return Turns.read(file.read())


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="verify.py", description=__doc__.split("\n")[0])
    parser.add_argument("pack")
    parser.add_argument("--log-key", help="the log's key as text, or a file that holds it")
    parser.add_argument("--mldsa-key", help="the log's ML-DSA-44 key, or a file that holds it: it must have signed too")
    parser.add_argument("--witness-key", action="append", help="a witness's key that you trust; may repeat")
    parser.add_argument("--quorum", type=int, help="how many of these witnesses are enough [all of them]")
    parser.add_argument("--policy", help="instead: a C2SP tlog-policy file")
    parser.add_argument("--tsa-roots", help="file (PEM) with certificates that time stamps must lead to")
    parser.add_argument("--turns", help="file with changes of the log's key, as the portal publishes it")
    parser.add_argument("--require", choices=LEVELS, default="SIGNED")
    parser.add_argument("--receipt", action="append", default=[], help="a receipt to hold the pack to; may repeat")
    parser.add_argument("--output", action="append", default=[], help="a run's output (`opsportal logs --signed`)")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--codes",
        action="store_true",
        help="print the code of each plan decided on, to be compared with what people noted",
    )
    try:
        given = parser.parse_args(argv)
        key, policy = trust(given)
        turns = known_turns(given.turns)
        mldsa = key_in(given.mldsa_key) if given.mldsa_key else None
        if mldsa and (vkey(mldsa)[2] != 6 or not key):
            raise ValueError("--mldsa-key is not of type 06 (ML-DSA-44), or stands without the log's key")
        receipts = {}
        for name in given.receipt:
            with open(name, "rb") as file:
                receipts[name] = file.read()
        outputs = {name: open(name, "rb") for name in given.output}  # noqa: SIM115 (the end of the program closes them)
        pack = open(given.pack, "rb")  # noqa: SIM115 (closed below)
    except (OSError, SystemExit, ValueError, IndexError) as problem:
        if isinstance(problem, SystemExit) and problem.code == 0:
            return 0
        print("cannot begin: %s" % problem)
        return 64
    try:
        with pack:
            begins = pack.read(len(PROOF) + 1)
            pack.seek(0)
            alone = begins == PROOF.encode() + b"\n" or begins.startswith(b"{")
            if alone:
                one = verify_receipt if begins.startswith(b"{") else verify_entry
                found = one(pack.read(), key, given.require, policy, turns)
            else:
                found = verify(pack, key, given.require, policy, given.tsa_roots, turns, receipts, mldsa, outputs)
                for line in decided(pack) if given.codes and not given.json else ():
                    print(line)
    except Failed as problem:
        verdict = {1: "FAILED", 2: "MALFORMED", 3: "UNDETERMINED"}[problem.code]
        if given.json:
            print(json.dumps({"verdict": verdict, "member": problem.member, "reason": problem.reason}))
        else:
            print("%s\nverdict: %s" % (problem, verdict))
        return problem.code
    print(json.dumps(found) if given.json else told_entry(found) if alone else told(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
