"""Receipts: what somebody is handed for a request or a decision, so that its loss is seen by who holds it.

The web process has no key, so what it hands over at once is a promise: the header of the event and the body that it
commits to, which are to stand in the log within a minute. Asked for again a second later, the receipt carries the
proof that they do, under a checkpoint that the log's key signed.
"""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from procedures.domain.canonical import canon
from procedures.evidence.models import Event
from procedures.evidence.proofs import NotLogged, proof_of

RECEIPT = "opsportal/receipt/v1"
OWN = ("run.requested", "run.approved", "run.turned_down", "run.answered", "run.gate_refused", "break_glass.used")


def receipt_for(subject: UUID, run: UUID, event: UUID | None = None) -> Event | None:
    """The newest event by which this person asked for this run, or decided on it; or just this one of them."""
    rows = Event.objects.exclude(body=b"").filter(run=run, actor=subject, kind__in=OWN).order_by("-n")
    return (rows if event is None else rows.filter(pk=event)).first()


def receipt_bytes(event: Event) -> bytes:
    """The receipt of one event, canonical JSON; with its proof once the log has taken it."""
    said = {
        "type": RECEIPT,
        "header": bytes(event.header).decode(),
        "body": bytes(event.body).decode(),
    }
    with suppress(NotLogged):
        said["proof"] = proof_of(event.pk, body=False).decode()
    return canon(said) + b"\n"
