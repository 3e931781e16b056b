"""Asks for another key of the log, and waits a little until the sequencer turned to it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from procedures.domain.errors import InvalidInput
from procedures.evidence import place, turning

LONGEST_REASON = 1000
WAIT_S = 15.0


@dataclass(frozen=True, slots=True)
class Rotated:
    """`finished`: the sequencer signs by it; it does so when it runs next where it does not run now."""

    verifier: str
    finished: bool


def rotate(*, reason: str, by: str, wait_s: float = WAIT_S) -> Rotated:
    """Raises InvalidInput, NotTurned."""
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise InvalidInput([("/reason", f"1 to {LONGEST_REASON} characters")])
    path = Path(settings.OPSPORTAL_EVIDENCE_KEY_FILE)
    made = turning.ask(path, place.origin(path), reason=reason.strip(), by=by)
    end = time.monotonic() + wait_s
    while turning.asked(path) and time.monotonic() < end:
        time.sleep(0.2)
    return Rotated(made.verifier, not turning.asked(path))
