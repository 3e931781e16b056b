"""Which recorded facts support which controls of four frameworks. Facts support a control; the auditor concludes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from procedures.evidence.events import KINDS


@dataclass(frozen=True, slots=True)
class Framework:
    """A set of controls that auditors ask after. `prefix` makes a number an identifier that OSCAL takes."""

    name: str
    title: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the map: what is recorded, and framework → the controls that it supports."""

    name: str
    says: str
    controls: Mapping[str, tuple[str, ...]]


FRAMEWORKS = {
    one.name: one
    for one in (
        Framework("soc2", "SOC 2 trust services criteria"),
        Framework("iso27001", "ISO/IEC 27001:2022, Annex A"),
        Framework("nist800-53", "NIST SP 800-53, revision 5"),
        Framework("pci-dss", "PCI DSS 4.0.1", prefix="pci-"),
    )
}


def _row(name: str, says: str, *texts: str) -> Row:
    return Row(name, says, {one: tuple(text.split()) for one, text in zip(FRAMEWORKS, texts, strict=True)})


MAP = {
    one.name: one
    for one in (
        _row(
            "version",
            "Each procedure's version: author, difference, tests, a reviewer other than the author, digest of bytes",
            "CC8.1",
            "A.5.3 A.5.37 A.8.4 A.8.32",
            "CM-3 CM-5 AC-5 SI-7",
            "6.5.1 6.5.4",
        ),
        _row(
            "request",
            "Each request: who asked, when, why, for which ticket, with which parameters",
            "CC6.1 CC8.1",
            "A.5.15 A.8.32",
            "CM-3 AU-3 MA-2",
            "6.5.1 10.2.2",
        ),
        _row(
            "approval",
            "Each approval: signed, by somebody else than who asked, before the start, of exactly one plan",
            "CC5.1 CC6.3 CC8.1",
            "A.5.3 A.8.2 A.8.32",
            "AC-5 AC-3(2) CM-3(1) AU-10",
            "6.5.1 7.2.3",
        ),
        _row(
            "decision",
            "Each decision of a policy and each denial",
            "CC6.1 CC7.2",
            "A.5.15 A.8.3",
            "AC-3 AU-2 AU-12",
            "7.3.1 7.3.2 7.3.3 10.2.1.4",
        ),
        _row(
            "execution",
            "What ran: runner, temporary credential, target, times, exit status",
            "CC6.1 CC7.2 CC8.1",
            "A.8.2 A.8.15 A.8.18",
            "AC-6 AU-3 AU-12 MA-4",
            "7.2.5 8.6.1 8.6.2 8.6.3 10.2.1.2",
        ),
        _row(
            "transcript",
            "What each step printed, masked before it was first written, and committed to",
            "CC7.2 CC7.3",
            "A.8.15 A.8.11 A.5.28",
            "AU-14 AU-3(3)",
            "10.2.1.2 10.2.1.7",
        ),
        _row(
            "access",
            "Who was given what and from whom it was taken: grants, groups, duties, accounts, keys",
            "CC6.2 CC6.3",
            "A.5.15 A.5.16 A.5.18",
            "AC-2 AC-6(1) AC-6(5)",
            "7.2.1 7.2.2 7.2.3 10.2.1.5",
        ),
        _row(
            "access-review",
            "Reviews of access: what was kept, narrowed and taken away, by whom",
            "CC6.2 CC6.3",
            "A.5.18 A.5.35",
            "AC-2 AC-6(7)",
            "7.2.4 7.2.5.1",
        ),
        _row(
            "log",
            "The log itself: a tree of hashes, signatures, witnesses, time stamps, copies that cannot be overwritten",
            "CC6.1 CC7.2",
            "A.8.15 A.5.33 A.8.24",
            "AU-9 AU-10 SC-13 SI-7(1)",
            "10.3.1 10.3.2 10.3.3 10.3.4",
        ),
        _row(
            "health",
            "Heartbeats, clocks, stops, and that nothing starts which cannot be recorded",
            "CC7.2",
            "A.8.16 A.8.17",
            "AU-5 AU-8",
            "10.6.1 10.6.2 10.6.3 10.7.2",
        ),
        _row(
            "retention",
            "What was kept, held and erased, with who agreed to it",
            "CC6.5 C1.2",
            "A.5.33 A.5.34 A.8.10",
            "AU-11 AU-9(5) SI-12",
            "10.5.1",
        ),
        _row(
            "audit",
            "Exports, samples and what auditors read",
            "CC2.1 CC4.1",
            "A.5.28 A.5.35",
            "AU-7 AU-9(6)",
            "10.2.1.3 10.3.1",
        ),
    )
}

