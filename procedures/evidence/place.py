"""Where the log of this portal lives: its origin, its key file, and the memory of what was published."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from procedures.evidence.notes import load_key
from procedures.evidence.sequence import Sequencer


def origin() -> str:
    """The log's name in notes: the portal's host and port, and `/evidence/log`."""
    parts = urlsplit(settings.OPSPORTAL_PUBLIC_URL)
    return f"{parts.netloc.replace(':', '.')}/evidence/log"


def log_sequencer() -> Sequencer:
    """The sequencer of this portal; reads the key, so only the sequencer process may call it."""
    path = Path(settings.OPSPORTAL_EVIDENCE_KEY_FILE)
    key = load_key(path, origin())
    public = Path(settings.OPSPORTAL_PUBLIC_DIR)
    public.mkdir(mode=0o700, parents=True, exist_ok=True)
    for verifier in (path.with_suffix(".pub"), public / "evidence.pub"):
        verifier.write_text(key.verifier + "\n")
    return Sequencer(key, path.with_suffix(".published"))
