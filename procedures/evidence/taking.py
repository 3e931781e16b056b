"""Takes from a log what a pack holds of it, in one pass that checks what the verifier will check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from procedures.domain.canonical import canon
from procedures.evidence import verify
from procedures.evidence.reports import Standards
from procedures.evidence.staging import Staging


class Kept(Protocol):
    """One event as its log keeps it."""

    @property
    def header(self) -> bytes: ...
    @property
    def body(self) -> bytes: ...
    def disclosures(self) -> Sequence[bytes]:
        """Those of its values that were not erased, in any order."""


class Source(Protocol):
    """A log, which can be read from its beginning more than once and says the same each time."""

    def headers(self) -> Iterator[bytes]: ...
    def events(self) -> Iterator[Kept]: ...


def take(
    source: Source, wanted: Mapping[str, str], sampled: Sequence[str], into: Staging, *, end: str
) -> verify.Reading:
    """Write every member that comes from the log, which ends with the checkpoint `end`.

    Raises verify.Failed where the log itself does not hold.
    """
    scope = verify.Scope(wanted, sampled)
    reading = verify.Reading(verify.Foresight(source.headers(), scope), scope)
    standards = Standards(into)
    attested: list[tuple[str, bytes]] = []
    for event in source.events():
        header = reading.take(event.header)
        into.add(verify.HEADERS, event.header + b"\n")
        data, told = _body(reading, header, event, into)
        body = reading.follow(f"{header['k']} {header['id']}", data, told)
        _close_bundles(reading, into)
        if reading.run is None or reading.run.row is not None:
            standards.add(event.header, header, body, reading.index)
        if body is not None and "dsse" in body and header["k"] in verify.SEALS:
            _attest(header, body, attested)
    reading.end()
    reading.story.authority.settle_turns(end)
    reading.samples.check(source.headers)
    reading.erased()
    reading.gone()
    if len(attested) <= verify.MOST_ATTESTATIONS:
        for name, statement in attested:
            into.put(name, [statement])
    _reports(reading, into)
    into.put("verify.py", [Path(verify.__file__).read_bytes()])
    for name in into.unfinished():
        if name != "ocsf/events.jsonl":
            into.finish(name)
    standards.end(reading.population, verify.counted(reading.tables()["reports/strengths.csv"]))
    into.finish_all()
    return reading


def _body(
    reading: verify.Reading, header: Mapping[str, Any], event: Kept, into: Staging
) -> tuple[bytes | None, list[bytes]]:
    """(the body that the filter asks for, its disclosures in the body's order), written down as well."""
    if not reading.needs_body():
        return None, []
    if not event.body:  # purged; whether two people agreed is judged at the end
        if not (header["k"] == "run.requested" and reading.scope.needs_all):
            reading.withhold(f"the body of {header['k']} {header['id']}")
        return None, []
    data, number = event.body, reading.index // verify.BUNDLE
    into.add(f"bodies/{number:08d}.jsonl", data + b"\n")
    wanted = verify.parse(f"bodies/{header['id']}.json", data).get("sd", []) if b'"sd":[' in data else []
    known = {verify.sha256(one): one for one in event.disclosures()} if wanted else {}
    told = [known[digest] for digest in wanted if digest in known]
    for one in told:
        into.add(f"disclosures/{number:08d}.jsonl", one + b"\n")
    return data, told


def _close_bundles(reading: verify.Reading, into: Staging) -> None:
    """At the end of a bundle's leaves: files that nothing is written to any more are not kept open."""
    number = reading.index // verify.BUNDLE
    if reading.index % verify.BUNDLE == verify.BUNDLE - 1:
        for name in (f"bodies/{number:08d}.jsonl", f"disclosures/{number:08d}.jsonl"):
            into.finish(name)


def _attest(header: Mapping[str, Any], body: Mapping[str, Any], attested: list[tuple[str, bytes]]) -> None:
    if len(attested) <= verify.MOST_ATTESTATIONS:
        attested.append((f"attest/run-{header['run']}.dsse.json", canon(body["dsse"])))


def _reports(reading: verify.Reading, into: Staging) -> None:
    for name, text in reading.tables().items():
        into.put(name, [text])
    for name, rows in reading.streams().items():
        into.put(name, rows.rows())
