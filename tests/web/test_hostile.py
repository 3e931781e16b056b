"""H29: forty payloads in every field that an author or requester fills, on every page: nothing of them is markup."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from procedures.domain import links
from procedures.models import Run
from procedures.web import prose
from tests.fixtures.settled import Settled
from tests.web.hostile import PAYLOADS, written
from tests.web.town import Town, found

FORBIDDEN = {
    "iframe",
    "object",
    "embed",
    "base",
    "style",
    "img",
    "math",
    "applet",
    "frame",
    "video",
    "audio",
    "animate",
}
LINKING = {"href", "src", "action", "formaction", "data", "poster", "srcdoc", "xlink:href", "ping"}


class Seen(HTMLParser):
    """Everything in a page that could act, and is not ours."""

    def __init__(self) -> None:
        super().__init__()
        self.bad: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in FORBIDDEN:
            self.bad.append(f"<{tag}>")
        if tag == "meta" and any(name == "http-equiv" for name, _ in attrs):
            self.bad.append("<meta http-equiv>")
        for name, value in attrs:
            if name.startswith("on") or name in {"style", "srcdoc", "ping"}:
                self.bad.append(f"<{tag} {name}>")
            if name in LINKING and not _ours(value or ""):
                self.bad.append(f"<{tag} {name}={value}>")
        if tag == "script" and not dict(attrs).get("src"):
            self.bad.append("<script> without src")


def _ours(url: str) -> bool:
    inside = (url.startswith("/") and not url.startswith(("//", "/\\"))) or url[:1] in {"", "#", "?"}
    return inside or bool(links.safe(url) and not links.safe(url).startswith("https://evil"))


def acting(page: str) -> list[str]:
    seen = Seen()
    seen.feed(page)
    return seen.bad


def test_there_are_forty() -> None:
    assert len(PAYLOADS) == len(set(PAYLOADS)) >= 40


def test_the_reader_of_pages_sees_what_acts() -> None:
    """Without this, an empty list of complaints would prove nothing."""
    acting_ones = [payload for payload in PAYLOADS if acting(payload)]
    assert len(acting_ones) >= 20


@pytest.fixture
def overgrown(db: None, settled: Settled, tmp_path: Path) -> tuple[Town, Run]:
    """The town with payloads in every field, and the run that has ended there."""
    return settled(everywhere, tmp_path)


def everywhere(folder: Path) -> tuple[Town, Run]:
    town = found(folder)
    return town, written(town)


@pytest.mark.once
def test_what_is_sent_back_by_a_form_is_no_markup_either(overgrown: tuple[Town, Run]) -> None:
    town, run = overgrown
    page = town.client("mira")
    pieces = [" ".join(PAYLOADS[at : at + 10]) for at in range(0, len(PAYLOADS), 10)]
    for payload in pieces:
        form = {"environment": payload, "p.text": payload, "p.radio": payload, "p.net.x": payload, "reason": payload}
        for place in ("/procedures/evil/", "/procedures/evil/preview/", "/procedures/evil/fields/"):
            answer = page.post(place, {**form, "targets": payload, "preview": "1", "at": payload, "seen": payload})
            assert acting(answer.content.decode()) == [], (place, payload)
    for payload in pieces:
        for path in ("/procedures/", "/runs/", f"/runs/{run.id}/"):
            answer = page.get(
                path, {"q": payload, "state": payload, "step": payload, "target": payload, "tab": payload}
            )
            assert acting(answer.content.decode()) == [], (path, payload)


@pytest.mark.once
def test_the_api_answers_json_that_no_browser_takes_for_a_page(overgrown: tuple[Town, Run]) -> None:
    town, run = overgrown
    for path in ("/api/v1/procedures/evil/", f"/api/v1/runs/{run.id}/", f"/api/v1/runs/{run.id}/log/"):
        answer = town.client("mira").get(path)
        assert answer["Content-Type"].startswith("application/json"), path
        assert answer["X-Content-Type-Options"] == "nosniff", path
        json.loads(answer.content)


@pytest.mark.once
def test_links_that_a_run_gives_are_plain_addresses(overgrown: tuple[Town, Run]) -> None:
    _, run = overgrown
    assert [link["title"] for link in run.output["links"]] == ["fine"]
    assert all(links.safe(link["url"]) for link in run.output["links"])
    assert len(run.output["problems"]) >= 6


@pytest.mark.parametrize("payload", PAYLOADS)
def test_docs_make_no_markup_of_it(payload: str) -> None:
    assert acting(str(prose.html(payload))) == []
