"""The steps of a Backstage template: built-in actions one to one, everything else marked by its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from procedures.definitions import registry
from procedures.domain import expressions
from procedures.importers.backstage_expressions import BARE, Names, carried, without_unasked
from procedures.importers.backstage_form import Pages
from procedures.importers.folder import identifier, is_plain, one_line
from procedures.importers.ledger import Ledger, Part

FETCH = ("fetch:template", "fetch:plain")
PUBLISH = ("publish:github", "publish:github:pull-request", "publish:git")
BUILT_IN = (*FETCH, *PUBLISH, "catalog:register", "catalog:write", "debug:log", "fs:rename", "fs:delete")
CREDENTIAL = "git"
KNOWN = frozenset({"id", "name", "action", "input", "if", "each"})
TOKEN = "The step's credential takes its place."
LEFT_OUT: Mapping[str, tuple[str, str]] = {
    "token": ("mapped", TOKEN),
    "gitTimeout": ("ignored", "The step's own timeout holds."),
    "gitProviderHost": ("ignored", "The credential's binding says which host it is for."),
    "access": ("reported", "Nobody is given access by the step; do it where the repository is made."),
    "collaborators": ("reported", "Nobody is given access by the step; do it where the repository is made."),
    "topics": ("reported", "The repository is made without topics."),
    "secrets": ("reported", "The repository is made without secrets of its own."),
    "repoVariables": ("reported", "The repository is made without variables of its own."),
    "reviewers": ("reported", "Nobody is asked for a review by the step."),
    "teamReviewers": ("reported", "Nobody is asked for a review by the step."),
    "protectDefaultBranch": ("reported", "The branch is not protected by the step."),
    "protectEnforceAdmins": ("reported", "The branch is not protected by the step."),
    "requireCodeOwnerReviews": ("reported", "The branch is not protected by the step."),
    "requiredStatusCheckContexts": ("reported", "The branch is not protected by the step."),
    "requiredApprovingReviewCount": ("reported", "The branch is not protected by the step."),
    "update": ("reported", "An existing branch is never overwritten."),
    "forceFork": ("reported", "No fork is made."),
}


@dataclass(slots=True)
class Carry:
    """One step on its way. `problems` say why it cannot act; then it is marked."""

    id: str
    was: str
    place: tuple[Part, ...]
    original: Any
    step: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def is_marked(self) -> bool:
        return bool(self.problems)


@dataclass(slots=True)
class Steps:
    rows: list[Carry] = field(default_factory=list)
    beside: dict[str, str] = field(default_factory=dict)
    hosts: set[str] = field(default_factory=set)


def read(given: list[Any], names: Names, pages: Pages, ledger: Ledger, place: tuple[Part, ...]) -> Steps:
    """Every step. `names.steps` is filled in first, so that each may read any."""
    found = Steps()
    taken: set[str] = set()
    for number, row in enumerate(given):
        asked = str(row.get("id") or "") if isinstance(row, Mapping) else ""
        own = identifier(asked or f"step-{number + 1}", taken)
        taken.add(own)
        was = one_line(str(row.get("action") or "")) if isinstance(row, Mapping) else ""
        found.rows.append(Carry(own, was or "a step without an action", (*place, number), row))
    names.steps |= taken
    for carry in found.rows:
        _Step(carry, names, pages, ledger, found).read()
    return found


class _Step:
    def __init__(self, carry: Carry, names: Names, pages: Pages, ledger: Ledger, steps: Steps) -> None:
        self.carry, self.names, self.pages, self.ledger, self.steps = carry, names, pages, ledger, steps

    def read(self) -> None:
        row = self.carry.original
        if not isinstance(row, Mapping):
            self.carry.problems.append("This is no step.")
            return
        self.carry.step = {"id": self.carry.id, "action": self.carry.was}
        if name := one_line(str(row.get("name") or "")):
            self.carry.step["name"] = name
        if "each" in row:
            self.each(row["each"])
        self.condition(row)
        if self.carry.was not in BUILT_IN or self.carry.was not in registry.actions():
            self.carry.problems.insert(0, f"There is no counterpart of {self.carry.was} here.")
            return
        self.input(row)
        self.carry.step["timeout"] = "5m"
        for key in row:
            if key not in KNOWN:
                self.ledger.reported(*self.carry.place, key, why="A step does not know the key.")
        if row.get("id") not in (None, self.carry.id):
            self.ledger.reported(*self.carry.place, "id", why=f"The step is named {self.carry.id} here.")

    def each(self, given: Any) -> None:
        """A list or an object that a form asks; only then is it known what an item is."""
        text, problems = carried(given, self.names)
        found = BARE.fullmatch(text.strip()) if isinstance(text, str) else None
        kind = self.pages.rules(found[1]).get("type") if found else None
        self.carry.problems += problems
        if kind not in {"array", "object"}:
            self.carry.problems.append("`each` goes over a list or an object that the form asks.")
        self.carry.step["each"] = text
        self.names = replace(self.names, each=True, over_list=kind == "array")

    def choices(self, name: str) -> list[str]:
        """The values that a field offers, if it is a choice."""
        rows = self.pages.rules(name).get("enum")
        return [str(value) for value in rows] if isinstance(rows, list) else []

    def condition(self, row: Mapping[str, Any]) -> None:
        given = row.get("if")
        if given is None:
            return
        text, problems = carried(given, replace(self.names, each=False))
        if not isinstance(text, bool) and not (isinstance(text, str) and _is_one(text)):
            problems.append("Its condition is no expression.")
        self.carry.problems += problems
        self.carry.step["if"] = text

    def input(self, row: Mapping[str, Any]) -> None:
        given = row.get("input") if row.get("input") is not None else {}
        if not isinstance(given, Mapping):
            self.carry.problems.append("Its input is no object.")
            return
        known = registry.actions()[self.carry.was].input_schema["properties"]
        kept: dict[str, Any] = {}
        given, unasked = without_unasked(given, self.names)
        if unasked:
            why = f"No form asks {', '.join(dict.fromkeys(unasked))}; what was always empty is left out."
            self.ledger.reported(*self.carry.place, "input", why=why)
        for key, value in given.items():
            if key in known or key not in LEFT_OUT:
                kept[key], problems = carried(value, self.names)
                self.carry.problems += problems
            else:
                fate, said = LEFT_OUT[key]
                getattr(self.ledger, fate)(*self.carry.place, "input", key, **{_WORD[fate]: said})
        if not is_plain(_without_expressions(kept)):
            self.carry.problems.append("Its input holds a character that cannot be seen, or text that lint would stop.")
        self.carry.step["input"] = kept
        if self.carry.was in PUBLISH:
            self.carry.step["credentials"] = [CREDENTIAL]
            self.steps.hosts.add(str(kept.get("repoUrl") or kept.get("remoteUrl") or "").partition("?")[0])
        if self.carry.was in FETCH:
            self.folders(str(kept.get("url") or ""))

    def folders(self, url: str) -> None:
        """Which folders beside the source the step wants in the bundle."""
        wanted = [url]
        if "${{" in url:
            paths = expressions.names_used(url) if _is_one(url) else frozenset()
            wanted = [choice for path in paths if path[0] == "parameters" for choice in self.choices(path[-1])]
        for text in wanted:
            parts = [part for part in text.split("/") if part not in {"", "."}]
            inner = [part for part in parts if part != ".."]
            if inner and ":" not in text and not text.startswith("/") and "${{" not in text:
                self.steps.beside["/".join(inner)] = "/".join(parts)


_WORD = {"mapped": "into", "ignored": "why", "reported": "why"}


def _is_one(text: str) -> bool:
    try:
        return expressions.parse(text).whole
    except expressions.ExpressionRefused:
        return False


def _without_expressions(value: Any) -> Any:
    """The value with its expressions' marks taken out, since they are told apart."""
    if isinstance(value, str):
        return value.replace("${{", "")
    if isinstance(value, Mapping):
        return {key: _without_expressions(item) for key, item in value.items()}
    return [_without_expressions(item) for item in value] if isinstance(value, list) else value
