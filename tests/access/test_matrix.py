"""Every door, tried by every sort of person on own and others' things; the table is the answer (rule 5).

`+` let in · `-` refused · `.` nothing there · `>` sent to sign in · `!` let in, and refused for another reason.
The expected table lies beside this file; `OPSPORTAL_MATRIX=FILE` writes the one that was found, to be read and kept.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.urls import URLPattern, URLResolver, get_resolver, resolve

from procedures.access import decision, lists
from tests.access.aside import ASIDE
from tests.access.rows import ROWS, Row
from tests.access.scene import PERSONAS, Scene, play
from tests.house.test_doors import DOORS, METHODS

pytestmark = [pytest.mark.once, pytest.mark.timeout(600)]
TABLE = Path(__file__).with_name("matrix.txt")
NOTHING = "00000000-0000-7000-8000-000000000000"
MARKS = {401: ">", 403: "-", 404: "."}
OWN = {
    "asker": ("asker", "done", "waiting", "event", "token", "session", "wish", "grant"),
    "asker's token": ("asker", "done", "waiting", "event", "wish"),
    "author": ("version", "draft", "wanted", "thread"),
    "first manager": ("change",),
    "her token": ("change",),
}
# Doors that name nobody's thing in their path, and what one may do there about oneself.
ABOUT_ONESELF = {("POST /settings/sessions/", "asker"), ("GET /api/v1/access/people/manager/", "manager")}
DECIDING = {"decide": decision.decide, "live_rights": decision.live_rights, "visible": lists.visible}


@contextmanager
def watched() -> Iterator[list[str]]:
    """Which deciding functions were asked while this is open, wherever a module holds them."""
    asked: list[str] = []
    patched = []
    for name, function in DECIDING.items():

        def spy(*args: Any, _name: str = name, _function: Any = function, **more: Any) -> Any:
            asked.append(_name)
            return _function(*args, **more)

        for module in list(sys.modules.values()):
            if getattr(module, "__name__", "").startswith("procedures") and module.__dict__.get(name) is function:
                patched.append((module, name, function))
                setattr(module, name, spy)
    try:
        yield asked
    finally:
        for module, name, function in patched:
            setattr(module, name, function)


def tried(scene: Scene, row: Row, name: str) -> HttpResponse:
    """The answer; whatever it changed is taken back."""
    client, path = scene.clients[name], row.path.format(**scene.ids)
    point = transaction.savepoint()
    try:
        if row.method in {"GET", "DELETE"}:
            return client.generic(row.method, path)
        body = row.body(scene, name) if row.body else {}
        if path.startswith("/api/") and "bundle" not in body:
            return client.post(path, body, content_type="application/json")
        return client.post(path, body)
    finally:
        transaction.savepoint_rollback(point)


def mark(answer: HttpResponse) -> str:
    if answer.status_code == 302 and answer["Location"].startswith("/login/"):
        return ">"
    if answer.status_code < 400:
        return "+"
    return MARKS.get(answer.status_code, "!")


def table(found: dict[str, str]) -> str:
    """Rows by name, one mark for each persona, their names over the columns."""
    wide = max(map(len, found))
    heads = [f"{' ' * wide}  {' │' * index} {name}" for index, name in enumerate(PERSONAS)]
    rows = [f"{name:<{wide}}  {' ' + ' '.join(marks)}".rstrip() for name, marks in found.items()]
    return "\n".join([*heads, *rows]) + "\n"


@pytest.mark.usefixtures("db")
def test_every_door_answers_every_person_as_the_table_says(
    record_property: Callable[[str, Any], None], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    scene = play(tmp_path)
    found: dict[str, str] = {}
    undecided = []
    with watched() as asked:
        for row in tried_here(request.config):
            marks = ""
            for name in PERSONAS:
                asked.clear()
                answer = tried(scene, row, name)
                assert answer.status_code < 500, (row.name, name, answer.content[:2000])
                marks += mark(answer)
                if marks[-1] == "+" and not asked and not needs_none(row, scene) and not owns(row, name):
                    undecided.append((row.name, name))
            found[row.name] = marks
    if place := os.environ.get("OPSPORTAL_MATRIX"):
        Path(place).write_text(table(found))
    kept = TABLE.read_text()
    record_property(f"table: every door, every person ({len(found)} of {len(ROWS)} doors tried in this run)", kept)
    assert undecided == [], "let in without a decision"
    assert {name: marks for name, marks in rows_of(kept).items() if name in found} == found
    assert set(rows_of(kept)) == {row.name for row in ROWS}, "a row of the table is gone or new: make it anew"


def tried_here(config: pytest.Config) -> list[Row]:
    """Every door with --all or to make the table; in the gate one in four that reads, and one in two that changes."""
    if config.getoption("--all") or os.environ.get("OPSPORTAL_MATRIX"):
        return ROWS
    reads = [row for row in ROWS if row.method == "GET"]
    return reads[::4] + [row for row in ROWS if row.method != "GET"][::2]


def rows_of(text: str) -> dict[str, str]:
    """The table read back: marks by the name of a row."""
    wide = text.index("nobody") - 3
    lines = [line for line in text.splitlines() if line[:1].strip()]
    return {line[:wide].strip(): line[wide:].replace(" ", "") for line in lines}


def owns(row: Row, name: str) -> bool:
    """Whether the path names this person's own thing: own runs and versions are seen without a grant."""
    return (row.name, name) in ABOUT_ONESELF or any(f"{{{thing}}}" in row.path for thing in OWN.get(name, ()))


def needs_none(row: Row, scene: Scene) -> bool:
    """Whether the house's table says that this door needs no decision."""
    view: Any = resolve(row.path.format(**scene.ids).partition("?")[0]).func
    made = getattr(view, "cls", None)
    name = f"{made.__module__}.{made.__name__}.{row.method.lower()}" if made else f"{view.__module__}.{view.__name__}"
    return name.removeprefix("procedures.") in DOORS


def test_every_door_of_the_portal_is_a_row_or_stands_aside_with_a_reason() -> None:
    rows = {(row.method, resolve(row.path.partition("?")[0].format_map(Anything())).route) for row in ROWS}
    left = {(method, route) for method, route in doors() if route not in ASIDE} - rows
    assert left == set(), "try these in rows.py, or say there why not"
    assert set(ASIDE) - {route for _, route in doors()} == set(), "these are gone"


class Anything(dict[str, str]):
    """Any id will do where only the path is asked for."""

    def __missing__(self, name: str) -> str:
        return NOTHING


def doors() -> Iterator[tuple[str, str]]:
    """(method, path) of everything that answers: of a page, POST where its view looks at what was posted."""

    def walk(patterns: list[Any], prefix: str) -> Iterator[tuple[str, Any]]:
        for one in patterns:
            path = prefix + str(one.pattern)
            if isinstance(one, URLResolver):
                yield from walk(one.url_patterns, path)
            elif isinstance(one, URLPattern):
                yield path, one.callback

    for path, callback in walk(get_resolver().url_patterns, ""):
        view = getattr(callback, "cls", None)
        if view is not None:
            yield from ((method.upper(), path) for method in METHODS if hasattr(view, method))
            continue
        source = inspect.getsource(inspect.unwrap(callback))
        if "@require_POST" not in source:
            yield "GET", path
        if "POST" in source:
            yield "POST", path
