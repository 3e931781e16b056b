"""A run's steps against the clock, as numbers for inline SVG: shares of the width in percent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from procedures.models import Run
from procedures.queries.pages_runs import StepRow
from procedures.web.templatetags.readings import length

NICE = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400)
CLASS = {"running": "l", "succeeded": "d", "waiting": "w"}
BAD = {"failed", "timed_out", "unreachable", "interrupted"}


@dataclass(frozen=True, slots=True)
class Bar:
    x: str
    width: str
    css: str
    title: str


@dataclass(frozen=True, slots=True)
class Axis:
    """`ticks` are (x, label); `now_x` is where the clock stands, empty once the run has ended."""

    ticks: list[tuple[str, str]]
    now_x: str


def draw(run: Run, steps: Sequence[StepRow], at: datetime) -> tuple[Axis, list[list[Bar]]]:
    """The axis, and the bars of each step."""
    start = run.started_at or run.requested_at
    whole = max(1.0, ((run.ended_at or at) - start).total_seconds()) * (1.0 if run.ended_at else 1.06)
    every = next((n for n in NICE if whole / n <= 6), NICE[-1])
    ticks = [(f"{n / whole * 100:.2f}%", length(n) if n else "0") for n in range(0, int(whole) + 1, every)][:7]
    now_x = "" if run.ended_at else f"{100 / 1.06:.2f}%"
    return Axis(ticks, now_x), [_bars(step, start, whole, at) for step in steps]


def _bars(step: StepRow, start: datetime, whole: float, at: datetime) -> list[Bar]:
    bars = []
    for began, ended, state in step.spans[:200]:
        left = max(0.0, (began - start).total_seconds())
        took = max(0.0, ((ended or at) - began).total_seconds())
        css = "w" if step.action.startswith("gate:") else "f" if state in BAD else CLASS.get(state, "p")
        bars.append(
            Bar(
                f"{left / whole * 100:.2f}%",
                f"{max(0.4, took / whole * 100):.2f}%",
                css,
                f"{step.name}: {state.replace('_', ' ')}, {length(took)}",
            )
        )
    return bars
