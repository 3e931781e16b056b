"""Opens a new log after a restore that went back, with everything that is known to have been published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

from opsportal.keeping.restore import kept_notes
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.evidence import known, recovery
from procedures.evidence.known import Known

LONGEST_REASON = 1000


def recover(*, reason: str, by: str, checkpoints: Sequence[Path]) -> recovery.Recovered:
    """Raises InvalidInput, CheckpointUnreadable, NothingToRecover."""
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise InvalidInput([("/reason", f"1 to {LONGEST_REASON} characters")])
    path = Path(settings.OPSPORTAL_EVIDENCE_KEY_FILE)
    beside = [path.with_suffix(".pub"), *sorted(path.parent.glob(f"{path.stem}.turned-*.pub"))]
    noted = kept_notes(checkpoints, [file.read_text().strip() for file in beside if file.exists()])
    if (seen := known.remembered(path.with_suffix(".published"))) is not None:
        noted.append(Known(*seen, "the sequencer's memory"))
    return recovery.open_new_log(reason=reason.strip(), by=by, noted=noted, at=now())