# A kind stands here by its own name, or by its family; its own name counts first. A test holds every kind against it.
ROW_OF: dict[str, str] = {
    "genesis": "log",
    "log": "log",
    "heartbeat": "health",
    "clock": "health",
    "stop": "health",
    "notice": "health",
    "bootstrap": "access",
    "control": "access",
    "person": "access",
    "identity": "access",
    "identity.keys_shown": "execution",
    "membership": "access",
    "directory": "access",
    "account": "access",
    "agent": "access",
    "connection": "access",
    "connection.refused": "decision",
    "token": "access",
    "workload": "access",
    "workload.refused": "decision",
    "egress": "decision",
    "totp": "access",
    "session": "access",
    "session.refused": "decision",
    "identity.refused": "decision",
    "access": "access",
    "access.denied": "decision",
    "deputy": "access",
    "campaign": "access-review",
    "use": "access-review",
    "decision": "approval",
    "hook": "request",
    "standing": "request",
    "standing.approved_ahead": "approval",
    "standing.taken_back": "approval",
    "version": "version",
    "procedure": "version",
    "review": "version",
    "policy": "decision",
    "run": "execution",
    "run.requested": "request",
    "run.planned": "request",
    "run.commented": "request",
    "run.awaiting_approval": "approval",
    "run.approved": "approval",
    "run.approval_carried": "approval",
    "run.approved_ahead": "approval",
    "run.turned_down": "approval",
    "run.rejected": "approval",
    "run.answered": "approval",
    "run.gate_refused": "approval",
    "run.denied": "decision",
    "run.claim_refused": "decision",
    "batch": "execution",
    "batch.refused": "decision",
    "step": "execution",
    "task": "execution",
    "task.finished": "transcript",
    "secret": "execution",
    "pool": "execution",
    "host": "execution",
    "inventory": "execution",
    "target": "execution",
    "lease": "execution",
    "lease.refused": "decision",
    "entity": "execution",
    "result": "execution",
    "result.read": "audit",
    "result.picked_up": "audit",
    "result.erased": "retention",
    "result.expired": "retention",
    "artifact.read": "audit",
    "artifact.erased": "retention",
    "purge": "retention",
    "break_glass": "approval",
    "emergency": "access",
    "export": "audit",
    "population": "audit",
    "sample": "audit",
    "evidence": "audit",
}


def row_of(kind: str) -> Row:
    """The row of the map that a kind of event belongs to; a kind of a later version counts as what ran."""
    return MAP[ROW_OF.get(kind) or ROW_OF.get(kind.partition(".")[0], "execution")]


def kinds_of(row: str) -> list[str]:
    """The kinds of event that a row of the map is about, by name."""
    return sorted(kind for kind in KINDS if row_of(kind).name == row)


def controls(framework: str) -> dict[str, list[Row]]:
    """Each control of a framework that something recorded supports, in the order of its number, with those rows."""
    found: dict[str, list[Row]] = {}
    for row in MAP.values():
        for control in row.controls[framework]:
            found.setdefault(control, []).append(row)
    return dict(sorted(found.items(), key=lambda one: _numbers(one[0])))


def kinds_for(control: str) -> list[str]:
    """The kinds of event that support a control, by its name or its identifier in any framework; empty: no such one."""
    rows = [
        row
        for framework in FRAMEWORKS
        for name, found in controls(framework).items()
        if control.strip().lower() in {name.lower(), identifier(framework, name)}
        for row in found
    ]
    return sorted({kind for row in rows for kind in kinds_of(row.name)})


def identifier(framework: str, control: str) -> str:
    """A control's name as OSCAL's catalogues write it: `AC-6(1)` is `ac-6.1`."""
    return FRAMEWORKS[framework].prefix + control.lower().replace("(", ".").replace(")", "")


def _numbers(control: str) -> tuple[object, ...]:
    words = control.replace("(", ".").replace(")", "").replace("-", ".").split(".")
    return tuple((1, int(word), "") if word.isdigit() else (0, 0, word) for word in words)
