"""The end of a dossier: seal, places in the log, checkpoint, time stamps, holes, controls, and how to check it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from procedures.domain.errors import OpsError
from procedures.evidence import controls, proofs
from procedures.evidence.events import SEALS
from procedures.evidence.models import Anchor, Checkpoint, Event
from procedures.evidence.paper import Block, Exact, Facts, Section, Table
from procedures.evidence.queries import facts_naming
from procedures.evidence.verify import LIMITS
from procedures.queries import legal_holds

if TYPE_CHECKING:
    from procedures.queries.dossier import Known


def sections(known: Known, readers: Section) -> list[Section]:
    return [
        Section("Values that were erased or held", [_holes(known), _holds(known)]),
        Section("Controls that these facts support", _controls(known)),
        readers,
        Section("Proofs", _proofs(known)),
        Section("Every event of this run", [_events(known)]),
        Section("What this does not prove", [f"Not proven: {one}." for one in LIMITS]),
    ]


def _holes(known: Known) -> Block:
    erased = [(event, pointer, "erased") for (event, pointer), value in known.said.items() if value is None]
    named = {one.id for one in known.facts}
    agreed = [one for event in named for one in facts_naming(event, "control.confirmed")
              if one.facts.get("control") == "redaction"]  # fmt: skip
    rows = [*erased, *((one.id, str(one.facts["object"].get("paths", "")), "two people agreed") for one in agreed)]
    return Table(("Event", "Which value", "What"), rows, "Nothing of this run was erased.")


def _holds(known: Known) -> Block:
    rows = [
        (str(hold.placed_at), str(hold.placed_by), hold.basis, hold.requested_by)
        for hold in legal_holds.over_run(known.run.pk)
    ]
    return Table(("Held since", "By", "Basis", "Asked for by"), rows, "No legal hold covers it now.")


def _controls(known: Known) -> list[Block]:
    found = {controls.row_of(one.kind).name: controls.row_of(one.kind) for one in [*known.facts, *known.version]}
    names = list(controls.FRAMEWORKS)
    rows = [(row.says, *(", ".join(row.controls[name]) for name in names)) for row in found.values()]
    head = ("What is recorded of this run", *(controls.FRAMEWORKS[name].title for name in names))
    return ["Facts support a control. Whether it is effective is for the auditor to conclude.",
            Table(head, rows, "Nothing is recorded.")]  # fmt: skip


def _proofs(known: Known) -> list[Block]:
    seal = next((one for one in known.facts if one.kind in SEALS), None)
    if seal is None:
        return ["The run has not ended, so nothing seals it yet."]
    header = bytes(Event.objects.get(pk=seal.id).header)
    rows = [("seal", f"{seal.kind} {seal.id}"), ("leaf", "" if seal.index is None else str(seal.index))]
    rows += [("hash of that leaf", hashlib.sha256(b"\x00" + header).hexdigest())]
    newest = Checkpoint.objects.order_by("-size").first()
    stamps = Anchor.objects.filter(checkpoint__size__gt=seal.index).order_by("checkpoint")[:1] if seal.index else []
    rows += [("time stamp", f"{one.authority}, {one.at}, over the first {one.checkpoint_id} events") for one in stamps]
    rows += [("newest checkpoint", f"{newest.size} events, {newest.at}")] if newest else []
    try:
        text = proofs.proof_of(proofs.seal_of(known.run.pk).pk, body=True).decode()
    except OpsError as problem:
        return [Facts(rows), str(problem)]
    how = (
        "The seal commits to the number and the hashes of all events of this run. Save the text below as"
        " run.tlog-proof and check it where this portal has no hand in it:"
        " python3 verify.py run.tlog-proof --log-key KEY,"
        " with verify.py and the key from elsewhere than this document."
    )
    return [how, Facts(rows), Exact(text, "The proof that the log holds the seal:")]


def _events(known: Known) -> Block:
    headers = dict(Event.objects.filter(run=known.run.pk).values_list("pk", "header"))
    marks = {str(key): hashlib.sha256(b"\x00" + bytes(value)).hexdigest() for key, value in headers.items()}
    rows = [
        (
            str(number),
            "" if one.index is None else str(one.index),
            one.kind,
            one.at,
            known.who(one.actor),
            marks[one.id],
        )
        for number, one in enumerate(known.facts, 1)
    ]
    return Table(("No", "Place in the log", "Event", "When", "Who", "Hash of its leaf"), rows, "There is none.")
