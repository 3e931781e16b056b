"""Keeps packs for good: python -m tests.golden.keep RELEASE FOLDER takes each NAME.zip with its NAME.key from a folder.

They lie together in RELEASE.tar.xz, and what the verifier found in each in RELEASE.json.
"""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from procedures.evidence import verify

HERE = Path(__file__).parent
# What a later verifier must find too; it may find more.
TOLD = ("verdict", "events", "runs", "bodies", "asserted", "closed", "erased", "break_glass", "ahead", "decisions")


def found(pack: bytes, log_key: str) -> dict[str, Any]:
    """What a verifier says that must not change."""
    said = verify.verify(pack, log_key)
    return {name: said[name] for name in TOLD}


def keep(release: str, folder: Path) -> None:
    """Write what FOLDER holds; a pack that does not verify is refused by its name."""
    kept = {}
    with tarfile.open(HERE / f"{release}.tar.xz", "w:xz") as archive:
        for path in sorted(folder.glob("*.zip")):
            data, log_key = path.read_bytes(), path.with_suffix(".key").read_text().strip()
            kept[path.name] = {"log_key": log_key, "found": found(data, log_key)}
            row = tarfile.TarInfo(path.name)
            row.size = len(data)
            archive.addfile(row, io.BytesIO(data))
    (HERE / f"{release}.json").write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")


def releases() -> list[str]:
    return sorted(path.stem for path in HERE.glob("*.json"))


def kept(release: str) -> Iterator[tuple[str, bytes, dict[str, Any]]]:
    """(name, pack, its key and what was found in it) of each pack of a release."""
    said = json.loads((HERE / f"{release}.json").read_text())
    with tarfile.open(HERE / f"{release}.tar.xz") as archive:
        for row in archive:
            file = archive.extractfile(row)
            assert file is not None
            yield row.name, file.read(), said.pop(row.name)
    assert not said, "packs that are described and not there"


if __name__ == "__main__":
    keep(sys.argv[1], Path(sys.argv[2]))
