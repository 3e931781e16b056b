"""What a browser needs to check a run's evidence by itself: headers, seal, proofs, checkpoints."""

from __future__ import annotations

import base64
from typing import Any
from uuid import UUID

from procedures.domain.errors import InvalidInput
from procedures.evidence import proofs, tiles, turning
from procedures.evidence.cosignatures import note_with_lines, public_policy
from procedures.evidence.models import Event
from procedures.evidence.sequence import range_root
from procedures.evidence.tree import consistency

MOST_EVENTS = 20_000


def to_check(run: UUID, *, seen: int | None, bodies: bool) -> dict[str, Any]:
    """The evidence of a run that has ended, as texts: `headers` in their order, the `proof` of its seal (with the
    seal's body), the newest `checkpoint`, the keys of `witnesses`, the `turns` of the log's key, and `between`:
    consistency proofs from the size that a browser has `seen`, and from the proof's, to the newest. `bodies` by event,
    if asked for.

    Raises NotLogged; InvalidInput for a run with too many events.
    """
    seal = proofs.seal_of(run)
    rows = list(Event.objects.filter(run=run).order_by("n")[: MOST_EVENTS + 1])
    if len(rows) > MOST_EVENTS:
        reason = f"has more than {MOST_EVENTS:,} events: take an evidence file, which is checked without the portal"
        raise InvalidInput([("/run", reason)])
    proof = proofs.proof_of(seal.pk, body=True)
    newest, policy = tiles.newest(), public_policy()
    assert newest is not None  # noqa: S101 - a proof stands below one
    keys = sorted(policy.witnesses.values()) if policy else []
    sizes = {int(proof.decode().rpartition("\n\n")[0].split("\n")[-2]), seen or 0}
    said = {
        "headers": [bytes(row.header).decode() for row in rows],
        "proof": proof.decode(),
        "checkpoint": note_with_lines(newest, keys),
        "witnesses": keys,
        "turns": turning.notes(),
        "between": [_between(size, newest.size) for size in sorted(sizes) if 0 < size < newest.size],
    }
    return said | ({"bodies": {str(row.pk): bytes(row.body).decode() for row in rows}} if bodies else {})


def _between(old: int, new: int) -> dict[str, Any]:
    path = [base64.b64encode(one).decode() for one in consistency(old, new, range_root)]
    return {"old": old, "new": new, "path": path}
