"""What witnesses cosigned, as it stands in the database: notes with their lines, and whether they are a quorum."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from django.conf import settings

from procedures.domain.errors import OpsError
from procedures.evidence.cosigning import cosigned_at
from procedures.evidence.models import Checkpoint, Cosignature, WitnessContact
from procedures.evidence.notes import COSIGNATURE, KeyRefused, NoteRefused, read_verifier, split_note
from procedures.evidence.verify import Policy

PUBLIC, NEWEST = "witnesses", "witnessed"


class PolicyRefused(OpsError):
    """A tlog-policy file that does not say which witnesses there are."""

    code = "witness.policy-refused"
    next_step = "Mend the file that OPSPORTAL_WITNESS_POLICY_FILE names, or leave the setting empty."


def read_policy(path: Path) -> Policy:
    """The policy in a file. Raises PolicyRefused."""
    try:
        return Policy.read(path.read_bytes())
    except (OSError, ValueError) as problem:
        raise PolicyRefused(f"{path} is no tlog-policy: {problem}.") from problem


def public_policy() -> Policy | None:
    """The witnesses of this portal, as its sequencer published them; None where it has none."""
    path = Path(settings.OPSPORTAL_PUBLIC_DIR) / PUBLIC
    return read_policy(path) if path.exists() else None


def note_with_lines(checkpoint: Checkpoint, keys: Iterable[str]) -> str:
    """The checkpoint's note with every cosignature by one of these keys (as text) that holds."""
    rows = Cosignature.objects.filter(checkpoint=checkpoint, witness__in=list(keys)).order_by("witness")
    return checkpoint.note + "".join(row.line for row in rows if holds(row, checkpoint.note))


def holds(row: Cosignature, note: str) -> bool:
    """Whether a row says what its witness signed: whoever can write the database can write any row."""
    try:
        return row.at in cosigned(note.rpartition("\n\n")[0] + "\n\n" + row.line, [row.witness]).values()
    except (NoteRefused, KeyRefused):
        return False


def cosigned(note: str, keys: Iterable[str]) -> dict[str, datetime]:
    """Key → when, of the cosignatures in a note by these keys that hold. Raises NoteRefused, KeyRefused."""
    text, lines = split_note(note)
    found = {key: [cosigned_at(line, read_verifier(key, kind=COSIGNATURE), text) for line in lines] for key in keys}
    return {key: max(at for at in moments if at) for key, moments in found.items() if any(moments)}


def cosigners(note: str, keys: Iterable[str]) -> set[str]:
    """The same without the moments."""
    return set(cosigned(note, keys))


def quorum_at(policy: Policy, checkpoint: Checkpoint) -> bool:
    """Whether a quorum cosigned this checkpoint."""
    return policy.met(set(Cosignature.objects.filter(checkpoint=checkpoint).values_list("witness", flat=True)))


def answering() -> set[str]:
    """Keys of the witnesses that did what they should when they were asked last."""
    return set(WitnessContact.objects.filter(problem="", cosigned_at__isnull=False).values_list("witness", flat=True))


def first_witnessed(policy: Policy, *, from_size: int) -> Checkpoint | None:
    """The smallest checkpoint of at least this size that a quorum cosigned."""
    rows = Cosignature.objects.filter(witness__in=list(policy.witnesses.values()), checkpoint_id__gte=from_size)
    have: dict[int, set[str]] = {}
    for size, witness in rows.order_by("checkpoint_id").values_list("checkpoint_id", "witness").iterator():
        have.setdefault(size, set()).add(witness)
        if policy.met(have[size]):
            return Checkpoint.objects.get(pk=size)
    return None
