"""What the mirror holds, as the sequencer says in a file: neither web nor a check needs the bucket or its keys."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings

from procedures.evidence import known

FILE = "mirror"


@dataclass(frozen=True, slots=True)
class Mirrored:
    """The first `size` leaves of the log `origin` are mirrored, whose root is `root` (hexadecimal), since `at`.

    `problem` is what is wrong now, since `problem_at`; `differs` where the mirror holds something else for good.
    """

    origin: str
    size: int = 0
    root: str = ""
    at: str = ""
    problem: str = ""
    problem_at: str = ""
    differs: bool = False


def mirrored() -> Mirrored | None:
    """None where this portal has no mirror."""
    with suppress(FileNotFoundError, ValueError, TypeError):
        return Mirrored(**json.loads(_path().read_text()))
    return None


def tell(state: Mirrored | None) -> None:
    """Say how it stands; None: there is no mirror."""
    if state is None:
        _path().unlink(missing_ok=True)
    else:
        known.publish(_path(), json.dumps(asdict(state)))


def _path() -> Path:
    return Path(settings.OPSPORTAL_PUBLIC_DIR) / FILE
