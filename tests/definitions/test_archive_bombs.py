"""Archives that say they hold much more than they bring: refused before anything of it is read (H37)."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc

import pytest

from procedures.definitions.archive import unpack
from procedures.domain.bundle import BundleRefused

HUGE = 8 << 30


def gnu_sparse() -> bytes:
    """A file of eight gigabytes with no data at all, as GNU tar writes it."""
    info = tarfile.TarInfo("work.sh")
    info.type = tarfile.GNUTYPE_SPARSE
    raw = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    raw[483:495] = HUGE.to_bytes(12, "big")
    raw[483] |= 0x80
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw[:512])
    return bytes(raw) + bytes(1024)


def pax_sparse() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("work.sh")
        info.pax_headers = {
            "GNU.sparse.major": "0",
            "GNU.sparse.minor": "1",
            "GNU.sparse.map": "0,0",
            "GNU.sparse.size": str(HUGE),
        }
        tar.addfile(info)
    return out.getvalue()


def many_times_the_limit() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for number in range(3):
            info = tarfile.TarInfo(f"{number}.txt")
            info.size = 3 << 20
            tar.addfile(info, io.BytesIO(bytes(info.size)))
    return out.getvalue()


@pytest.mark.parametrize("make", [gnu_sparse, pax_sparse, many_times_the_limit])
def test_a_small_archive_of_a_huge_file_is_refused_without_its_memory(make: object) -> None:
    data = gzip.compress(make())  # type: ignore[operator]
    assert len(data) < 20_000
    tracemalloc.start()
    try:
        with pytest.raises(BundleRefused):
            unpack(data)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
