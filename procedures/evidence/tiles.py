"""The log as C2SP tlog-tiles: which hashes and entries stand in a tile, and where it has its place.

What is stored is what is served: a full tile of 256 hashes for ever, and the one that grows, whose beginning is every
partial tile that any checkpoint ever asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from procedures.evidence.models import Checkpoint, Leaf, Tile
from procedures.evidence.reigns import require

WIDTH = 256
HASH = 32
LONGEST_ENTRY = 0xFFFF
_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """A tile of `level`, or the bundle of entries below tile `number` of level 0 (`level` None); `width` 1 to 256."""

    level: int | None
    number: int
    width: int

    @property
    def path(self) -> str:
        """Such as `tile/0/x001/x234/067.p/8`."""
        what = "entries" if self.level is None else str(self.level)
        return f"tile/{what}/{number_path(self.number)}" + ("" if self.width == WIDTH else f".p/{self.width}")


def number_path(number: int) -> str:
    """The number in elements of three digits, all but the last begun by an x."""
    digits = str(number)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])


def place_of(path: str) -> Place | None:
    """What a path names, if it is written in the one way that there is."""
    found = _PATH.fullmatch(path)
    if found is None or len(path) > 64:
        return None
    level = None if found[1] == "entries" else int(found[1])
    place = Place(level, int(found[2].replace("x", "").replace("/", "")), int(found[3] or WIDTH))
    return place if place.path == path and (level or 0) <= 63 and (found[3] is None or place.width < WIDTH) else None


def places(size: int, *, since: int = 0) -> list[Place]:
    """Every tile and bundle of a tree of `size` entries that one of `since` entries has not got, partial ones last."""
    full, partial = [], []
    for level in range(64):
        span, kinds = WIDTH ** (level + 1), (0, None) if level == 0 else (level,)
        full += [Place(at, number, WIDTH) for number in range(since // span, size // span) for at in kinds]
        if width := size // WIDTH**level % WIDTH:
            partial += [Place(at, size // span, width) for at in kinds]
        if size < span:
            break
    return full + partial


def content(place: Place) -> bytes | None:
    """The bytes of a tile or bundle; None where the log has not grown so far."""
    return _bundle(place) if place.level is None else _hashes(place.level, place)


def _hashes(level: int, place: Place) -> bytes | None:
    row = Tile.objects.filter(level=level, number=place.number).values_list("hashes", flat=True).first()
    found = bytes(row or b"")[: place.width * HASH]
    return found if len(found) == place.width * HASH else None


def _bundle(place: Place) -> bytes | None:
    """Each entry is a header: 16 bits of length, and its bytes, which hash to the leaf (RFC 6962, 2.1)."""
    first = place.number * WIDTH
    if first >= 2**63 - WIDTH:
        return None
    rows = Leaf.objects.filter(index__gte=first, index__lt=first + place.width).order_by("index")
    headers = [bytes(header) for header in rows.values_list("event__header", flat=True)]
    if len(headers) != place.width:
        return None
    return b"".join(len(header).to_bytes(2, "big") + header for header in headers)


def newest() -> Checkpoint | None:
    """The newest checkpoint; every tile that its size asks for is served. Raises CheckpointRefused."""
    last = Checkpoint.objects.order_by("-size").first()
    return require(last) if last is not None else None
