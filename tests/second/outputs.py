"""What a run printed, held to what its runners signed: commitments to 64 KiB of lines under the salts of one seed."""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from typing import Any

from tests.second.container import Refused, members_of, need, rows_of, value_of
from tests.second.log import root, sha

CHUNK = 65_536
Facts = dict[str, Any]


def verdict(pack: bytes, file: bytes) -> str:
    """`held`, `refused`, `malformed`, or `undetermined` where the pack, which was verified, holds none of that run."""
    try:
        run, found = _committed(file)
    except (Refused, ValueError, KeyError, TypeError, IndexError):
        return "malformed"
    signed = _signed(pack, run)
    if not signed:
        return "undetermined"
    return "held" if found == signed else "refused"


def _committed(file: bytes) -> tuple[str, dict[str, Facts]]:
    """(run, task → what its runner would have signed) of a file of output."""
    first, *lines = rows_of(file)
    head = value_of(first)
    need(head["type"] == "opsportal/output/v1" and head.keys() == {"type", "run", "tasks"}, "no output")
    seeds = {task: bytes.fromhex(seed) for task, seed in head["tasks"]}
    need(len(seeds) == len(head["tasks"]), "a task twice")
    names, said = list(seeds), defaultdict[str, bytes](bytes)
    for line in lines:
        place, _, row = line.partition(b" ")
        need(place.isdigit() and str(int(place)).encode() == place, "of no task")
        stream, text = value_of(row)
        need(isinstance(stream, str) and isinstance(text, str), "no line")
        said[names[int(place)]] += row + b"\n"
    return head["run"], {task: _facts(seed, said[task]) for task, seed in seeds.items()}


def _facts(seed: bytes, text: bytes) -> Facts:
    hashes = []
    for number, at in enumerate(range(0, len(text), CHUNK)):
        salt = sha(seed + number.to_bytes(8, "big"))[:16]
        hashes.append(sha(salt + text[at : at + CHUNK]))
    return {"root": root(hashes).hex(), "chunks": len(hashes), "seed": hashlib.sha256(seed).hexdigest()}


def _signed(pack: bytes, run: str) -> dict[str, Facts]:
    found = {}
    for name, data in members_of(pack).items():
        for line in rows_of(data) if name.startswith("bodies/") else ():
            body = value_of(line)
            transcript = body.get("transcript")
            if "dsse" in body and isinstance(transcript, dict) and "seed" in transcript:
                said = value_of(base64.b64decode(body["dsse"]["payload"]))["predicate"]["facts"]
                if said["run"] == run:
                    found[body["task"]] = {one: transcript[one] for one in ("root", "chunks", "seed")}
    return found
