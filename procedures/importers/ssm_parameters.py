"""Parameters of an SSM document as a form. Source: AWS, "Data elements and parameters" of SSM documents."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from procedures.importers.folder import harmless, one_line
from procedures.importers.form import Form, fits, usable, whole_number
from procedures.importers.ledger import Ledger
from procedures.importers.ssm_text import REFERENCE, Names, concatenated, literal

TYPES: Mapping[str, Mapping[str, Any]] = {
    "String": {"type": "string"},
    "StringList": {"type": "array", "items": {"type": "string"}},
    "Boolean": {"type": "boolean"},
    "Integer": {"type": "integer"},
    "MapList": {"type": "array", "items": {"type": "object"}},
    "StringMap": {"type": "object"},
}
BOUNDS = {"minChars": "minLength", "maxChars": "maxLength", "minItems": "minItems", "maxItems": "maxItems"}
_JAVA = ((re.compile(r"\\[zZ]$"), "$"), (re.compile(r"^\\A"), "^"), (re.compile(r"\\h"), r"[ \\t]"))


def parameters(rows: Any, form: Form, names: Names, ledger: Ledger, left_out: Mapping[str, str]) -> None:
    """Every parameter into the form and the names; those `left_out` are not asked, for their reason."""
    if not isinstance(rows, Mapping):
        return
    for name, row in rows.items():
        if name in left_out:
            ledger.ignored("parameters", name, why=left_out[name])
        elif isinstance(row, Mapping):
            _Parameter(name, row, form, names, ledger).ask()


def kind_of(written: Any) -> tuple[str, bool]:
    """(type, whether it was known): AWS's own types are texts, `List<…>` lists of them."""
    if isinstance(written, str) and written in TYPES:
        return written, True
    if isinstance(written, str) and re.match(r"^(AWS::[\w:]+|List<AWS::[\w:]+>)$", written):
        return ("StringList" if written.startswith("List<") else "String"), True
    return "String", False


class _Parameter:
    def __init__(self, name: str, row: Mapping[str, Any], form: Form, names: Names, ledger: Ledger) -> None:
        self.name, self.row, self.form, self.names, self.ledger = name, row, form, names, ledger
        self.kind, self.known = kind_of(row.get("type"))

    def mapped(self, key: str, into: str) -> None:
        self.ledger.mapped("parameters", self.name, key, into=into)

    def reported(self, key: str, why: str) -> None:
        self.ledger.reported("parameters", self.name, key, why=why)

    def ask(self) -> None:
        schema = self.schema()
        required = "default" not in self.row
        if not required:
            required = self.default(schema)
        if problem := self.form.problem(self.name, schema):
            self.ledger.reported("parameters", self.name, why=f"It was left out. {problem}")
            self.names.late.pop(self.name, None)
            return
        self.form.ask(self.name, schema, required=required)
        self.names.parameters[self.name] = self.kind
        if not self.row:
            self.ledger.reported("parameters", self.name, why="It says nothing of its type; it became a text.")

    def schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"title": one_line(self.name) or "Parameter", **TYPES[self.kind]}
        inner = schema.get("items") if self.kind == "StringList" else schema
        for key, value in self.row.items():
            if key == "type":
                self.mapped(key, f"the type {self.kind}")
                if not self.known:
                    self.reported(key, "There is no such type; it became a text.")
            elif key == "description":
                schema["description"] = harmless(str(value))
                self.mapped(key, "description")
            elif key in BOUNDS:
                self.bound(schema, key)
            elif key == "displayType":
                schema |= {"ui:widget": "textarea"} if value == "textarea" else {}
                self.mapped(key, "how it is asked")
            elif key == "allowedValues":
                schema = self.choices(schema, value)
                inner = schema.get("items") if self.kind == "StringList" else schema
            elif key == "allowedPattern" and inner is not None:
                self.pattern(schema, value)
        return schema

    def bound(self, schema: dict[str, Any], key: str) -> None:
        found = whole_number(self.row[key])
        if found is None or found < 0:
            self.reported(key, "It is no number; the parameter has no such bound.")
        else:
            schema[BOUNDS[key]] = found
            self.mapped(key, BOUNDS[key])

    def choices(self, schema: dict[str, Any], value: Any) -> dict[str, Any]:
        rows = [row for row in value if isinstance(row, str | int | bool)] if isinstance(value, list) else []
        if self.kind in {"String", "StringList"}:
            rows = list(dict.fromkeys(_as_text(row) for row in rows))
        if not rows or self.kind in {"MapList", "StringMap"}:
            self.reported("allowedValues", "They are no list of plain values; any value is allowed.")
            return schema
        self.mapped("allowedValues", "enum")
        if self.kind == "StringList":
            return {**schema, "items": {"type": "string", "enum": rows}}
        return {**schema, "enum": rows}

    def pattern(self, schema: dict[str, Any], value: Any) -> None:
        """Java's dialect into that of the forms, which has no look-around and no back-references."""
        written = str(value)
        for old, new in _JAVA:
            written = old.sub(new, written)
        if self.kind not in {"String", "StringList"} or not usable({"type": "string", "pattern": written}):
            self.reported("allowedPattern", "The form cannot check this pattern; any value is allowed.")
            return
        if self.kind == "StringList":
            schema["items"] = {**schema["items"], "pattern": written}
        else:
            schema["pattern"] = written
        anchored = written.startswith("^") and written.endswith("$")
        self.mapped("allowedPattern", "pattern" if anchored else "pattern, which may match anywhere in the value")

    def default(self, schema: dict[str, Any]) -> bool:
        """Take the default over, if it can be. Whether the parameter must be given without it."""
        value = self.row["default"]
        if isinstance(value, str) and REFERENCE.search(value):
            late = concatenated(value) if self.kind == "String" else None
            if late is None:
                self.reported("default", "It is looked up when a run starts; without it the parameter must be given.")
                return True
            self.names.late[self.name] = late
            self.mapped("default", "the value where the parameter is left empty")
            return False
        found = self.fitting(value)
        if found is not None and fits(schema, found):
            schema["default"] = found
            self.mapped("default", "default")
            return False
        if value in ("", None, [], {}):
            self.ledger.ignored("parameters", self.name, "default", why="It is empty; the parameter may be left out.")
            if self.kind == "String":
                self.names.late[self.name] = literal("")
            return False
        self.reported("default", "It does not fit the parameter, which must be given without it.")
        return True

    def fitting(self, value: Any) -> Any:
        if self.kind == "Boolean" and str(value).lower() in {"true", "false"}:
            return str(value).lower() == "true"
        if self.kind == "Integer":
            return whole_number(value)
        if self.kind == "String" and isinstance(value, bool | int | float):
            return _as_text(value)
        return value


def _as_text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
