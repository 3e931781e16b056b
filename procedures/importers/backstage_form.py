"""The pages of a Backstage form: kept as they stand, `ui:` hints and conditions too, and made to compile."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from procedures.domain import forms, parameters, rendering
from procedures.importers.folder import harmless, is_plain, one_line
from procedures.importers.form import fits
from procedures.importers.ledger import Ledger, Part

SHOWN = frozenset(
    {"EntityPicker", "OwnerPicker", "OwnedEntityPicker", "MultiEntityPicker", "EntityNamePicker", "MyGroupsPicker"}
    | {"EntityTagsPicker", "RepoUrlPicker", "RepoBranchPicker", "Secret"}
)
CONDITIONS = (*forms.CONDITIONS, "dependencies")
SAFE = ("type", "title", "description", "items")
SECRET = "A secret that is asked only in some cases is not carried over; ask for it always, under spec.secrets."


@dataclass(slots=True)
class Pages:
    """The pages as they go into a definition, secrets apart."""

    pages: list[dict[str, Any]] = field(default_factory=list)
    secrets: dict[str, Any] = field(default_factory=dict)
    needed: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def spec(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if pages := [page for page in self.pages if forms.every_property(forms.modern(page))]:
            found["parameters"] = pages[0] if len(pages) == 1 else pages
        if self.secrets:
            found["secrets"] = {"schema": {"required": self.needed, "properties": self.secrets}}
        return found

    def rules(self, name: str) -> Mapping[str, Any]:
        """The rules of a field, none for one that is not asked."""
        for page in self.pages:
            rules = forms.every_property(forms.modern(page)).get(name)
            if isinstance(rules, Mapping):
                return rules
        return {}


def read(given: Any, ledger: Ledger, place: tuple[Part, ...]) -> Pages:
    """Every page of `spec.parameters`, one or a list of them."""
    found = Pages()
    rows = enumerate(given) if isinstance(given, list) else [(None, given)]
    for number, page in rows:
        here = place if number is None else (*place, number)
        if isinstance(page, Mapping):
            _Page(page, found, ledger, here).read()
        elif page is not None:
            ledger.reported(*here, why="This is no page of a form.")
    return found


class _Page:
    def __init__(self, given: Mapping[str, Any], into: Pages, ledger: Ledger, place: tuple[Part, ...]) -> None:
        self.given, self.into, self.ledger, self.place = given, into, ledger, place
        self.page: dict[str, Any] = {}

    def read(self) -> None:
        self.words()
        self.questions()
        self.conditions()
        self.required()
        self.into.pages.append(self.page)
        self.into.names |= set(forms.every_property(forms.modern(self.page)))

    def words(self) -> None:
        for key, value in self.given.items():
            if key in {"title", "description"}:
                self.page[key] = one_line(str(value)) if key == "title" else harmless(str(value))
                self.ledger.mapped(*self.place, key, into="the words above a page of the form")
            elif key.startswith("ui:") and is_plain(value):
                self.page[key] = value
                self.ledger.mapped(*self.place, key, into="a hint of the form")
            elif key == "type" and value == "object":
                self.ledger.mapped(*self.place, key, into="a page of the form")
            elif key == "backstage:featureFlag":
                self.ledger.reported(*self.place, key, why="The page is shown to everybody here.")
            elif key not in {"properties", "required", *CONDITIONS}:
                self.ledger.reported(*self.place, key, why="A form does not know the key; nothing of it is used.")

    def questions(self) -> None:
        rows = self.given.get("properties")
        if rows is None and "properties" not in self.given:
            return
        if not isinstance(rows, Mapping):
            self.ledger.reported(*self.place, "properties", why="These are no questions.")
            return
        if not rows:
            self.ledger.ignored(*self.place, "properties", why="It is empty.")
        for name, rules in rows.items():
            self.question(name, rules, (*self.place, "properties", name))

    def question(self, name: str, rules: Any, place: tuple[Part, ...]) -> None:
        if not isinstance(rules, Mapping):
            self.ledger.reported(*place, why="This is no question.")
            return
        if problem := self.name_problem(name):
            self.ledger.reported(*place, why=problem)
            return
        kept = self.usable(name, rules, place)
        if is_secret(rules):
            self.into.secrets[name] = {**kept, "type": "string"}
            self.into.secrets[name].pop("default", None)
            self.ledger.mapped(*place, into=f"the secret {name}")
            if "default" in rules:
                self.ledger.reported(*place, "default", why="A secret has no default that everybody can read.")
            return
        self.page.setdefault("properties", {})[name] = kept
        self.ledger.mapped(*place, into=f"the parameter {name}")
        self.hint(rules, place)

    def name_problem(self, name: str) -> str:
        taken = [*self.page.get("properties", {}), *self.into.names, *self.into.secrets]
        if not name or len(name) > 100 or not name.isprintable() or not is_plain(name):
            return "Its name cannot be the name of a parameter."
        if rendering.variable(name) in set(map(rendering.variable, taken)):
            return f"Another question already becomes {rendering.variable(name)}."
        return ""

    def hint(self, rules: Mapping[str, Any], place: tuple[Part, ...]) -> None:
        shown = one_line(str(rules.get("ui:field") or ""))
        if shown and shown not in SHOWN:
            why = f"{shown} is a field of their own Backstage; a plain field stands in its place."
            self.ledger.reported(*place, "ui:field", why=why)

    def usable(self, name: str, rules: Mapping[str, Any], place: tuple[Part, ...]) -> dict[str, Any]:
        """The rules of a question, without what would not compile or what a reviewer could not see."""
        kept: dict[str, Any] = dict(rules)
        for key in ("title", "description", "ui:help"):
            if isinstance(kept.get(key), str):
                kept[key] = one_line(kept[key]) if key == "title" else harmless(kept[key])
            elif key in kept:
                del kept[key]
        if isinstance(kept.get("required"), bool):
            del kept["required"]
            self.ledger.ignored(*place, "required", why="What is required stands in the page's own list.")
        told = parameters.check_schema({"properties": {name: kept}})
        if told or not is_plain(kept):
            kept = {key: kept[key] for key in SAFE if key in kept and is_plain(kept[key])}
            kept = {} if parameters.check_schema({"properties": {name: kept}}) else kept
            why = told[:150] or "something in it cannot be seen, or would be stopped by lint"
            self.ledger.reported(*place, why=f"Only its words and its type were carried over: {why}.")
        elif "default" in kept and not fits({k: v for k, v in kept.items() if k != "default"}, kept["default"]):
            del kept["default"]
            self.ledger.reported(*place, "default", why="The default does not fit the question's own rules.")
        return kept

    def conditions(self) -> None:
        rows = {key: copy.deepcopy(self.given[key]) for key in CONDITIONS if key in self.given}
        if not rows:
            return
        hidden = _without_secrets(rows)
        whole = forms.modern({**self.page, **rows})
        told = parameters.check_schema(whole) if is_plain(rows) else "something in them cannot be seen."
        if told or forms.is_open(whole) or self._collides(whole):
            why = told[:150] or "they let in names that nobody declared, or that become the same variable"
            for key in rows:
                self.ledger.reported(*self.place, key, why=f"The conditions were not carried over: {why}.")
            return
        self.page |= rows
        for key in rows:
            self.ledger.mapped(*self.place, key, into="questions that are asked when they count")
            if hidden:
                self.ledger.reported(*self.place, key, why=f"{', '.join(hidden)}: {SECRET}")

    def _collides(self, whole: Mapping[str, Any]) -> bool:
        names = [*forms.every_property(whole), *(self.into.names - set(forms.every_property(whole)))]
        return len(set(map(rendering.variable, [*names, *self.into.secrets]))) < len({*names, *self.into.secrets})

    def required(self) -> None:
        if "required" not in self.given:
            return
        rows = self.given["required"]
        if not isinstance(rows, list):
            self.ledger.reported(*self.place, "required", why="This is no list of names.")
            return
        names = [name for name in rows if isinstance(name, str)]
        known = set(self.page.get("properties", {})) | set(forms.every_property(forms.modern(self.page)))
        self.page["required"] = [name for name in dict.fromkeys(names) if name in known]
        self.into.needed += [name for name in names if name in self.into.secrets and name not in self.into.needed]
        asked = known | set(self.into.secrets)
        lost = [one_line(str(name)) for name in rows if not isinstance(name, str) or name not in asked]
        self.ledger.mapped(*self.place, "required", into="what must be filled in")
        if lost:
            self.ledger.reported(*self.place, "required", why=f"There is no such question: {', '.join(lost)}.")


def is_secret(rules: Any) -> bool:
    return isinstance(rules, Mapping) and str(rules.get("ui:field", "")).lower() == "secret"


def _without_secrets(value: Any) -> list[str]:
    """Take secret questions out of conditions, in place; their names."""
    found: list[str] = []
    if isinstance(value, list):
        for item in value:
            found += _without_secrets(item)
    elif isinstance(value, dict):
        rows = value.get("properties")
        if isinstance(rows, dict):
            hidden = [name for name, rules in rows.items() if is_secret(rules)]
            for name in hidden:
                del rows[name]
            if hidden and isinstance(value.get("required"), list):
                value["required"] = [name for name in value["required"] if name not in hidden]
            found += [one_line(name) for name in hidden]
        for item in value.values():
            found += _without_secrets(item)
    return found
