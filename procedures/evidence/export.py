"""Makes an evidence pack: what the log holds, a manifest, and the proof that this very manifest is in the log."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, BinaryIO
from uuid import UUID

from django.conf import settings
from django.db import transaction

from procedures.domain.canonical import canon, moment, sha256_hex
from procedures.domain.errors import OpsError
from procedures.evidence import turning, verify
from procedures.evidence.anchored import anchored
from procedures.evidence.cosignatures import (
    answering,
    cosigners,
    first_witnessed,
    note_with_lines,
    public_policy,
)
from procedures.evidence.models import Checkpoint, Event, Leaf, Outbox
from procedures.evidence.proofs import proof_bytes
from procedures.evidence.record import record
from procedures.evidence.reigns import require
from procedures.evidence.retained import line_under, published
from procedures.evidence.sampling import drawn
from procedures.evidence.staging import Staging
from procedures.evidence.stored import Log
from procedures.evidence.taking import take
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
    into: BinaryIO,
    *,
    wanted: Mapping[str, str],
    exporter: UUID,
    log_key: str,
    at: datetime,
    separation: str,
) -> dict[str, Any]:
    """Write a pack; what is in it, in short. `wanted` names filters (verify.FILTERS).

    The manifest's digest becomes an event of the log first, so the sequencer must be running. Raises NotSequenced,
    PackTooBig, NoSuchSample, CheckpointRefused.
    """
    policy = public_policy()
    sampled = drawn(wanted["sample"]) if "sample" in wanted else []
    for attempt in range(3):
        checkpoint = _up_to_now(policy)
        with Staging() as staging:
            try:
                reading = take(Log(checkpoint.size), wanted, sampled, staging, end=checkpoint.note)
            except verify.Failed:
                if attempt < 2:  # a value was erased meanwhile: a later checkpoint holds that it was
                    continue
                raise
            note = note_with_lines(checkpoint, _keys(policy)) + line_under(checkpoint)
            staging.put("log/checkpoint.end", [note.encode()])
            stamps = anchored(checkpoint)
            for row in stamps:
                staging.put(f"log/anchors/{row.pk:08d}.tsr", [bytes(row.token)])
            staging.put("README.txt", [_readme(note, log_key, separation, policy)])
            manifest = _manifest(staging, reading, wanted, sampled, exporter, at)
            if policy is not None:  # whose lines may stand under its notes; what they count for is the reader's affair
                manifest["witnesses"] = sorted(policy.witnesses.values())
            if long := published():  # a line of it may stand there too
                manifest["mldsa"] = long
            staging.put("manifest.json", [canon(manifest)])
            event = _made(manifest, exporter, at)
            staging.put("export.tlog-proof", [_proof(event)])
            if attempt < 2 and _turned_since(checkpoint):
                continue  # the proof is by another key than the end, and no event in this pack says why
            staging.write(into)
            level = _level(
                bool(stamps), policy, [note, staging.read("export.tlog-proof").partition(b"\n\n")[2].decode()]
            )
        return {"events": checkpoint.size, "runs": manifest["counts"]["runs"], "event": str(event.id), "level": level}
    raise AssertionError("unreachable")


def _made(manifest: Mapping[str, Any], exporter: UUID, at: datetime) -> Event:
    """The event of the export; the proof that it is in the log becomes part of the pack."""
    said = {name: manifest[name] for name in ("range", "filter", "exporter", "software")}
    with transaction.atomic(durable=True):
        facts = {"manifest": sha256_hex(canon(manifest)), **said}
        return record("export.made", actor=exporter, at=at, facts=facts)


def _turned_since(checkpoint: Checkpoint) -> bool:
    """Whether the log's key was changed beyond what a pack that ends here holds."""
    return any(size >= checkpoint.size for _, size, *_ in turning.told())


def _level(stamped: bool, policy: Policy | None, notes: Sequence[str]) -> str:
    met = policy is not None and all(policy.met(cosigners(note, _keys(policy))) for note in notes)
    return "SIGNED" if not met else "TIMESTAMPED" if stamped else "WITNESSED"


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
    return require(_cosigned(checkpoint, policy))


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


def _manifest(
    staging: Staging,
    reading: verify.Reading,
    wanted: Mapping[str, str],
    sampled: Sequence[str],
    exporter: UUID,
    at: datetime,
) -> dict[str, Any]:
    return {
        "v": 2,
        "range": {"start": 0, "end": reading.headers.size},
        "frontier": [],
        "filter": dict(wanted),
        "counts": {
            "events": reading.headers.size,
            "runs": reading.population.count,
            "bodies": reading.bodies,
            "disclosures": reading.disclosed,
        },
        "sample": list(sampled),
        "withheld": sorted(reading.withheld),
        "files": staging.digests(),
        "software": f"opsportal {settings.OPSPORTAL_VERSION}",
        "exporter": str(exporter),
        "made_at": moment(at),
        "query": verify.query(wanted),
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
    under = require(_cosigned(checkpoint, policy))
    return proof_bytes(leaf, under, _keys(policy)) + line_under(under).encode()
