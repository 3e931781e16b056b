"""A JSON Schema as a form: fields to show, and what was typed turned back into typed values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from procedures.domain import forms
from procedures.web import form_hints
from procedures.web.form_values import as_text, put_errors, rows_in, values, without_row

MAX_ROWS = 50
MAX_DEPTH = 5
Schema = Mapping[str, Any]
Count = Callable[[str], int]


@dataclass(slots=True)
class Field:
    """One input; `kind` is one of `form_hints.kind`, or `secret`. `pointer` is its place below the parameters.

    A group has `fields`; rows have `rows` of fields. `listed` says where its choices come from, if not from the schema.
    """

    name: str
    key: str
    title: str
    kind: str
    required: bool
    pointer: str = ""
    hint: str = ""
    value: Any = ""
    choices: list[tuple[str, str]] = field(default_factory=list)
    attrs: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    schema: Schema = field(default_factory=dict)
    fields: list[Field] = field(default_factory=list)
    rows: list[list[Field]] = field(default_factory=list)
    hidden: bool = False
    listed: Any = None
    suggestions: list[str] = field(default_factory=list)
    offers: list[tuple[str, str, bool]] = field(default_factory=list)

    def whole(self) -> Iterator[Field]:
        """This field and all below it."""
        yield self
        for inner in (*self.fields, *(one for row in self.rows for one in row)):
            yield from inner.whole()


@dataclass(frozen=True, slots=True)
class FormPage:
    title: str
    hint: str
    fields: list[Field]
    hidden: list[Field] = field(default_factory=list)

    @property
    def all(self) -> list[Field]:
        return [*self.fields, *self.hidden]


def pages(
    schemas: Sequence[Schema],
    *,
    prefix: str = "p",
    secret: bool = False,
    filled: Mapping[str, Any] | None = None,
    count: Count | None = None,
) -> list[FormPage]:
    """The pages of a form, with the fields that count for what is `filled` in. An input is named `<prefix>.<name>`."""
    value = filled or {}
    made = []
    for schema in schemas:
        fields = _fields(schema, value, prefix, "", secret=secret, count=count or _none, depth=0)
        shown, hidden = [one for one in fields if not one.hidden], [one for one in fields if one.hidden]
        made.append(FormPage(str(schema.get("title", "")), str(schema.get("description", "")), shown, hidden))
    return [one for one in made if one.fields or one.hidden]


def _none(key: str) -> int:
    """No rows beside those that are filled in."""
    return 0


def _fields(
    schema: Schema, filled: Mapping[str, Any], key: str, pointer: str, *, secret: bool, count: Count, depth: int
) -> list[Field]:
    """The fields of one object, in the order that the author asks for."""
    value = forms.with_defaults(schema, filled)
    properties, required = forms.active(schema, value)
    found = []
    for name in form_hints.order(list(properties), schema.get("ui:order")):
        rules = properties[name] if isinstance(properties[name], Mapping) else {}
        one = _field(name, rules, name in required, f"{key}.{name}", f"{pointer}/{name}", secret=secret)
        inside = value.get(name, rules.get("default"))
        if depth < MAX_DEPTH:
            _nest(one, rules, inside, count, depth)
        elif one.kind in {"group", "rows"}:
            one.kind = "json"
        if name in value and one.kind not in {"group", "rows", "secret"}:
            one.value = as_text(one, value[name])
        found.append(one)
    return found


def _nest(one: Field, rules: Schema, value: Any, count: Count, depth: int) -> None:
    """Give a group its fields, and rows their rows: as many as are filled in or asked for."""

    def inner(schema: Schema, filled: Any, place: str) -> list[Field]:
        given = filled if isinstance(filled, Mapping) else {}
        below = one.pointer + place.replace(".", "/")
        return _fields(schema, given, one.key + place, below, secret=False, count=count, depth=depth + 1)

    if one.kind == "group":
        one.fields = inner(rules, value, "")
    if one.kind == "rows":
        given = value if isinstance(value, list) else []
        least = rules.get("minItems") if isinstance(rules.get("minItems"), int) else 0
        many = min(MAX_ROWS, max(len(given), count(one.key), least or 0))
        one.rows = [inner(rules["items"], given[n] if n < len(given) else {}, f".{n}") for n in range(many)]


def _field(name: str, rules: Schema, required: bool, key: str, pointer: str, *, secret: bool) -> Field:
    kind = "secret" if secret or rules.get("writeOnly") else form_hints.kind(rules)
    return Field(
        name,
        key,
        form_hints.title(name, rules),
        kind,
        required,
        pointer,
        hint=form_hints.hint(rules, kind),
        schema=rules,
        attrs=form_hints.attributes(rules, kind),
        choices=form_hints.choices(rules, kind),
        hidden=form_hints.is_hidden(rules),
    )


def grown(
    schemas: Sequence[Schema],
    posted: QueryDict,
    *,
    prefix: str = "p",
    secret: bool = False,
    seen: set[int] | None = None,
) -> tuple[list[FormPage], dict[str, Any]]:
    """The form as it stands once everything that was typed has had its say, and what was typed.

    `seen` are the pages that were shown: what stands on the others keeps its defaults.
    """

    def built(typed: Mapping[str, Any]) -> list[FormPage]:
        return pages(schemas, prefix=prefix, secret=secret, filled=typed, count=lambda key: rows_in(posted, key))

    form = built({})
    typed = values(form, posted, seen)
    for _ in range(forms.ROUNDS):
        before = _keys(form)
        form = built(typed)
        typed = values(form, posted, seen)
        if _keys(form) == before:
            break
    return form, typed


def _keys(form: Sequence[FormPage]) -> set[str]:
    return {one.key for page in form for top in page.all for one in top.whole()}


__all__ = ["Field", "FormPage", "as_text", "grown", "pages", "put_errors", "rows_in", "values", "without_row"]
