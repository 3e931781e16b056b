"""What a template shows at its end: links that lead somewhere, and the rest as values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from procedures.domain import expressions
from procedures.importers.backstage_expressions import Names, carried
from procedures.importers.folder import identifier, is_plain, one_line
from procedures.importers.ledger import Ledger, Part


def read(given: Any, names: Names, ledger: Ledger, place: tuple[Part, ...]) -> dict[str, Any]:
    """`{"links": […], "values": {…}}`, as far as there are any."""
    if not isinstance(given, Mapping):
        if given is not None:
            ledger.reported(*place, why="This is no output.")
        return {}
    made = _Output(names, ledger)
    for key, value in given.items():
        if key in {"links", "text"} and isinstance(value, list):
            for number, row in enumerate(value):
                (made.link if key == "links" else made.text)(row, (*place, key, number))
        else:
            made.value(identifier(key, made.values), value, (*place, key))
    return {key: rows for key, rows in (("links", made.links), ("values", made.values)) if rows}


class _Output:
    def __init__(self, names: Names, ledger: Ledger) -> None:
        self.names, self.ledger = names, ledger
        self.links: list[dict[str, Any]] = []
        self.values: dict[str, Any] = {}

    def link(self, row: Any, place: tuple[Part, ...]) -> None:
        if not isinstance(row, Mapping):
            self.ledger.reported(*place, why="This is no link.")
            return
        title = one_line(str(row.get("title") or "")) or "Link"
        url = row.get("url")
        if isinstance(url, str) and 0 < len(url) <= 2000 and not _is_reference(url):
            ours, problems = self.ours(url, place)
            if not problems:
                self.links.append({"title": title, "url": ours})
                self.ledger.mapped(*place, into=f"the link {title}")
        elif (reference := row.get("entityRef") or url) is not None:
            self.value(identifier(title, self.values), reference, place)
        else:
            self.ledger.reported(*place, why="The link leads nowhere.")
        if "if" in row:
            self.ledger.reported(*place, "if", why="A link is shown whenever its address is known.")

    def text(self, row: Any, place: tuple[Part, ...]) -> None:
        if not isinstance(row, Mapping) or "content" not in row:
            self.ledger.reported(*place, why="This is no text.")
            return
        title = one_line(str(row.get("title") or "")) or "text"
        self.value(identifier(title, self.values), row["content"], place)
        if "if" in row:
            self.ledger.reported(*place, "if", why="A text is shown whenever its values are known.")

    def value(self, name: str, value: Any, place: tuple[Part, ...]) -> None:
        ours, problems = self.ours(value, place)
        if not problems:
            self.values[name] = ours
            self.ledger.mapped(*place, into=f"the output value {name}")

    def ours(self, value: Any, place: tuple[Part, ...]) -> tuple[Any, list[str]]:
        ours, problems = carried(value, self.names)
        if not is_plain(_unmarked(ours)):
            problems.append("It holds a character that cannot be seen, or text that lint would stop.")
        if problems:
            self.ledger.reported(*place, why=f"It is not shown: {' '.join(problems)[:300]}")
        return ours, problems


def _is_reference(url: str) -> bool:
    """Whether a link names an entity of the catalogue and no address."""
    try:
        paths = expressions.names_used(url)
        return expressions.parse(url).whole and any(path[-1] == "entityRef" for path in paths)
    except expressions.ExpressionRefused:
        return False


def _unmarked(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("${{", "")
    if isinstance(value, Mapping):
        return {key: _unmarked(item) for key, item in value.items()}
    return [_unmarked(item) for item in value] if isinstance(value, list) else value
