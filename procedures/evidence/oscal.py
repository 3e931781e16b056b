"""OSCAL assessment results of a pack: observations with where to look them up, never a finding."""

from __future__ import annotations

import hashlib
import json
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from procedures.evidence import controls, verify

NAMESPACE = uuid.UUID("8d1f3bd0-3f54-5a53-9a35-7c3a8c0a1d11")
NS = "https://opsportal.dev/ns/oscal"
VERSION = "1.2.3"  # the release whose schema the tests hold it against; it fits readers of 1.1 as well
OBSERVED = "the observations"
NEVER = "1970-01-01T00:00:00.000000Z"
CONCLUDES = "Facts that support controls. Whether a control is effective is for the auditor to conclude."
WHOLE_LOG = "log/headers.jsonl"


class Results:
    """Assessment results that grow event by event, on disk beyond a megabyte."""

    def __init__(self) -> None:
        self._written = tempfile.SpooledTemporaryFile(1 << 20)  # noqa: SIM115 (closed with the object)
        self._first, self._last, self._procedures = "", "", set[str]()

    def add(self, header: Mapping[str, Any], raw: bytes, index: int) -> None:
        """The next event of the scope: its header as a value, as the leaf's bytes, and its place in the log."""
        self._first, self._last = self._first or header["at"], header["at"]
        if "p" in header:
            self._procedures.add(header["p"])
        said = json.dumps(_observation(header, raw, index), sort_keys=True).encode()
        self._written.write((b",\n" if self._written.tell() else b"") + said)

    def parts(self, members: Mapping[str, str]) -> Iterator[bytes]:
        """The document in pieces, once. `members` are the digests of the pack's other members, SHA-256 in hex."""
        document = json.dumps(self._document(members), sort_keys=True, indent=1).encode()
        head, _, tail = document.partition(json.dumps(OBSERVED).encode())
        yield head
        self._written.seek(0)
        yield from iter(lambda: self._written.read(verify.CHUNK), b"")
        yield tail
        self._written.close()

    def _document(self, members: Mapping[str, str]) -> dict[str, Any]:
        first, last = self._first or NEVER, self._last or NEVER
        result: dict[str, Any] = {
            "uuid": _uuid("result", last),
            "title": "Recorded facts",
            "description": CONCLUDES,
            "start": first,
            "end": last,
            "local-definitions": {"components": [_portal(), *map(_procedure, sorted(self._procedures))]},
            "reviewed-controls": {"control-selections": [_selection(name) for name in controls.FRAMEWORKS]},
        }
        if self._written.tell():
            result["observations"] = [OBSERVED]
        return {
            "assessment-results": {
                "uuid": _uuid("document", first, last, members.get(WHOLE_LOG, "")),
                "metadata": {
                    "title": "OpsPortal evidence",
                    "last-modified": last,
                    "version": "1",
                    "oscal-version": VERSION,
                },
                "import-ap": {"href": f"#{_uuid('plan')}"},
                "results": [result],
                "back-matter": {"resources": [_plan(), *(_member(*one) for one in sorted(members.items()))]},
            }
        }


def _uuid(*words: str) -> str:
    return str(uuid.uuid5(NAMESPACE, "\n".join(words)))


def _prop(name: str, value: object, kind: str = "") -> dict[str, str]:
    return {"name": name, "ns": NS, "value": str(value), **({"class": kind} if kind else {})}


def _observation(header: Mapping[str, Any], raw: bytes, index: int) -> dict[str, Any]:
    row = controls.row_of(header["k"])
    known = [_prop(name, header[key]) for name, key in (("run", "run"), ("environment", "e"), ("outcome", "o"))
             if key in header]  # fmt: skip
    return {
        "uuid": _uuid("observation", header["id"]),
        "title": header["k"],
        "description": f"{row.says}. Event {header['id']} says that this happened: {header['k']}.",
        "methods": ["EXAMINE"],
        "types": ["historic"],
        "collected": header["at"],
        "props": known + [_control(name, one) for name in controls.FRAMEWORKS for one in row.controls[name]],
        "subjects": [
            {"subject-uuid": _uuid("procedure", header["p"]) if "p" in header else _uuid("portal"), "type": "component"}
        ],
        "relevant-evidence": [_evidence(header, raw, index)],
    }


def _control(framework: str, control: str) -> dict[str, str]:
    return _prop("control", controls.identifier(framework, control), framework)


def _evidence(header: Mapping[str, Any], raw: bytes, index: int) -> dict[str, Any]:
    leaf = hashlib.sha256(b"\x00" + raw).hexdigest()
    return {
        "href": f"#{_uuid('member', WHOLE_LOG)}",
        "description": f"Line {index + 1} of {WHOLE_LOG}; that line holds the SHA-256 of what the event says.",
        "props": [_prop("leaf-index", index), _prop("leaf-sha256", leaf), _prop("body-sha256", header["b"])],
    }


def _selection(framework: str) -> dict[str, Any]:
    found: Sequence[str] = list(controls.controls(framework))
    return {
        "description": controls.FRAMEWORKS[framework].title,
        "props": [_prop("framework", framework)],
        "include-controls": [{"control-id": controls.identifier(framework, one)} for one in found],
    }


def _portal() -> dict[str, Any]:
    return _component(_uuid("portal"), "software", "OpsPortal", "The portal whose log this is.")


def _procedure(pseudonym: str) -> dict[str, Any]:
    told = "A procedure, by the identifier under which the log's headers know it."
    return _component(_uuid("procedure", pseudonym), "process-procedure", f"Procedure {pseudonym}", told)


def _component(key: str, kind: str, title: str, told: str) -> dict[str, Any]:
    return {"uuid": key, "type": kind, "title": title, "description": told, "status": {"state": "operational"}}


def _plan() -> dict[str, Any]:
    told = "There is no assessment plan in OSCAL: manifest.json of the pack says which runs were asked for."
    return {"uuid": _uuid("plan"), "title": "What was asked for", "description": told}


def _member(name: str, digest: str) -> dict[str, Any]:
    link = {"href": f"../{name}", "hashes": [{"algorithm": "SHA-256", "value": digest}]}
    return {"uuid": _uuid("member", name), "title": name, "rlinks": [link]}
