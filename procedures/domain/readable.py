"""How much of what a run printed can be read afterwards: whoever hides something hides it in what cannot (H22)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

MASKED_SHARE = 20  # more than a twentieth marks a run
MARKS = ("masked", "cut", "withheld")


@dataclass(frozen=True, slots=True)
class Readable:
    """Bytes that were printed, and of them those that were masked, not kept, or never shown."""

    printed: int = 0
    masked: int = 0
    cut: int = 0
    withheld: int = 0

    def __add__(self, other: Readable) -> Readable:
        return Readable(
            self.printed + other.printed,
            self.masked + other.masked,
            self.cut + other.cut,
            self.withheld + other.withheld,
        )

    def marks(self) -> tuple[str, ...]:
        """What an auditor should look at: more than 5 % masked, anything cut off, anything withheld."""
        said = {"masked": self.masked * MASKED_SHARE > self.printed, "cut": self.cut > 0, "withheld": self.withheld > 0}
        return tuple(mark for mark in MARKS if said[mark])

    def facts(self) -> dict[str, int]:
        return asdict(self)


def words(counts: Readable, marks: Sequence[str]) -> list[str]:
    """One sentence for each mark, for people."""
    said = {
        "masked": f"{counts.masked:,} of the {counts.printed:,} bytes that it printed are masked: more than 5 %, or"
        " more than that of one step.",
        "cut": f"{counts.cut:,} bytes of what it printed are not kept; the log says where.",
        "withheld": f"{counts.withheld:,} bytes of what it printed were never shown.",
    }
    return [said[mark] for mark in MARKS if mark in marks]
