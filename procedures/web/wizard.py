"""A form of several pages, walked with back and next, without JavaScript: what was typed travels in hidden fields."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from procedures.domain.errors import InvalidInput
from procedures.domain.uploads import decoded
from procedures.web.schema_form import Field, FormPage


@dataclass(slots=True)
class Wizard:
    """Where somebody is: page `at` of `count`; behind the last page comes the look at everything."""

    count: int
    at: int
    seen: set[int]

    @property
    def is_one(self) -> bool:
        """Whether everything stands on one page, and there is nothing to walk."""
        return self.count <= 1

    @property
    def is_last(self) -> bool:
        return self.is_one or self.at >= self.count

    @property
    def seen_text(self) -> str:
        return ",".join(map(str, sorted(self.seen)))

    def move(self, go: str) -> None:
        """`next`, `back`, or the number of a page."""
        steps = {"next": self.at + 1, "back": self.at - 1}
        wanted = steps.get(go, int(go) if go.isdecimal() and len(go) < 4 else self.at)
        self.at = max(0, min(wanted, self.count))

    def shown(self, form: Sequence[FormPage]) -> list[FormPage]:
        return list(form) if self.is_one else list(form[self.at : self.at + 1])


def of(count: int, posted: QueryDict) -> Wizard:
    """The walk as it was when the form was sent; the page that was shown has been seen."""
    at = posted.get("at", "0")
    made = Wizard(count, min(int(at), count) if at.isdecimal() and len(at) < 4 else 0, set())
    marks = [mark for mark in posted.get("seen", "").split(",") if mark.isdecimal() and len(mark) < 4]
    made.seen = {int(mark) for mark in marks if int(mark) < count}
    if posted:
        made.seen |= {made.at} if made.at < count else set()
    return made


def carried(wizard: Wizard, form: Sequence[FormPage]) -> list[tuple[str, str]]:
    """(name, value) of everything typed on pages that are not shown now."""
    if wizard.is_one:
        return []
    others = [page for number, page in enumerate(form) if number in wizard.seen and number != wizard.at]
    return [pair for page in others for top in page.all for one in top.whole() for pair in _raws(one)]


def _raws(one: Field) -> Iterator[tuple[str, str]]:
    if one.kind in {"group", "rows", "secret"}:
        return
    if one.kind == "yes":
        if one.value:
            yield one.key, "1"
    elif isinstance(one.value, list):
        for item in one.value:
            yield one.key, str(item)
    elif one.value not in (None, ""):
        yield one.key, str(one.value)


def summary(form: Sequence[FormPage]) -> list[dict[str, Any]]:
    """Each page with what was filled in, for the look at everything."""
    return [
        {"title": page.title or f"Page {number + 1}", "number": number, "rows": [_row(one) for one in page.all]}
        for number, page in enumerate(form)
    ]


def _row(one: Field) -> tuple[str, str, list[str]]:
    return one.title, shown(one), one.errors


def shown(one: Field) -> str:
    """What a field holds, as people read it."""
    if one.kind == "group":
        return ", ".join(f"{inner.title}: {shown(inner)}" for inner in one.fields) or "–"
    if one.kind == "rows":
        return "; ".join(", ".join(shown(inner) for inner in row) for row in one.rows) or "–"
    if one.kind == "yes":
        return "yes" if one.value else "no"
    if one.kind == "file" and one.value:
        try:
            label, content = decoded(one.name, str(one.value))
        except InvalidInput:
            return "no file"
        return f"{label or 'a file'}, {len(content):,} bytes"
    texts = dict(one.choices)
    if isinstance(one.value, list):
        return ", ".join(texts.get(item, _plain(item)) for item in one.value) or "–"
    return texts.get(one.value, str(one.value)) if one.value not in (None, "") else "–"


def _plain(item: Any) -> str:
    try:
        return str(json.loads(item))
    except (TypeError, ValueError):
        return str(item)
