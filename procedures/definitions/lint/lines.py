"""Places of a long text as lines, found once."""

from __future__ import annotations

import re
from bisect import bisect_left

LINE_END = re.compile(r"\n")


class Lines:
    """Which line a place of a text stands in, without counting from its beginning each time."""

    def __init__(self, text: str) -> None:
        self.ends = [match.start() for match in LINE_END.finditer(text)]

    def of(self, place: int) -> int:
        return bisect_left(self.ends, place) + 1
