"""The members of a pack on their way: each a file of its own, so that no pack needs more memory than its parts."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zlib
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from procedures.domain.errors import OpsError
from procedures.evidence import verify

MOST_BYTES, MOST_MEMBERS = 2**32 - 2**20, 65_000  # what a ZIP without its 64-bit extension holds


class PackTooBig(OpsError):
    """What was asked for does not fit into one pack."""

    code = "evidence.pack-too-big"
    next_step = "Ask for a shorter period, one procedure or one environment; every header is in each such pack."


class Staging(AbstractContextManager["Staging"]):
    """A folder of members, gone at the end of the `with`."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="opsportal-pack-")
        self._open: dict[str, BinaryIO] = {}
        self._sums: dict[str, tuple[int, int, str]] = {}
        self._running: dict[str, tuple[int, int, hashlib._Hash]] = {}

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._open.values():
            file.close()
        self._folder.cleanup()

    def add(self, name: str, data: bytes) -> None:
        """More bytes at the end of a member, which begins with the first of them."""
        if name not in self._open:
            self._open[name] = self._path(len(self._open)).open("wb")
            self._running[name] = (0, 0, hashlib.sha256())
        crc, size, digest = self._running[name]
        digest.update(data)
        self._running[name] = (zlib.crc32(data, crc), size + len(data), digest)
        self._open[name].write(data)

    def finish(self, name: str) -> None:
        """Nothing more comes to it, if it was begun at all."""
        if name in self._running:
            self._open[name].close()
            crc, size, digest = self._running.pop(name)
            self._sums[name] = (crc, size, digest.hexdigest())

    def put(self, name: str, parts: Iterable[bytes]) -> None:
        """A whole member."""
        self.add(name, b"")
        for part in parts:
            self.add(name, part)
        self.finish(name)

    def unfinished(self) -> list[str]:
        """Members to which something may still come."""
        return list(self._running)

    def finish_all(self) -> None:
        for name in self.unfinished():
            self.finish(name)

    def names(self) -> list[str]:
        return sorted(self._sums)

    def digests(self) -> dict[str, str]:
        """SHA-256 of each finished member."""
        return {name: digest for name, (_, _, digest) in self._sums.items()}

    def read(self, name: str) -> bytes:
        return Path(self._open[name].name).read_bytes()

    def write(self, into: BinaryIO) -> None:
        """The canonical ZIP of all members. Raises PackTooBig."""
        rows = [(name, *self._sums[name][:2]) for name in self.names()]
        size = sum(row[2] for row in rows)
        if size > MOST_BYTES or len(rows) > MOST_MEMBERS:
            raise PackTooBig(f"The pack would hold {len(rows)} files of {size:,} bytes together.")
        for row in rows:
            into.write(b"PK\x03\x04" + verify.entry(*row) + row[0].encode())
            with Path(self._open[row[0]].name).open("rb") as file:
                shutil.copyfileobj(file, into, verify.CHUNK)
        into.write(verify.directory(rows))

    def _path(self, number: int) -> Path:
        return Path(self._folder.name, f"{number:06d}")
