"""Two things measured in turn, in the same minutes, and their ratio: absolute times say nothing on a noisy machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Pair:
    """`ours` and `floor` do the same work `times` times when called; a ratio above 1 means that ours takes longer."""

    name: str
    floor_is: str
    ours: Callable[[], object]
    floor: Callable[[], object]
    times: int = 1
    notes: str = ""


@dataclass(slots=True)
class Figure:
    """Seconds per unit of each repetition."""

    pair: Pair
    ours_s: list[float] = field(default_factory=list)
    floor_s: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        return sorted(a / b for a, b in zip(self.ours_s, self.floor_s, strict=True))

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.pair.name,
            "floor": self.pair.floor_is,
            "notes": self.pair.notes,
            "ours_ms": round(1000 * statistics.median(self.ours_s), 3),
            "floor_ms": round(1000 * statistics.median(self.floor_s), 3),
            "ratio": {
                "min": round(self.ratios[0], 2),
                "median": round(statistics.median(self.ratios), 2),
                "max": round(self.ratios[-1], 2),
            },
            "repetitions": len(self.ours_s),
        }

    def line(self) -> str:
        row = self.as_dict()
        ratio = row["ratio"]
        return (
            f"{row['name']:<34} {row['ours_ms']:>10.3f} ms {row['floor_ms']:>10.3f} ms   "
            f"{ratio['median']:>7.2f}  ({ratio['min']:.2f}-{ratio['max']:.2f})   {row['floor']}"
        )


def measured(pair: Pair, repetitions: int) -> Figure:
    """Both once to warm up, then in turn."""
    figure = Figure(pair)
    pair.ours()
    pair.floor()
    for _ in range(repetitions):
        figure.ours_s.append(_seconds(pair.ours) / pair.times)
        figure.floor_s.append(_seconds(pair.floor) / pair.times)
    return figure


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
