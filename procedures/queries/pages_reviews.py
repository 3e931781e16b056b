"""A version under review as its reviewer needs it: what it may now touch, and which bytes changed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from procedures import access
from procedures.domain.errors import NotFound
from procedures.domain.states import VersionState
from procedures.domain.text import visible
from procedures.models import Person, Version
from procedures.queries.pages_shell import covered

LONGEST = 4000
PHASES = ("steps", "rollback", "always")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a diff. `kind` is add, del, same or hunk; `parts` are (changed?, text)."""

    kind: str
    old: int | None
    new: int | None
    parts: list[tuple[bool, str]]


@dataclass(frozen=True, slots=True)
class FileDiff:
    path: str
    added: int
    removed: int
    rows: list[Row]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Reach:
    """One kind of reach, before and after. `effect` is wider, narrower, changed or same."""

    name: str
    before: list[str]
    after: list[str]
    effect: str


def reviews_for(person: Person, at: datetime) -> list[Version]:
    """Versions in review that this person may see, oldest first."""
    rights = covered(person, "review", at)
    seen = covered(person, "view", at)
    rows = Version.objects.filter(state=VersionState.IN_REVIEW.value).select_related("procedure", "submitter")
    return [
        v
        for v in rows.order_by("submitted_at")[:200]
        if v.submitter_id == person.pk or rights.has(v.procedure_id) or seen.has(v.procedure_id)
    ]


def one_version(person: Person, version: UUID, at: datetime) -> Version:
    """The version, if this person may see its files. Raises NotFound."""
    row = Version.objects.select_related("procedure", "submitter").filter(pk=version).first()
    verbs = ("review", "view", "run", "approve", "audit")
    known = row is not None and (
        row.submitter_id == person.pk
        or any(access.decide(person, verb, at=at, procedure=row.procedure).allowed for verb in verbs)
    )
    if row is None or not known:
        raise NotFound("There is no such version.")
    return row


def base_of(version: Version) -> Version | None:
    """What a version is compared with: the version accepted before it, if any."""
    earlier = version.procedure.versions.filter(number__lt=version.number, accepted_at__isnull=False)
    return earlier.order_by("-number").first()


def file_diffs(old: Version | None, new: Version) -> list[FileDiff]:
    """Every file that differs; against nothing every line is added."""
    before = {f.path: bytes(f.content) for f in old.files.all()} if old else {}
    after = {f.path: bytes(f.content) for f in new.files.all()}
    paths = sorted(before.keys() | after.keys(), key=lambda p: (p != "procedure.yaml", p))
    return [_file(path, before.get(path), after.get(path)) for path in paths if before.get(path) != after.get(path)]


def _file(path: str, old: bytes | None, new: bytes | None) -> FileDiff:
    try:
        a, b = ((data or b"").decode() for data in (old, new))
    except UnicodeDecodeError:
        return FileDiff(path, 0, 0, [], f"Not text: {len(old or b'')} bytes before, {len(new or b'')} bytes now.")
    lines_a, lines_b = a.splitlines(), b.splitlines()
    if len(lines_a) + len(lines_b) > LONGEST:
        return FileDiff(path, len(lines_b), len(lines_a), [], "Too long to show; download the bundle to read it.")
    rows = list(_rows(lines_a, lines_b))
    return FileDiff(path, sum(r.kind == "add" for r in rows), sum(r.kind == "del" for r in rows), rows)


def _rows(a: list[str], b: list[str]) -> Iterator[Row]:
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
    for number, group in enumerate(matcher.get_grouped_opcodes(3)):
        if number or group[0][1]:
            yield Row("hunk", None, None, [(False, f"from line {group[0][3] + 1}")])
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                for i, j in zip(range(i1, i2), range(j1, j2), strict=True):
                    yield Row("same", i + 1, j + 1, [(False, visible(a[i]))])
            else:
                yield from _changed(a, b, i1, i2, j1, j2)


def _changed(a: list[str], b: list[str], i1: int, i2: int, j1: int, j2: int) -> Iterator[Row]:
    """Removed lines, then added ones; paired lines mark the words that differ."""
    for i in range(i1, i2):
        twin = b[j1 + i - i1] if j1 + i - i1 < j2 else None
        yield Row("del", i + 1, None, _words(a[i], twin))
    for j in range(j1, j2):
        twin = a[i1 + j - j1] if i1 + j - j1 < i2 else None
        yield Row("add", None, j + 1, _words(b[j], twin))


def _words(line: str, other: str | None) -> list[tuple[bool, str]]:
    if other is None or max(len(line), len(other)) > 500:
        return [(False, visible(line))]
    matcher = difflib.SequenceMatcher(None, other, line, autojunk=False)
    if matcher.ratio() < 0.5:
        return [(False, visible(line))]
    return [(tag != "equal", visible(line[j1:j2])) for tag, _, _, j1, j2 in matcher.get_opcodes() if j2 > j1]


def reaches(old: Version | None, new: Version) -> list[Reach]:
    """What a version may touch against what it replaces; everything is wider than nothing."""
    before = _touches(old.definition) if old else {}
    after = _touches(new.definition)
    return [
        Reach(name, before.get(name, []), after[name], _effect(name, before.get(name, []), after[name]))
        for name in after
    ]


def _touches(definition: Mapping[str, Any]) -> dict[str, list[str]]:
    steps = [step for phase in PHASES for step in definition.get(phase, [])]
    targets = definition.get("targets") or {}
    needs = definition.get("credentials") or {}
    return {
        "Actions": sorted({step["action"] for step in steps}),
        "Commands": sorted({c for step in steps if (c := _command(step["input"]))}),
        "Targets": [targets["filter"]] if targets else [],
        "Spread": [_spread(targets["strategy"])] if targets else [],
        "Credentials": sorted(f"{name} ({need['kind']})" for name, need in needs.items()),
        "Held for, s": [str(max((need["ttl_s"] for need in needs.values()), default=0))],
        "Network": sorted({step["id"] for step in steps if step["input"].get("network")}),
        "Gates": sorted(step["id"] for step in steps if step["action"].startswith("gate:")),
        "Environments": list(definition.get("environments", [])),
    }


def _command(given: Mapping[str, Any]) -> str:
    if isinstance(given.get("argv"), list):
        return " ".join(str(part) for part in given["argv"])
    return str(given.get("script", ""))


def _spread(strategy: Mapping[str, Any]) -> str:
    return f"{strategy['mode']}, {strategy['batch']} at a time, {strategy['max_failures']} may fail"


def _effect(name: str, before: list[str], after: list[str]) -> str:
    added, removed = set(after) - set(before), set(before) - set(after)
    if not added and not removed:
        return "same"
    if name == "Held for, s":
        return "wider" if int(after[0]) > int((before or ["0"])[0]) else "narrower"
    if name == "Gates":
        added, removed = removed, added
    if added and removed:
        return "changed"
    return "wider" if added else "narrower"
