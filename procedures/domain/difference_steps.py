"""What a version now does, step by step: added, removed, moved, and every setting that loosens or tightens one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from procedures.domain.calls import CALL
from procedures.domain.definition import PHASES, Definition, Step
from procedures.domain.difference import Difference, Note, by_amount, by_set, seconds, told, words

Placed = tuple[str, Step]
RUNS = {"steps": "", "rollback": "rollback: ", "onCancel": "on cancel: ", "always": "always: "}


def rows(old: Definition | None, new: Definition) -> Iterator[Difference]:
    """One row per step that differs, one for the order, and one that counts the rest. Gates stand apart."""
    before, after = placed(old), placed(new)
    same = {"Steps": 0, "Gates": 0}
    for name in dict.fromkeys((*before, *after)):
        one, two = before.get(name), after.get(name)
        area = "Gates" if _is_gate(two or one) else "Steps"
        notes = list(_step(one, two))
        if notes:
            yield told(area, name, _text(one), _text(two), notes)
        else:
            same[area] += 1
    yield from _order(before, after)
    for area, count in same.items():
        if count:
            text = f"{count} step{'' if count == 1 else 's'}"
            yield told(area, "unchanged", text, text, [])


def placed(definition: Definition | None) -> dict[str, Placed]:
    """Steps by id with the branch that they stand in."""
    if definition is None:
        return {}
    return {step.id: (phase, step) for phase in PHASES for step in definition.branch(phase)}


def does(step: Step) -> str:
    """What a step carries out, in one line, its own wording."""
    given = step.input
    for key in ("argv", "script", "command", "query", "url", "procedure", "message"):
        if key in given:
            rest = {k: v for k, v in given.items() if k != key and (key, k) != ("url", "method")}
            more = f" ({words(rest)})" if rest else ""
            method = f"{given['method']} " if key == "url" and "method" in given else ""
            return f"{step.action} {method}{words(given[key])}{more}"
    return f"{step.action} {words(given)}".strip()


def _is_gate(place: Placed | None) -> bool:
    return place is not None and place[1].action.startswith("gate:")


def _text(place: Placed | None) -> str:
    if place is None:
        return ""
    phase, step = place
    extra = [
        f"if {step.condition}" if step.condition else "",
        f"each {step.each}" if step.each else "",
        f"at most {seconds(step.timeout_s)}" if step.timeout_s else "",
        f"{step.retry.attempts} attempts" if step.retry.attempts > 1 else "",
        f"on failure {step.on_failure}" if step.on_failure != "fail" else "",
        "runs after a stop" if step.safe_after_stop else "",
        f"with {', '.join(step.credentials)}" if step.credentials else "",
    ]
    return "; ".join([RUNS[phase] + does(step), *filter(None, extra)])


def _step(one: Placed | None, two: Placed | None) -> Iterator[Note]:
    if one is None and two is not None:
        yield ("narrower", "one more decision on the way") if _is_gate(two) else ("wider", _added(*two))
    elif two is None:
        yield ("wider", "nobody is asked there any more") if _is_gate(one) else ("narrower", "it is not done any more")
    elif one is not None:
        if one[0] != two[0]:
            yield ("wider" if two[0] == "always" else "changed", f"moved from {one[0]} to {two[0]}")
        yield from _what(one[1], two[1])
        yield from _when(one[1], two[1])
        yield from _how_often(one[1], two[1])


def _added(phase: str, step: Step) -> str:
    late = {"rollback": " when something fails", "onCancel": " when it is canceled", "always": " whatever happens"}.get(
        phase, ""
    )
    return f"a new step{late}" + (", and it still runs after a stop" if step.safe_after_stop else "")


def _what(old: Step, new: Step) -> Iterator[Note]:
    if old.action != new.action:
        gate = old.action.startswith("gate:") and not new.action.startswith("gate:")
        yield ("wider" if gate else "changed", f"it was {old.action}, and is now {new.action}")
    if old.input != new.input:
        yield from _input(old, new)
    if old.makes_secrets != new.makes_secrets:
        yield (
            ("wider", "it may now have masked what it says is secret")
            if new.makes_secrets
            else ("narrower", "what it says is secret is masked no more")
        )
    yield from by_set(
        dict.fromkeys(old.sensitive, 1),
        dict.fromkeys(new.sensitive, 1),
        "it now hides the output",
        "it no longer hides",
    )
    kept = [{need.name: need for need in step.artifacts} for step in (old, new)]
    yield from by_set(kept[0], kept[1], "it now keeps the file", "it no longer keeps")
    if any(kept[0][name] != kept[1][name] for name in kept[0].keys() & kept[1].keys()):
        yield ("changed", "it keeps a file otherwise")
    yield from by_set(old.credentials, new.credentials, "it now uses the credential", "it no longer uses")


def _input(old: Step, new: Step) -> Iterator[Note]:
    before, after = dict(old.input), dict(new.input)
    if _says_sudo(after) and not _says_sudo(before):
        yield ("wider", "it now says sudo")
    if after.get("network") and not before.get("network"):
        yield ("wider", "it now reaches the network")
    if before.get("network") and not after.get("network"):
        yield ("narrower", "it reaches the network no more")
    keys = [key for key in dict.fromkeys((*before, *after)) if before.get(key) != after.get(key) and key != "network"]
    if new.action.startswith("gate:") and "approvers" in keys:
        yield from _approvers(before.get("approvers") or {}, after.get("approvers") or {})
        keys.remove("approvers")
    if keys:
        yield ("changed", f"another {', '.join(map(str, keys))}")


def _approvers(before: Any, after: Any) -> Iterator[Note]:
    if not isinstance(before, dict) or not isinstance(after, dict):
        yield ("changed", "other approvers")
        return
    for duty in dict.fromkeys((*before, *after)):
        was, now = before.get(duty, 0), after.get(duty, 0)
        yield from by_amount(-was, -now, f"{was} of {duty} decided, now {now}", f"{now} of {duty} decide, {was} before")


def _says_sudo(given: dict[str, Any]) -> bool:
    return "sudo" in words(given).replace("/", " ").split()


def _when(old: Step, new: Step) -> Iterator[Note]:
    if old.condition != new.condition:
        yield _condition(old, new)
    if old.each != new.each:
        yield ("wider" if old.each is None else "changed", f"once per {new.each or 'run'}")
    if old.on_failure != new.on_failure:
        goes_on = new.on_failure == "continue"
        yield (
            "wider" if goes_on else "changed",
            "goes on although it failed" if goes_on else f"then: {new.on_failure}",
        )
    if old.safe_after_stop != new.safe_after_stop:
        yield ("wider", "it still runs after a stop") if new.safe_after_stop else ("narrower", "a stop ends it too")


def _condition(old: Step, new: Step) -> Note:
    """A gate is the narrower the oftener it stands, any other step the wider."""
    gate = new.action.startswith("gate:")
    if new.condition is None:
        return ("narrower", "it now always asks") if gate else ("wider", "it now always runs")
    if old.condition is None:
        return ("wider", "it may now be passed over") if gate else ("narrower", "it runs under a condition only")
    return ("changed", "another condition")


def _how_often(old: Step, new: Step) -> Iterator[Note]:
    if old.timeout_s != new.timeout_s:
        was, now = seconds(old.timeout_s), seconds(new.timeout_s)
        yield from by_amount(old.timeout_s, new.timeout_s, f"{now} instead of {was}", f"{now} instead of {was}")
    was_, now_ = old.retry.attempts, new.retry.attempts
    yield from by_amount(was_, now_, f"tried {now_} times, {was_} before", f"tried {now_} times, {was_} before")
    if (old.retry.delay_s, old.retry.backoff) != (new.retry.delay_s, new.retry.backoff):
        yield ("changed", "another wait between attempts")
    if old.idempotent != new.idempotent:
        yield ("wider", "may be done again after lost contact") if new.idempotent else ("narrower", "not done again")


def _order(before: dict[str, Placed], after: dict[str, Placed]) -> Iterator[Difference]:
    for phase in PHASES:
        common = [n for n in before if n in after and before[n][0] == after[n][0] == phase]
        now = [n for n in after if n in common]
        if common != now:
            yield told("Steps", f"order of {phase}", ", ".join(common), ", ".join(now), [("changed", "another order")])


def calls(old: dict[str, str], new: dict[str, str]) -> Iterator[Difference]:
    """Called procedures by name and pinned digest."""
    for name in dict.fromkeys((*old, *new)):
        before, after = old.get(name, ""), new.get(name, "")
        note: Note = ("same", "the same version")
        if not before:
            note = ("wider", f"it now calls {name} ({CALL})")
        elif not after:
            note = ("narrower", f"it no longer calls {name}")
        elif before != after:
            note = ("changed", f"another version of {name}: what that may now do, it may do too")
        yield told("Calls", name, _mark(before), _mark(after), [note], calls=after if before != after else "")


def _mark(digest: str) -> str:
    return digest.removeprefix("sha256:")[:16]
