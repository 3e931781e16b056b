"""Less than before, and never more: filters, definitions and grants that give a part of what they replace."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from procedures.domain import filters
from procedures.domain.canonical import parse_moment
from procedures.domain.definition import PHASES, Definition, Step
from procedures.domain.errors import OpsError

CUTS = ("environment", "credential", "host", "writes", "targets")  # what a narrower version may lack
KEY = re.compile(r"[A-Za-z0-9_./:@?%+-]+")
MARK = re.compile(r"observation (sha256:[0-9a-f]{64})")
_BRANCH = {"steps": "steps", "rollback": "rollback", "onCancel": "on_cancel", "always": "always"}


class NotACut(OpsError):
    """Something that cannot be left out of a definition by itself."""

    code = "use.not-a-cut"
    next_step = "Edit the procedure by hand."


def filter_of(text: str, used: Collection[str], reach: Collection[Any]) -> str:
    """`text` and one more equality, that every used target meets and not every other one; nothing if there is none.

    `reach` are the targets that `text` may match. What is used and no longer there is not asked.
    """
    here = [target for target in reach if target.name in used]
    if not here or len(here) == len(reach):
        return ""
    shared = set.intersection(*(set(target.tags.items()) for target in here))
    counted = {
        (key, value): sum(target.tags.get(key) == value for target in reach)
        for key, value in shared
        if KEY.fullmatch(key) and key not in {"name", "and", "or", "not"}
    }
    good = sorted((count, *pair) for pair, count in counted.items() if count < len(reach))
    if not good:
        return ""
    _, key, value = good[0]
    return joined(text, f"{key}={json.dumps(value, ensure_ascii=False)}")


def joined(text: str, more: str) -> str:
    """Both at once; `*` and nothing add nothing."""
    if text.strip() in {"", "*"}:
        return more
    return f"({text.strip()}) {more}" if filters.parse(text).root.kind == "or" else f"{text.strip()} {more}"


def within(text: str, wider: str) -> bool:
    """Whether one filter is the other with parts more that must hold too: then it lets nothing else in."""
    if not wider or wider.strip() == "*":
        return True
    return bool(text) and filters.parse(wider).demands() <= filters.parse(text).demands()


def without(definition: Definition, kind: str, step: str, what: str, less: str = "") -> Definition:
    """The definition without that one line. Raises NotACut where it is not there, or nothing would be left."""
    made = _without(definition, kind, step, what, less)
    if made == definition:
        raise NotACut(f"The {kind} {what} is not there to be left out.")
    return made


def _without(definition: Definition, kind: str, step: str, what: str, less: str) -> Definition:
    if kind == "environment":
        left = tuple(name for name in definition.environments if name != what)
        if not left or len(left) == len(definition.environments):
            raise NotACut(f"{what} cannot be left out of its environments.")
        return replace(definition, environments=left)
    if kind == "credential":
        kept = {name: need for name, need in definition.credentials.items() if name != what}
        return _steps(replace(definition, credentials=kept), lambda one: _no_credential(one, what))
    if kind == "targets" and definition.targets is not None and within(less, definition.targets.filter):
        return replace(definition, targets=replace(definition.targets, filter=less))
    if kind in {"host", "writes"}:
        return _steps(definition, lambda one: _less_input(one, kind, what) if one.id == step else one)
    raise NotACut(f"{kind} {what} cannot be left out.")


def _steps(definition: Definition, change: Any) -> Definition:
    branches: dict[str, Any] = {_BRANCH[phase]: tuple(map(change, definition.branch(phase))) for phase in PHASES}
    return replace(definition, **branches)


def _no_credential(step: Step, name: str) -> Step:
    return replace(step, credentials=tuple(one for one in step.credentials if one != name))


def _less_input(step: Step, kind: str, what: str) -> Step:
    given = dict(step.input)
    if kind == "writes":
        given.pop("writes", None)
        return replace(step, input=given)
    left = [host for host in given.get("egress") or () if host != what]
    given = {**given, "egress": left} if left else {key: value for key, value in given.items() if key != "egress"}
    return replace(step, input=given)


def wider(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(pointer, why) for each way in which one grant gives what the other did not; both as objects that are signed."""
    found = []
    if new["principal"] != old["principal"]:
        found.append(("/object/principal", "is somebody else than before"))
    if more := sorted(set(new["verbs"]) - set(old["verbs"])):
        found.append(("/object/verbs", f"gives {', '.join(more)}, which was not given before"))
    if _more_places(old["environments"], new["environments"]):
        found.append(("/object/environments", "reaches an environment that was not given before"))
    if parse_moment(new["expires_at"]) > parse_moment(old["expires_at"]):
        found.append(("/object/expires_at", "is later than the end of the access that it narrows"))
    if not _same_or_one(old, new):
        found.append(("/object/procedure", "reaches procedures that were not given before"))
    if not within(new.get("target_filter", ""), old.get("target_filter", "")):
        found.append(("/object/target_filter", "covers targets that were not given before"))
    same = [name for name in ("window", "period", "grows") if old.get(name) != new.get(name)]
    found += [(f"/object/{name}", "must stay as it is") for name in same]
    if old.get("constraint") and any(old.get(n) != new.get(n) for n in ("constraint", "unconstrained")):
        found.append(("/object/constraint", "must stay as it is"))
    return found


def _more_places(old: Collection[str], new: Collection[str]) -> bool:
    return bool(old) and (not new or not set(new) <= set(old))


def _same_or_one(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """One procedure in the place of every one; labels stay, since what carries them changes."""
    if "procedure" in old or "selector" in old:
        return all(old.get(name) == new.get(name) for name in ("procedure", "selector"))
    return "selector" not in new


def told(definition: Definition, took: str, *, step: str = "", what: str = "") -> str:
    """Words about what was taken out of a definition there, newest first, with the way back; nothing for nothing.

    An author wrote them, from an observation: they explain, and decide nothing.
    """
    rows = [
        row
        for row in reversed(definition.narrowed)
        if row["took"] == took and (not step or row.get("step", "") in {"", step}) and (not what or row["what"] == what)
    ]
    if not rows:
        return ""
    one = rows[0]
    runs = f" in {one['runs']} runs" if "runs" in one else ""
    return (
        f"The {took} {one['what']} was taken out on {one['until']}, not being used{runs} "
        f"(observation {one['observation'][:19]}…): to have it back, put it in again and hand that in for review."
    )


def marked(reason: str) -> str:
    """The digest of the observation that a reason rests on, or nothing."""
    found = MARK.search(reason)
    return found[1] if found else ""
