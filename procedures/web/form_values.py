"""What was typed into a form, turned back into typed values, and what is wrong with it, hung where it belongs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.http import QueryDict

from procedures.web import form_hints

if TYPE_CHECKING:
    from procedures.web.schema_form import Field, FormPage


def rows_in(posted: QueryDict, key: str) -> int:
    """How many rows of a list of groups were posted or asked for."""
    marks = [name[len(key) + 1 :].partition(".")[0] for name in posted if name.startswith(f"{key}.")]
    told = [int(mark) + 1 for mark in marks if re.fullmatch(r"[0-9]{1,3}", mark)]
    return max(told, default=0) + (posted.get("grow") == key)


def without_row(posted: QueryDict, place: str) -> QueryDict:
    """The same form with one row of a list taken out: `p.hosts.2`."""
    key, _, mark = place.rpartition(".")
    if not mark.isdecimal():
        return posted
    left = QueryDict(mutable=True)
    for name, raw in posted.lists():
        number, _, rest = name[len(key) + 1 :].partition(".") if name.startswith(f"{key}.") else ("", "", "")
        if number == mark:
            continue
        later = number.isdecimal() and int(number) > int(mark)
        left.setlist(f"{key}.{int(number) - 1}.{rest}" if later else name, raw)
    return left


def as_text(made: Field, value: Any) -> Any:
    """A stored value as the input shows it."""
    if made.kind == "yes":
        return bool(value)
    if made.kind in {"choice", "radio", "yesno"}:
        return json.dumps(value)
    if made.kind in {"many", "checks"}:
        return [json.dumps(item) for item in value] if isinstance(value, list) else []
    if made.kind == "lines" and isinstance(value, list):
        return "\n".join(str(item) for item in value)
    return json.dumps(value, indent=2) if made.kind == "json" else value


def values(form: Sequence[FormPage], posted: QueryDict, seen: set[int] | None = None) -> dict[str, Any]:
    """What was typed, with types. An empty optional field is absent; what does not parse stays text."""
    found: dict[str, Any] = {}
    for number, page in enumerate(form):
        for one in page.all:
            if seen is not None and number not in seen:
                _keep_default(one, found)
            else:
                _read(one, posted, found)
    return found


def _keep_default(one: Field, found: dict[str, Any]) -> None:
    if "default" in one.schema:
        found[one.name] = one.schema["default"]


def _read(one: Field, posted: QueryDict, found: dict[str, Any]) -> None:
    """Put what was typed into one field under its name into `found`."""
    if form_hints.is_fixed(one.schema):
        _keep_default(one, found)
        return
    if one.kind == "group":
        inner: dict[str, Any] = {}
        for each in one.fields:
            _read(each, posted, inner)
        if one.required or any(value not in (False, None) for value in inner.values()):
            found[one.name] = inner
        return
    if one.kind == "rows":
        rows: list[dict[str, Any]] = []
        for row in one.rows:
            rows.append({})
            for each in row:
                _read(each, posted, rows[-1])
        if rows or one.required:
            found[one.name] = rows
        return
    _read_plain(one, posted, found)


def _read_plain(one: Field, posted: QueryDict, found: dict[str, Any]) -> None:
    raw = posted.getlist(one.key)
    listed = one.kind in {"many", "checks"}
    one.value = raw if listed else bool(raw) if one.kind == "yes" else (raw[0] if raw else "")
    if one.kind == "yes":
        found[one.name] = bool(raw)
    elif any(raw):
        found[one.name] = _typed(one, raw)
    if one.kind == "secret":
        one.value = ""
    if one.kind == "lines":
        one.value = "\n".join(raw)


def _typed(one: Field, raw: list[str]) -> Any:
    if one.kind in {"many", "checks"}:
        return [_json(item) for item in raw]
    text = "\n".join(raw) if one.kind == "lines" else raw[0]
    if one.kind in {"choice", "radio", "yesno", "json"}:
        return _json(text)
    if one.kind in {"number", "range"}:
        return _number(text, whole=one.schema.get("type") == "integer")
    if one.kind == "lines":
        items = (one.schema.get("items") or {}).get("type")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return [_number(line, whole=items == "integer") for line in lines] if items in {"integer", "number"} else lines
    return text.replace("\r\n", "\n")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _number(text: str, *, whole: bool) -> Any:
    try:
        return int(text) if whole or text.lstrip("-").isdecimal() else float(text)
    except ValueError:
        return text


def put_errors(form: Sequence[FormPage], rows: Sequence[Mapping[str, str]], *, under: str) -> list[str]:
    """Hang each error on its field by JSON pointer, or on the nearest above; gives back what belongs to none."""
    fields = {f"/{under}{one.pointer}": one for page in form for top in page.all for one in top.whole()}
    rest = []
    for row in rows:
        place = row["pointer"].replace("~1", "/").replace("~0", "~")
        while place and place not in fields:
            place = place.rpartition("/")[0]
        top = row["pointer"].split("/")
        if place:
            fields[place].errors.append(row["message"])
        elif len(top) < 2 or top[1] not in {"parameters", "secrets"} or under == top[1]:
            rest.append(f"{row['pointer'].lstrip('/')}: {row['message']}" if row["pointer"] else row["message"])
    return rest
