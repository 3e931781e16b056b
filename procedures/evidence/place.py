"""Where the log of this portal lives: its origin, its key file, and the memory of what was published."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from procedures.evidence import known, turning
from procedures.evidence.models import Checkpoint
from procedures.evidence.notes import load_key
from procedures.evidence.sequence import LogWentBack, Sequencer


def number(path: Path) -> int:
    """Which log of this portal this is: 1, until one had to be opened anew (recovery.py). `path` is the key's."""
    with suppress(FileNotFoundError):
        return int(path.with_suffix(".number").read_text())
    return 1


def origin(path: Path, *, step: int = 0) -> str:
    """The log's name in notes: the portal's host and port, `/evidence/log`, and its number from the second on."""
    parts = urlsplit(settings.OPSPORTAL_PUBLIC_URL)
    which = number(path) + step
    return f"{parts.netloc.replace(':', '.')}/evidence/log" + (f"/{which}" if which > 1 else "")


def log_sequencer() -> Sequencer:
    """The sequencer of this portal; reads the key, so only the sequencer process may call it.

    Raises LogWentBack; then the public key stays the one that the log was signed with.
    """
    path = Path(settings.OPSPORTAL_EVIDENCE_KEY_FILE)
    last = Checkpoint.objects.order_by("-size").first()
    if last is not None and not path.exists():
        raise LogWentBack(f"This database holds a log of {last.size} events, and the key that signed it is not here.")
    turning.settle(path, origin(path))
    key = load_key(path, origin(path))
    public = Path(settings.OPSPORTAL_PUBLIC_DIR)
    public.mkdir(mode=0o700, parents=True, exist_ok=True)
    sequencer = Sequencer(key, path.with_suffix(".published"), public / "checkpoint")
    sequencer.compare(last)
    turning.publish(key.verifier)
    for verifier in (path.with_suffix(".pub"), public / "evidence.pub"):
        known.publish(verifier, key.verifier + "\n")
    return sequencer
