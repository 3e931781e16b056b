"""The semantic diff: what a version may do that the accepted one could not, wider things first.

Pure: two sides go in, rows come out; page, API and command line show the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from procedures.domain import difference_forms as forms
from procedures.domain import difference_reach as reach
from procedures.domain import difference_steps as steps
from procedures.domain import results, unseen
from procedures.domain.capabilities import TIERS
from procedures.domain.definition import PHASES, RISKS, Definition
from procedures.domain.difference import (
    EFFECTS,
    Difference,
    Note,
    Side,
    by_amount,
    by_set,
    listed,
    seconds,
    told,
    words,
)
from procedures.domain.duration import NotADuration
from procedures.domain.duration import seconds as seconds_of
from procedures.domain.results import ResultNeed

NAMED = 200
DEFINITION = "procedure.yaml"  # what it says stands in every other row
Rows = Iterator[Difference]


def differences(old: Side | None, new: Side) -> list[Difference]:
    """Every row, wider before changed before narrower before same; areas keep their order inside."""
    was = old.definition if old else None
    now = new.definition
    rows = [
        *_unseen(old, new),
        *_risk(old, new),
        *reach.credentials(was, now),
        *reach.bindings(old, new),
        *reach.targets(old, new),
        *reach.network(was, now),
        *_environments(was, now),
        *forms.rows("Parameters", was.parameters if was else {}, now.parameters),
        *forms.rows("Secrets", was.secrets if was else {}, now.secrets),
        *_results(was, now),
        *steps.rows(was, now),
        *steps.calls(dict(old.calls) if old else {}, dict(new.calls)),
        *_limits(was, now),
        *_evidence(was, now),
        *_callers(was, now),
        *_wording(was, now),
        *_files(old, new),
    ]
    return sorted(rows, key=lambda row: EFFECTS.index(row.effect))


def counted(rows: list[Difference]) -> dict[str, int]:
    """How many rows have each effect."""
    return {effect: sum(row.effect == effect for row in rows) for effect in EFFECTS}


def _unseen(old: Side | None, new: Side) -> Rows:
    before = unseen.places(old.definition, old.texts) if old else []
    after = unseen.places(new.definition, new.texts)
    notes: list[Note] = []
    if set(after) - set(before):
        notes.append(("wider", "runs code that reviewers have not seen"))
    elif after != before:
        notes.append(("narrower", "less of it than before"))
    elif after:
        notes.append(("same", "runs code that reviewers have not seen, as before"))
    yield told("Unseen code", "", listed(before) or "none found", listed(after) or "none found", notes)


def _risk(old: Side | None, new: Side) -> Rows:
    before = old.risk if old else ""
    was, now = (RISKS.index(text) if text in RISKS else 0 for text in (before, new.risk))
    notes = by_amount(was, now, "riskier than before" if old else "", "less risky than before")
    if old and RISKS.index(old.definition.risk) > RISKS.index(new.definition.risk):
        notes.append(("changed", f"its author now declares {new.definition.risk}, {old.definition.risk} before"))
    yield told("Risk", "", before or "none", new.risk, notes)


def _environments(was: Definition | None, now: Definition) -> Rows:
    before, after = was.environments if was else (), now.environments
    notes = by_set(before, after, "it may now run in", "it no longer runs in")
    yield told("Environments", "", listed(before) or "none", listed(after), notes)


def _limits(was: Definition | None, now: Definition) -> Rows:
    if was is None:
        yield told("Limits", "time", "", seconds(now.timeout_s), [("wider", "")])
    else:
        text = f"{seconds(now.timeout_s)} instead of {seconds(was.timeout_s)}"
        notes = by_amount(was.timeout_s, now.timeout_s, text, text)
        yield told("Limits", "time", seconds(was.timeout_s), seconds(now.timeout_s), notes)
    yield told("Limits", "concurrency", _together(was), _together(now), _concurrency(was, now))
    before = was.min_tier if was else ""
    if before or now.min_tier:
        yield told(
            "Limits", "sandbox", _sandbox(before), _sandbox(now.min_tier), _tier(before, now.min_tier) if was else []
        )


def _sandbox(tier: str) -> str:
    return f"tier {tier} or stronger" if tier else "any tier"


def _tier(before: str, after: str) -> list[Note]:
    one, two = (TIERS.index(tier) if tier else len(TIERS) for tier in (before, after))
    return by_amount(one, two, "a weaker sandbox is enough now", "it asks for a stronger sandbox")


def _together(definition: Definition | None) -> str:
    if definition is None or definition.concurrency is None:
        return "no limit"
    row = definition.concurrency
    whose = f"{row.group or 'this procedure'}{f', shared as {row.shared}' if row.shared else ''}"
    return f"{'one' if row.limit == 1 else row.limit} at a time in {whose}, else {row.on_conflict}"


def _concurrency(was: Definition | None, now: Definition) -> Iterator[Note]:
    before, after = was.concurrency if was else None, now.concurrency
    if before == after or was is None:
        return
    if after is not None and after.on_conflict == "cancel-running" and before != after:
        yield ("wider", "it may now end a run under way")
    if before is None or after is None:
        yield ("wider", "several may now run at once") if after is None else ("narrower", "one at a time now")
    elif (before.group, before.shared) != (after.group, after.shared):
        yield ("changed", "another group")
    elif before.limit != after.limit:
        yield ("wider" if after.limit > before.limit else "narrower", f"{after.limit} at a time now")
    elif before.on_conflict != after.on_conflict:
        yield ("changed", f"then: {after.on_conflict}")


def _evidence(was: Definition | None, now: Definition) -> Rows:
    before, after = (was.evidence if was else {}), now.evidence
    notes: list[Note] = []
    if before != after and was is not None:
        was_kept, kept = (_seconds(value.get("retention")) for value in (before, after))
        notes += [
            ("wider" if effect == "narrower" else "changed", text)
            for effect, text in by_amount(was_kept, kept, "kept longer", "kept for a shorter time")
        ]
        notes += [
            ("changed", text)
            for _, text in by_set(before.get("controls") or (), after.get("controls") or (), "claims", "claims no more")
        ]
        notes = [(effect, f"declared by the author: {text}") for effect, text in notes]
    yield told("Evidence", "", words(before) or "nothing declared", words(after) or "nothing declared", notes)


def _seconds(text: Any) -> float:
    try:
        return seconds_of(str(text)) if text else 0.0
    except NotADuration:
        return 0.0


def _callers(was: Definition | None, now: Definition) -> Rows:
    before, after = (was.callable_by if was else ()), now.callable_by
    notes = by_set(before, after, "it may now be called by", "no longer by")
    yield told("Callable by", "", listed(before) or "nobody", listed(after) or "nobody", notes)


def _results(was: Definition | None, now: Definition) -> Rows:
    """Where secrets that it makes will go: another way may show them to others."""
    before = {need.name: need for need in results.of(was)} if was else {}
    after = {need.name: need for need in results.of(now)}
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if old != new:
            yield told("Secret results", name, _goes(old), _goes(new), [_result(old, new)])


def _result(old: ResultNeed | None, new: ResultNeed | None) -> Note:
    if old is None or new is None:
        return ("wider", "a secret that it makes now") if old is None else ("narrower", "it makes this secret no more")
    same = [(one.step, one.output, one.deliver, one.credential, one.place) for one in (old, new)]
    return ("wider", "it goes elsewhere, or is another value") if same[0] != same[1] else ("changed", "kept otherwise")


def _goes(need: ResultNeed | None) -> str:
    if need is None:
        return "none"
    kept = f", kept for {seconds(need.keep_s)}" if need.keep_s else f" with {need.credential}"
    said = f" ({need.classification})" if need.classification else ""
    return f"{need.step}.{need.output}: {results.where(need.deliver, need.place)}{said}{kept}"


def _wording(was: Definition | None, now: Definition) -> Rows:
    """What the author says of it: informs people, confers nothing (rule 17)."""
    if was is None:
        return
    for name in ("owner", "title", "description", "type", "tags", "links", "output", "narrowed"):
        before, after = getattr(was, name), getattr(now, name)
        if name == "output":  # where secrets go is more than words, and has rows of its own
            before, after = ({k: v for k, v in side.items() if k != "secrets"} for side in (before, after))
        if before != after:
            why = "informs, and gives nobody a right" if name == "owner" else ""
            yield told("Told", name, words(before), words(after), [("changed", why)])


def _files(old: Side | None, new: Side) -> Rows:
    """A row per file that a step uses, and one that counts the rest."""
    before = {path: mark for path, mark in (old.files if old else {}).items() if path != DEFINITION}
    after = {path: mark for path, mark in new.files.items() if path != DEFINITION}
    used = _used(new.definition, new.files) | (_used(old.definition, old.files) if old else {})
    notes = {path: _file(before.get(path), after.get(path)) for path in sorted({*before, *after})}
    for path in [path for path in notes if path in used and notes[path]][:NAMED]:
        effect, what = notes[path][0]
        yield told(
            "Files",
            path,
            _there(before.get(path)),
            _there(new.files.get(path)),
            [(effect, f"{what}; {used[path]} uses it")],
        )
    rest = [note for path, found in notes.items() if path not in used for note in found]
    counts = f"{len(before)} files" if old else "none"
    told_rest = [(effect, "") for effect, _ in rest]
    names = listed(path for path, found in notes.items() if path not in used and found)
    why: list[Note] = [("same", f"{len(rest)} that no step names: {names}")] if rest else []
    yield told("Files", "others" if rest else "all", counts, f"{len(after)} files", [*told_rest, *why])


def _file(before: str | None, after: str | None) -> list[Note]:
    if before == after:
        return []
    if before is None:
        return [("wider", "new")]
    return [("changed", "other bytes")] if after is not None else [("narrower", "gone")]


def _there(digest: str | None) -> str:
    return f"sha256 {digest[:12]}" if digest else "none"


def _used(definition: Definition, files: Mapping[str, str]) -> dict[str, str]:
    """Files that a step's input names, each with the steps."""
    found: dict[str, list[str]] = {}
    for phase in PHASES:
        for step in definition.branch(phase):
            for path in {word for word in _strings(step.input) if word in files}:
                found.setdefault(path, []).append(step.id)
    return {path: listed(ids) for path, ids in found.items()}


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)
