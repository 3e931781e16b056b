"""So many requests a minute for each caller, as this process has seen them."""

from __future__ import annotations

from collections import deque


class Pace:
    """Remembers the last `most` requests of each caller."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: dict[str, deque[float]] = {}

    def allows(self, caller: str, at: float) -> bool:
        """Whether one more is within the limit; `at` are seconds of a clock that only goes forward."""
        last = self._seen.setdefault(caller, deque(maxlen=self._most))
        if len(last) == self._most and at - last[0] < 60:
            return False
        last.append(at)
        return True
