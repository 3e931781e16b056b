"""fsck for the log: recomputes everything that can be recomputed, and says what does not fit."""

from __future__ import annotations

import hashlib
import json

from procedures.evidence.cosignatures import holds
from procedures.evidence.models import Checkpoint, Cosignature, Event, Leaf, Outbox
from procedures.evidence.sequence import load_frontier
from procedures.evidence.tree import Frontier, leaf_hash
from procedures.evidence.triggers import fixed, missing


def check() -> list[str]:
    """One sentence per problem; empty when log, tiles, bodies, seals, cosignatures and guards agree."""
    from django.db import connection

    problems = [f"The trigger {name} is missing." for name in missing(connection)]
    frontier, roots = Frontier(), {}
    sizes = set(Checkpoint.objects.values_list("size", flat=True))
    for number, leaf in enumerate(Leaf.objects.order_by("index").select_related("event").iterator()):
        if leaf.index != number:
            problems.append(f"Leaf {number} is missing.")
            break
        problems += _leaf(leaf)
        frontier.append(bytes(leaf.leaf_hash))
        if frontier.size in sizes:
            roots[frontier.size] = frontier.root()
    for row in Checkpoint.objects.order_by("size"):
        if roots.get(row.size) != bytes(row.root):
            problems.append(f"The checkpoint of size {row.size} does not fit the leaves.")
    problems += _cosignatures() if "evidence_cosignature" in fixed(connection) else []
    if frontier.size and load_frontier(frontier.size).root() != frontier.root():
        problems.append("The tiles do not give the root of the leaves.")
    lost = Event.objects.filter(leaf__isnull=True, outbox__isnull=True).count()
    if lost:
        problems.append(f"{lost} events are neither in the log nor on their way ({Outbox.objects.count()} are).")
    return problems


def _cosignatures() -> list[str]:
    rows = Cosignature.objects.select_related("checkpoint").order_by("checkpoint_id")
    return [
        f"A cosignature of {row.witness.partition('+')[0]} over {row.checkpoint_id} events does not hold."
        for row in rows.iterator()
        if not holds(row, row.checkpoint.note)
    ]


def _leaf(leaf: Leaf) -> list[str]:
    event = leaf.event
    header, body = bytes(event.header), bytes(event.body)
    problems = []
    if leaf_hash(header) != bytes(leaf.leaf_hash):
        problems.append(f"The header of leaf {leaf.index} was changed.")
    said = json.loads(header)
    if said["b"] != hashlib.sha256(body).hexdigest():
        problems.append(f"The body of leaf {leaf.index} was changed.")
    if said["k"] != event.kind or said["id"] != str(event.id):
        problems.append(f"The columns of leaf {leaf.index} differ from its header.")
    return problems
