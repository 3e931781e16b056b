"""Makes an evidence pack: every header, the bodies of the filter, proofs, reports, and the verifier itself."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from procedures.domain.canonical import canon, moment, sha256_hex
from procedures.domain.errors import OpsError
from procedures.evidence import reports, verify
from procedures.evidence.cosignatures import (
    answering,
    cosigners,
    first_witnessed,
    note_with_lines,
    public_policy,
)
from procedures.evidence.models import Checkpoint, Disclosure, Event, Leaf, Outbox
from procedures.evidence.proofs import proof_bytes
from procedures.evidence.record import disclosed, record
from procedures.evidence.verify import Policy

WAIT_S = 15.0
WITNESS_WAIT_S = 10.0  # for a cosignature over what is exported; an export without one is made all the same
README = """\
OpsPortal evidence pack

1. Get verify.py and the log's public key by another way than this pack; compare their fingerprints by phone.{others}
2. Run: python3 verify.py {name} --log-key KEY{more}
3. Read the last line: it names the level that was reached, never a bare "verified".

Range: leaves 0 to {end} of {origin}. Log key: {key}{witnesses}
Separation between processes: {separation}.

What this does not prove: {limits}.
"""


class NotSequenced(OpsError):
    """The sequencer does not take events into the log."""

    code = "evidence.not-sequenced"
    next_step = "Look at the sequencer: `opsportal doctor` says whether it runs and what stops it."


def export_pack(
    *, wanted: Mapping[str, str], exporter: UUID, log_key: str, at: datetime, separation: str
) -> tuple[bytes, dict[str, Any]]:
    """(the pack's bytes, its summary). `wanted` may name run, procedure, environment, requester, from, to.

    The manifest's digest becomes an event of the log first, so the sequencer must be running. Raises NotSequenced.
    """
    policy = public_policy()
    checkpoint, members = _taken(wanted, log_key, separation, policy)
    manifest = _manifest(members, checkpoint, wanted, exporter, at)
    if policy is not None:  # whose lines may stand under its notes; what they count for is the reader's affair
        manifest["witnesses"] = sorted(policy.witnesses.values())
    members["manifest.json"] = canon(manifest)
    with transaction.atomic(durable=True):
        event = record(
            "export.made",
            actor=exporter,
            at=at,
            facts={
                "manifest": sha256_hex(members["manifest.json"]),
                "range": manifest["range"],
                "exporter": str(exporter),
                "filter": dict(wanted),
            },
        )
    members["export.tlog-proof"] = _proof(event)
    data = verify.zip_bytes(members)
    notes = [members["log/checkpoint.end"], members["export.tlog-proof"].partition(b"\n\n")[2]]
    met = policy is not None and all(policy.met(cosigners(note.decode(), _keys(policy))) for note in notes)
    level = "WITNESSED" if met else "SIGNED"
    return data, {"events": checkpoint.size, "runs": manifest["counts"]["runs"], "event": str(event.id), "level": level}


def _taken(
    wanted: Mapping[str, str], log_key: str, separation: str, policy: Policy | None
) -> tuple[Checkpoint, dict[str, bytes]]:
    """The members over everything recorded before this call. A value erased meanwhile asks for a later checkpoint."""
    for attempt in range(3):
        checkpoint = _up_to_now(policy)
        try:
            members = _members(checkpoint, wanted)
        except verify.Failed:
            if attempt == 2:
                raise
            continue
        members["log/checkpoint.end"] = note_with_lines(checkpoint, _keys(policy)).encode()
        members["README.txt"] = _readme(members["log/checkpoint.end"].decode(), log_key, separation, policy)
        return checkpoint, members
    raise AssertionError("unreachable")


def _up_to_now(policy: Policy | None) -> Checkpoint:
    """A checkpoint over everything that was recorded before this call, cosigned if that comes in time.

    Raises NotSequenced.
    """
    newest = Outbox.objects.order_by("-id").values_list("id", flat=True).first() or 0
    end = time.monotonic() + WAIT_S
    while Outbox.objects.filter(id__lte=newest).exists():
        if time.monotonic() > end:
            raise NotSequenced(f"The log did not take what was recorded within {WAIT_S:.0f} s.")
        time.sleep(0.1)
    checkpoint = Checkpoint.objects.order_by("-size").first()
    if checkpoint is None:
        raise NotSequenced("The log is still empty.")
    return _cosigned(checkpoint, policy)


def _cosigned(checkpoint: Checkpoint, policy: Policy | None) -> Checkpoint:
    """The first checkpoint from this one on that a quorum cosigned; this one if none comes within ten seconds, or if
    too few witnesses answer at all.
    """
    if policy is None:
        return checkpoint
    end = time.monotonic() + (WITNESS_WAIT_S if policy.met(answering()) else 0)
    while (found := first_witnessed(policy, from_size=checkpoint.size)) is None and time.monotonic() < end:
        time.sleep(0.1)
    return found or checkpoint


def _members(checkpoint: Checkpoint, wanted: Mapping[str, str]) -> dict[str, bytes]:
    rows = list(Leaf.objects.filter(index__lt=checkpoint.size).order_by("index").select_related("event"))
    lines = [bytes(row.event.header) for row in rows]
    headers = [verify.parse("log/headers.jsonl", line) for line in lines]
    scope = verify.in_scope(headers, wanted)
    members: dict[str, bytes] = {}
    bodies: dict[str, Any] = {}
    for row, header in zip(rows, headers, strict=True):
        if verify.needs_body(header, scope):
            data = bytes(row.event.body)
            members[f"bodies/{header['id']}.json"] = data
            bodies[header["id"]] = verify.parse("bodies", data)
            _attest(members, header, bodies[header["id"]])
    _disclosures(members, [row.event for row in rows if str(row.event_id) in bodies])
    authority, tables = verify.tell(headers, bodies, scope)
    verify.check_disclosures(members, bodies, authority)
    members |= tables
    members["log/headers.jsonl"] = b"".join(line + b"\n" for line in lines)
    members["verify.py"] = Path(verify.__file__).read_bytes()
    members |= reports.standards(headers, scope, verify.counted(tables["reports/strengths.csv"]))
    return members


def _keys(policy: Policy | None) -> list[str]:
    return list(policy.witnesses.values()) if policy else []


def _readme(note: str, log_key: str, separation: str, policy: Policy | None) -> bytes:
    met = policy is not None and policy.met(cosigners(note, _keys(policy)))
    keys = "".join(f"\nWitness: {key}" for key in sorted(_keys(policy)))
    return README.format(
        name="pack.zip",
        end=note.split("\n")[1],
        origin=log_key.split("+", maxsplit=1)[0],
        key=log_key,
        others="\n   Get the witnesses' keys from those who keep them." if keys else "",
        more=" --witness-key KEY --require WITNESSED" if keys else "",
        witnesses=keys,
        limits="; ".join([*verify.LIMITS, *([] if met else [verify.UNWITNESSED])]),
        separation=separation,
    ).encode()


def _attest(members: dict[str, bytes], header: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    if header["k"] in verify.SEALS and "dsse" in body:
        members[f"attest/run-{header['run']}.dsse.json"] = canon(body["dsse"])


def _disclosures(members: dict[str, bytes], events: list[Event]) -> None:
    for number, row in enumerate(Disclosure.objects.filter(event__in=events).order_by("event_id", "pointer")):
        data = disclosed(row)
        if data is not None:
            members[f"disclosures/{row.event_id}.{number}.json"] = data


def _manifest(
    members: Mapping[str, bytes], checkpoint: Checkpoint, wanted: Mapping[str, str], exporter: UUID, at: datetime
) -> dict[str, Any]:
    runs = sum(1 for line in members["reports/population.csv"].splitlines()) - 1
    return {
        "v": 1,
        "range": {"start": 0, "end": checkpoint.size},
        "frontier": [],
        "filter": dict(wanted),
        "counts": {
            "events": checkpoint.size,
            "runs": runs,
            "bodies": sum(1 for name in members if name.startswith("bodies/")),
        },
        "withheld": [],
        "files": {name: sha256_hex(data) for name, data in members.items()},
        "software": f"opsportal {settings.OPSPORTAL_VERSION}",
        "exporter": str(exporter),
        "made_at": moment(at),
        "query": "opsportal evidence export",
    }


def _proof(event: Event) -> bytes:
    """The C2SP tlog-proof that an event is in the log; waits until the sequencer took it."""
    end = time.monotonic() + WAIT_S
    while True:
        leaf = Leaf.objects.filter(event=event).first()
        checkpoint = Checkpoint.objects.order_by("-size").first()
        if leaf is not None and checkpoint is not None and checkpoint.size > leaf.index:
            break
        if time.monotonic() > end:
            raise NotSequenced(f"The log did not take the export's event within {WAIT_S:.0f} s.")
        time.sleep(0.1)
    policy = public_policy()
    return proof_bytes(leaf, _cosigned(checkpoint, policy), _keys(policy))
