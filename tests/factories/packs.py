"""Packs of a history in memory, by the product's own assembly; and altered ones that were honestly logged again."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from procedures.domain.canonical import canon, sha256_hex
from procedures.evidence import verify
from procedures.evidence.notes import checkpoint_text
from procedures.evidence.staging import Staging
from procedures.evidence.taking import take
from procedures.evidence.tree import Frontier, inclusion, leaf_hash, ranges
from tests.factories.histories import History

AT_S = 1_770_000_000
EXPORTER = "5f0c7c1e-6f0e-4a57-9d2b-3c4b5a697887"


def packed(history: History, *, sampled: Sequence[str] = (), witnessed: bool = True, **wanted: str) -> dict[str, bytes]:
    """The members of a pack of all that the history holds."""
    with Staging() as staging:
        end = note(history, witnessed=witnessed)
        reading = take(history, wanted, sampled, staging, end=end)
        staging.put("log/checkpoint.end", [end.encode()])
        staging.put("README.txt", [b"A pack.\n"])
        manifest = {
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
            "software": "opsportal 0.0.0",
            "exporter": EXPORTER,
            "made_at": verify.later(json.loads(history.written[-1].header)["at"], 1),
            "query": verify.query(wanted),
            "witnesses": sorted(one.verifier.text for one in history.witnesses),
        }
        staging.put("manifest.json", [canon(manifest)])
        file = io.BytesIO()
        staging.put("export.tlog-proof", [b""])
        staging.write(file)
    members = verify.unzip(file.getvalue())
    proof = logged(history, members["manifest.json"], manifest, witnessed=witnessed)
    return members | {"export.tlog-proof": proof}


def policy(history: History) -> verify.Policy:
    keys = [one.verifier.text for one in history.witnesses]
    return verify.Policy.of_keys(keys, len(keys))


def turns(history: History) -> verify.Turns | None:
    """The changes of the log's key that the reader knows from elsewhere."""
    text = history.turns()
    return verify.Turns.read(text.encode()) if text else None


def note(history: History, more: Sequence[bytes] = (), *, witnessed: bool = True) -> str:
    """A checkpoint over the history and these further leaves, signed and cosigned."""
    tree = Frontier(history.tree.size, history.tree.stack)
    for header in more:
        tree.append(leaf_hash(header))
    text = checkpoint_text(history.log.name, tree.size, tree.root())
    lines = [one.cosign(text, AT_S).text for one in history.witnesses] if witnessed else []
    return history.log.sign(text) + "".join(lines)


def logged(history: History, manifest: bytes, said: Mapping[str, Any], *, witnessed: bool = True) -> bytes:
    """The proof that this manifest is in the log: of an event with what is true (`said`) beside its digest."""
    facts = {name: said[name] for name in ("range", "filter", "exporter", "software")}
    body = canon({"salt": "c2FsdA==", "manifest": sha256_hex(manifest), "actor": EXPORTER, **facts})
    head = {"at": said["made_at"], "b": sha256_hex(body), "id": EXPORTER, "k": "export.made", "v": 1}
    header = canon(head)
    hashes = [leaf_hash(one.header) for one in history.written] + [leaf_hash(header)]
    proof = inclusion(len(hashes) - 1, len(hashes), ranges(hashes))
    extra = canon({"header": header.decode(), "body": body.decode()})
    rows = ["c2sp.org/tlog-proof@v1", "extra " + base64.b64encode(extra).decode(), f"index {len(hashes) - 1}"]
    rows += [base64.b64encode(one).decode() for one in proof]
    return ("\n".join(rows) + "\n\n" + note(history, [header], witnessed=witnessed)).encode()


def relogged(
    history: History,
    members: Mapping[str, bytes],
    *,
    manifest: bytes | None = None,
    true: Mapping[str, Any] | None = None,
    witnessed: bool = True,
) -> bytes:
    """The ZIP of altered members: every digest repaired, and the manifest honestly logged and cosigned again.

    `manifest`: these bytes instead of a repaired manifest; `true`: what the log says of the export beside its digest.
    """
    new, said = dict(members), json.loads(members["manifest.json"])
    if manifest is None:
        listed = {n: sha256_hex(d) for n, d in new.items() if n not in ("manifest.json", "export.tlog-proof")}
        manifest = canon(said | {"files": listed})
    new["manifest.json"] = manifest
    new["export.tlog-proof"] = logged(history, manifest, true or said, witnessed=witnessed)
    return verify.zip_bytes(new)


def verdict(data: bytes, history: History, require: str = "WITNESSED") -> str:
    """The level reached, or the exit status, the place and the reason."""
    try:
        return str(verify.verify(data, history.trusted(), require, policy(history), turns=turns(history))["verdict"])
    except verify.Failed as problem:
        return f"{problem.code} {problem}"
