"""Proofs for one entry in C2SP tlog-proof: a file with which somebody shows, offline, that the log holds an event."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from uuid import UUID

from procedures.domain.canonical import canon
from procedures.domain.errors import IllegalState
from procedures.evidence.cosignatures import first_witnessed, note_with_lines, public_policy
from procedures.evidence.events import SEALS
from procedures.evidence.models import Checkpoint, Event, Leaf
from procedures.evidence.reigns import require
from procedures.evidence.sequence import range_root
from procedures.evidence.tree import inclusion


class NotLogged(IllegalState):
    """An event that the sequencer has not taken yet, or a run that has not ended."""

    code = "evidence.not-logged"
    next_step = "Ask again in a second; if it stays, look at the sequencer (`opsportal doctor`)."


def proof_bytes(leaf: Leaf, checkpoint: Checkpoint, keys: Iterable[str], *, body: bool = True) -> bytes:
    """That a leaf stands below a checkpoint, with the cosignatures that these keys gave it.

    The extra line carries the header, which is the entry, and, unless withheld, the body that it commits to.
    """
    event = leaf.event
    said = {"header": bytes(event.header).decode()}
    if body and event.body:  # it goes with a run that is purged
        said["body"] = bytes(event.body).decode()
    rows = ["c2sp.org/tlog-proof@v1", "extra " + base64.b64encode(canon(said)).decode(), f"index {leaf.index}"]
    rows += [base64.b64encode(hash).decode() for hash in inclusion(leaf.index, checkpoint.size, range_root)]
    return ("\n".join(rows) + "\n\n" + note_with_lines(checkpoint, keys)).encode()


def proof_of(event: UUID, *, body: bool) -> bytes:
    """The proof of one event, by the first checkpoint over it that a quorum cosigned, else by the newest one.

    Raises NotLogged, CheckpointRefused.
    """
    leaf = Leaf.objects.select_related("event").filter(event=event).first()
    newest = Checkpoint.objects.order_by("-size").first()
    if leaf is None or newest is None or newest.size <= leaf.index:
        raise NotLogged("The log has not taken this event yet.")
    policy = public_policy()
    found = first_witnessed(policy, from_size=leaf.index + 1) if policy else None
    return proof_bytes(leaf, require(found or newest), policy.witnesses.values() if policy else (), body=body)


def seal_of(run: UUID) -> Event:
    """The event that ended a run; it commits to the number and the root of all its events. Raises NotLogged."""
    row = Event.objects.filter(run=run, kind__in=SEALS).first()
    if row is None:
        raise NotLogged("This run has not ended, so it has no seal that a proof could be of.")
    return row
