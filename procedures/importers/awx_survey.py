"""Questions of an AWX survey as JSON Schema.

Source: AWX's documentation, "Surveys", and the survey_spec view of its API: types text, textarea, password, integer,
float, multiplechoice, multiselect; `min` and `max` are lengths of texts and bounds of numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from procedures.importers.folder import harmless, one_line
from procedures.importers.form import Form, fits, number, whole_number
from procedures.importers.ledger import Ledger, Part

TEXTS = {"text", "textarea", "password"}
NUMBERS = {"integer": "integer", "float": "number"}
CHOICES = {"multiplechoice", "multiselect"}
OWN = {"new_question", "index"}
Place = tuple[Part, ...]


def survey(spec: Any, form: Form, ledger: Ledger, place: Place) -> None:
    """Every question of a survey spec, the mapping with `name`, `description` and `spec`, into a form."""
    if not isinstance(spec, Mapping):
        ledger.reported(*place, why="The survey is no mapping with a spec; nothing of it was carried over.")
        return
    for key, value in spec.items():
        if key in {"name", "description"}:
            ledger.ignored(*place, key, why="A form is titled by its procedure.")
        elif key == "spec" and isinstance(value, list):
            for number_, row in enumerate(value):
                _Question(row, form, ledger, (*place, "spec", number_)).ask()
            if not value:
                ledger.ignored(*place, key, why="It asks nothing.")


class _Question:
    def __init__(self, row: Any, form: Form, ledger: Ledger, place: Place) -> None:
        self.row, self.form, self.ledger, self.place = row, form, ledger, place

    def ask(self) -> None:
        row = self.row
        if not isinstance(row, Mapping) or not isinstance(row.get("variable"), str):
            self.ledger.reported(*self.place, why="The question names no variable; it was left out.")
            return
        kind = str(row.get("type"))[:40]
        schema = self.schema(kind)
        secret = kind == "password"
        required = self.required(schema)
        if "default" in row:
            self.default(schema, secret=secret)
        if problem := self.form.problem(row["variable"], schema):
            self.ledger.reported(*self.place, why=f"The question was left out. {problem}")
            return
        self.form.ask(row["variable"], schema, required=required, secret=secret)
        self.mapped("variable", f"the {'secret' if secret else 'parameter'} {row['variable']}")
        for key in OWN & set(row):
            self.ledger.ignored(*self.place, key, why="AWX's own page keeps it; it says nothing about the question.")

    def mapped(self, key: str, into: str) -> None:
        if key in self.row:
            self.ledger.mapped(*self.place, key, into=into)

    def reported(self, key: str, why: str) -> None:
        self.ledger.reported(*self.place, key, why=why)

    def schema(self, kind: str) -> dict[str, Any]:
        row = self.row
        title = one_line(str(row.get("question_name") or row["variable"])) or "Question"
        schema: dict[str, Any] = {"title": title}
        self.mapped("question_name", "title")
        for key in ("question_description", "description"):
            if key in row:
                schema |= {"description": harmless(str(row[key]))} if row[key] else {}
                self.mapped(key, "description")
        self.mapped("type", "the type of the parameter")
        if kind in NUMBERS:
            schema["type"] = NUMBERS[kind]
            self.bounds(schema, "minimum", "maximum")
        elif kind in CHOICES:
            self.choices(schema, kind)
        else:
            schema["type"] = "string"
            if kind not in TEXTS:
                self.reported("type" if "type" in row else "variable", f"There is no type {kind!r}; it became a text.")
            if kind == "textarea":
                schema["ui:widget"] = "textarea"
            self.bounds(schema, "minLength", "maxLength")
        return schema

    def bounds(self, schema: dict[str, Any], low: str, high: str) -> None:
        for key, name in (("min", low), ("max", high)):
            value = self.row.get(key)
            if key not in self.row:
                continue
            found = number(value) if name in {"minimum", "maximum"} else whole_number(value)
            if name == "maxLength" and found == 0:
                self.ledger.ignored(*self.place, key, why="AWX means no bound by it.")
                continue
            if found is not None and (found >= 0 or name in {"minimum", "maximum"}):
                schema[name] = found
                self.mapped(key, name)
            elif value in (None, ""):
                self.ledger.ignored(*self.place, key, why="It is empty.")
            else:
                self.reported(key, "It is no number; the question has no such bound.")

    def choices(self, schema: dict[str, Any], kind: str) -> None:
        given = self.row.get("choices")
        if isinstance(given, str):
            given = given.split("\n")
        rows = [_text(item) for item in given] if isinstance(given, list) else []
        rows = list(dict.fromkeys(item for item in rows if item))
        if not rows:
            self.reported("choices" if "choices" in self.row else "type", "There is nothing to choose from.")
        else:
            self.mapped("choices", "enum")
        options: dict[str, Any] = {"type": "string", **({"enum": rows} if rows else {})}
        schema |= {"type": "array", "uniqueItems": True, "items": options} if kind == "multiselect" else options
        for key in {"min", "max"} & set(self.row):
            self.ledger.ignored(*self.place, key, why="AWX counts it for texts and numbers alone.")

    def required(self, schema: dict[str, Any]) -> bool:
        """AWX takes no empty text for a question that must be answered."""
        value: Any = self.row.get("required", False)
        if not isinstance(value, bool):
            self.reported("required", "It is neither true nor false; the question must be answered.")
            value = True
        self.mapped("required", "required")
        if value and schema.get("type") == "string" and "enum" not in schema:
            schema["minLength"] = max(1, schema.get("minLength", 0))
        if value and schema.get("type") == "array":
            schema["minItems"] = 1
        return bool(value)

    def default(self, schema: dict[str, Any], *, secret: bool) -> None:
        value: Any = self.row["default"]
        if value is None or value == "":
            self.ledger.ignored(*self.place, "default", why="It is empty.")
            return
        if secret:
            self.reported("default", "A secret has no default here; whoever starts a run hands it over.")
            return
        found = _fitting(schema, value)
        if found is not None and fits(schema, found):
            schema["default"] = found
            self.mapped("default", "default")
        else:
            self.reported("default", "It does not fit the question, so it was left out.")


def _fitting(schema: Mapping[str, Any], value: Any) -> Any:
    """A default in the type of its question: numbers may be text, several choices a text of lines."""
    kind = schema["type"]
    if kind == "integer":
        return whole_number(value)
    if kind == "number":
        return number(value)
    if kind == "array":
        rows = value.split("\n") if isinstance(value, str) else value
        return [_text(item) for item in rows if _text(item)] if isinstance(rows, list) else None
    return _text(value)


def _text(value: Any) -> str:
    """A scalar as AWX shows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip("\r") if isinstance(value, str | int | float) else ""
