"""The pack as a file: what evidence.md says of the ZIP, read with the standard library's own reader."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
import zlib
from typing import Any

import rfc8785

UNREAD = {"manifest.json", "export.tlog-proof"}
EPOCH = (1980, 1, 1, 0, 0, 0)


class Refused(Exception):
    """The pack does not hold; `undetermined` where it only proves less than is asked for."""

    def __init__(self, why: str, *, undetermined: bool = False) -> None:
        super().__init__(why)
        self.undetermined = undetermined


def need(holds: object, why: str) -> None:
    if not holds:
        raise Refused(why)


def value_of(data: bytes) -> Any:
    """The value of bytes in RFC 8785's form, within the profile: no fractions, nothing twice, numbers that fit."""
    import json

    def once(rows: list[tuple[str, Any]]) -> dict[str, Any]:
        need(len(dict(rows)) == len(rows), "a key stands twice")
        need(all(name.isascii() for name, _ in rows), "a key outside ASCII")
        return dict(rows)

    def whole(_: str) -> Any:
        raise Refused("a number is not whole")

    try:
        value = json.loads(data, object_pairs_hook=once, parse_float=whole, parse_constant=whole)
        need(rfc8785.dumps(value) == data, "not in canonical form")
    except (ValueError, RecursionError, rfc8785.CanonicalizationError) as problem:
        raise Refused("no JSON") from problem
    return value


def members_of(data: bytes) -> dict[str, bytes]:
    """Every member, if the file is the one ZIP of them: stored, sorted, without gap, date or remark."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            rows, found = archive.infolist(), {}
            need(not archive.comment and rows, "a remark, or nothing in it")
            for row in rows:
                found[row.filename] = archive.read(row)
    except (
        zipfile.BadZipFile,
        ValueError,
        NotImplementedError,
        EOFError,
        struct.error,
        OSError,
        zlib.error,
    ) as problem:
        raise Refused("no ZIP") from problem
    names = [row.filename for row in rows]
    need(names == sorted(set(names)) and all(name.isascii() for name in names), "names out of order")
    place = 0
    for row in rows:
        need(row.header_offset == place, "a gap between members")
        need(row.compress_type == zipfile.ZIP_STORED and row.date_time == EPOCH and row.flag_bits == 0x800, "metadata")
        fixed = (row.create_version, row.create_system, row.extract_version, row.extra, row.comment)
        need(fixed == (20, 0, 20, b"", b"") and not row.external_attr and not row.internal_attr, "metadata")
        local = data[place : place + 30]
        fields = struct.unpack("<4sHHHHHIIIHH", local)
        want = (b"PK\x03\x04", 20, 0x800, 0, 0, 0x21, row.CRC, row.file_size, row.file_size, len(row.filename), 0)
        need(fields == want, "a local header differs from the directory")
        place += 30 + len(row.filename) + row.file_size
    need(data[place:-22] == b"".join(map(directory_of, rows)), "a directory of another form, or bytes of nothing")
    need(data[-22:] == end_of(len(rows), len(data) - place - 22, place), "the end of the directory")
    return found


def directory_of(row: zipfile.ZipInfo) -> bytes:
    """The one entry of the directory that a member can have: `zipfile` reads more, such as a name cut short."""
    made = (20, 20, 0x800, 0, 0, 0x21, row.CRC, row.file_size, row.file_size, len(row.filename), 0, 0, 0, 0, 0)
    return struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", *made, row.header_offset) + row.filename.encode()


def end_of(count: int, size: int, place: int) -> bytes:
    return struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, size, place, 0)


def listed(members: dict[str, bytes]) -> Any:
    """The manifest, if it lists exactly the members that there are, by their digests."""
    need(members.keys() >= UNREAD | {"log/headers.jsonl", "log/checkpoint.end", "README.txt"}, "members are missing")
    manifest = value_of(members["manifest.json"])
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in members.items() if name not in UNREAD}
    need(isinstance(manifest, dict) and manifest.get("files") == digests, "the manifest lists other files")
    fields = {"v", "range", "frontier", "filter", "counts", "sample", "withheld", "files", "software", "exporter"}
    need(set(manifest) - {"mldsa", "witnesses"} == fields | {"made_at", "query"}, "the manifest has other fields")
    need(manifest["v"] == 2 and manifest["frontier"] == [] and manifest["range"].keys() == {"start", "end"}, "form")
    need(type(manifest["v"]) is int and manifest["range"]["start"] == 0, "form")
    return manifest


def rows_of(data: bytes) -> list[bytes]:
    """Lines that each end."""
    need(not data or data.endswith(b"\n"), "a last line without an end")
    return data.split(b"\n")[:-1]
