"""Secrets that a step makes while it runs: which values may be one, and the lines by which a step names them (H22).

Whoever may have something masked may hide something. So a value must look like a secret, and must be none of what the
reviewers or the approver saw: the text of a command would go out of the log with it.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

MARK = b"::secret::"
MOST = 100  # of a run
SHORTEST, LONGEST = 8, 65_536
BITS_A_BYTE, BITS = 2.0, 16.0


def bits(value: bytes) -> float:
    """Shannon's measure over the bytes of the value itself: 0 for one byte repeated, 24 for eight different ones."""
    size = len(value)
    return -sum(count * math.log2(count / size) for count in Counter(value).values()) if size else 0.0


def unfit(value: bytes) -> str:
    """Why a value is too plain, too short or too long to be masked wherever it appears, or ""."""
    core = value.strip()
    if len(core) < SHORTEST:
        return f"it has fewer than {SHORTEST} bytes"
    if len(value) > LONGEST:
        return f"it has more than {LONGEST:,} bytes"
    measure = bits(core)
    if measure < BITS or measure / len(core) < BITS_A_BYTE:
        return "it is too plain to be a secret"
    return ""


def in_the_open(value: bytes, files: Mapping[str, bytes], parameters: Mapping[str, Any]) -> bool:
    """Whether the value stands in the accepted bundle or among the parameters, which reviewer and approver saw."""
    core = value.strip()
    seen = [*files.values(), *(text.encode("utf-8", "surrogateescape") for text in texts_of(parameters))]
    return any(core in text for text in seen)


def texts_of(value: Any) -> Iterable[str]:
    """Every text and number in a JSON value, as text; names of values are not among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from texts_of(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts_of(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield json.dumps(value)


class SecretLines:
    """Finds lines `::secret::VALUE` in one stream, however it is cut. `take` hears each value before its line goes on.

    Only what may yet become such a line is held back, and at most the longest one.
    """

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._held = b""
        self._begins = True  # what is held stands at the beginning of a line

    def feed(self, data: bytes) -> bytes:
        """What may go on to the mask now."""
        text, out = self._held + data, bytearray()
        while text:
            if not self._begins:
                cut = self._plain(text)
                out += text[:cut]
                text = text[cut:]
                if not self._begins:
                    break
            elif text.startswith(MARK) and (end := text.find(b"\n")) >= 0:
                self._take(text[len(MARK) : end].removesuffix(b"\r"))
                out += text[: end + 1]
                text = text[end + 1 :]
            elif text.startswith(MARK) and len(text) > len(MARK) + LONGEST:
                self._take(text[len(MARK) :])
                self._begins = False
            elif text.startswith(MARK) or MARK.startswith(text):
                break
            else:
                self._begins = False
        self._held = text
        return bytes(out)

    def flush(self) -> bytes:
        """The rest of a stream that has ended: its last line needs no line end."""
        held, self._held, self._begins = self._held, b"", True
        if held.startswith(MARK):
            self._take(held[len(MARK) :].removesuffix(b"\r"))
        return held

    def _plain(self, text: bytes) -> int:
        """How much of a text is certainly none of such a line; `_begins` is set if the rest may be."""
        at = text.find(b"\n" + MARK)
        last = at + 1 if at >= 0 else text.rfind(b"\n") + 1
        self._begins = at >= 0 or (last > 0 and MARK.startswith(text[last:]))
        return last if self._begins else len(text)
