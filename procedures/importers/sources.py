"""YAML and JSON of other tools, as values with lines. JSON may be indented with tabs, which YAML forbids."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from procedures.definitions import unfold
from procedures.definitions.guard import Document
from procedures.definitions.unfold import Tagged
from procedures.domain.importing import ImportRefused

ENCRYPTED = "(encrypted)"


def documents(data: bytes) -> list[Document]:
    """Every document of a file, as plain JSON values. Raises ImportRefused with the line."""
    text = _text(data)
    if text.lstrip()[:1] not in {"{", "["}:
        return [Document(plain(found.value, found), found.marks) for found in unfold.load_all(data)]
    try:
        value = json.loads(text, parse_constant=_no_number)
    except (json.JSONDecodeError, RecursionError):
        value = None
    if value is None:
        return [Document(plain(found.value, found), found.marks) for found in unfold.load_all(data)]
    marked = unfold.load_all(text.replace("\t", " ").encode())
    return [Document(plain(value, marked[0]), marked[0].marks)]


def _text(data: bytes) -> str:
    if len(data) > unfold.MAX_BYTES:
        raise ImportRefused(f"The file is {len(data):,} bytes; the limit is {unfold.MAX_BYTES:,}.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data[: problem.start].count(b"\n") + 1
        raise ImportRefused("The file is not UTF-8.", line=line) from problem


def _no_number(text: str) -> NoReturn:
    raise ImportRefused(f"{text} is no number of JSON.")


def plain(value: Any, document: Document, pointer: str = "") -> Any:
    """A value as JSON knows it: dates as text, tagged scalars as their text. Raises ImportRefused."""
    if isinstance(value, Mapping):
        return {key: plain(item, document, f"{pointer}/{_escaped(key)}") for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item, document, f"{pointer}/{number}") for number, item in enumerate(value)]
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Tagged) and value.tag.startswith("!vault"):
        return ENCRYPTED
    if isinstance(value, str):
        return _clean(str(value), document, pointer)
    if isinstance(value, float) and not math.isfinite(value):
        raise ImportRefused("A number without an end.", line=document.where(pointer)[0])
    if value is None or isinstance(value, bool | int | float):
        return value
    raise ImportRefused(f"A {type(value).__name__} has no place here.", line=document.where(pointer)[0])


def _clean(text: str, document: Document, pointer: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as problem:
        raise ImportRefused("Half a character stands here.", line=document.where(pointer)[0]) from problem
    if "\x00" in text:
        raise ImportRefused("A NUL character stands here.", line=document.where(pointer)[0])
    return text


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")
