"""Bundles from folders and archives, and back: sizes known before anything is unpacked, no link followed."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from procedures.domain.bundle import MAX_BYTES, MAX_FILES, BundleRefused, check_paths

SKIPPED = frozenset({".git", "__pycache__", ".DS_Store"})


def read_folder(folder: Path) -> dict[str, bytes]:
    """Every plain file below `folder`. Raises BundleRefused for a symlink, a device or too much."""
    files: dict[str, bytes] = {}
    total = 0
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if SKIPPED & set(relative.parts) or (path.is_dir() and not path.is_symlink()):
            continue
        if path.is_symlink() or not path.is_file():
            raise BundleRefused(f"{relative} is a link or a special file.", rule="symlink", path=relative.as_posix())
        total += path.stat().st_size
        if total > MAX_BYTES or len(files) >= MAX_FILES:
            raise BundleRefused("The folder holds more than 5 MiB or too many files.")
        files[relative.as_posix()] = path.read_bytes()
    check_paths(files)
    return files


def pack(files: Mapping[str, bytes]) -> bytes:
    """The one tar.gz of these files: sorted, without times, owners or modes; names may be long and in any script."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(files):
            entry = tarfile.TarInfo(path)
            entry.size = len(files[path])
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(files[path]))
    return gzip.compress(raw.getvalue(), mtime=0)


def unpack(data: bytes) -> dict[str, bytes]:
    """The files of a tar.gz. Raises BundleRefused; a bomb is cut off at the limit."""
    if len(data) > MAX_BYTES:
        raise BundleRefused(f"The archive is {len(data):,} bytes; the limit is 5 MiB.")
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            plain = stream.read(MAX_BYTES * 2 + 1)
        if len(plain) > MAX_BYTES * 2:
            raise BundleRefused("The archive unpacks to more than 5 MiB.")
        files = _members(plain)
    except (OSError, EOFError, tarfile.TarError) as problem:
        raise BundleRefused(f"The bundle is not a readable tar.gz: {problem}") from problem
    check_paths(files)
    return files


def _members(plain: bytes) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    left = MAX_BYTES
    with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as tar:
        for member in tar:
            name = member.name.removeprefix("./")
            if member.isdir():
                continue
            if not member.isreg() or member.issparse():  # a sparse file is as large as it says, of nothing
                raise BundleRefused(f"{name} is a link or a special file.", rule="symlink", path=name)
            if name in files or len(files) >= MAX_FILES:
                raise BundleRefused(f"{name} stands in the bundle twice, or there are too many files.")
            left -= member.size
            if left < 0:
                raise BundleRefused("The archive unpacks to more than 5 MiB.")
            content = tar.extractfile(member)
            files[name] = content.read() if content else b""
    return files
