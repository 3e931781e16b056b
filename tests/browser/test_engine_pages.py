"""The pages of the engine in each state: none is wider than a phone, axe finds nothing, and the keyboard gets about."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser import engine_places, engine_runs, use_places
from tests.browser.conftest import Portal
from tests.fixtures.counterparts import node_packages

pytestmark = pytest.mark.once
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Lines of output stand as close as at a terminal; the number of each is a link to it, and no other thing to hit.
DENSE = "n => v.id !== 'target-size' || !n.target.join().includes('#L')"
ASK = f"""async rules => (await axe.run({{runOnly: rules}})).violations
  .map(v => [v.id, v.nodes.filter({DENSE}).map(n => n.target + ' ' + n.failureSummary).slice(0, 3)])
  .filter(([, nodes]) => nodes.length).map(([id, nodes]) => id + ': ' + nodes.join(' | '))"""


GROUPS = {
    "places": lambda town: engine_places.targets_of(town) | engine_places.runners_of(town),
    "standing": lambda town: engine_places.schedules_of(town) | engine_places.stops_of(town),
    "waiting": lambda town: engine_runs.runs_of(town, "waiting"),
    "live": lambda town: engine_runs.runs_of(town, "live"),
    "over": lambda town: engine_runs.runs_of(town, "over"),
    "use": use_places.use_of,
    "results": lambda town: engine_runs.runs_of(town, "results"),
    "controls": lambda _: {"controls": ("aisha", "/evidence/controls/nist800-53/")},
}
SEEN = [(1280, "light"), (1280, "dark"), (390, "dark"), (390, "light")]


def kept(page: Page, name: str) -> None:
    """Keep a picture, where somebody asked for pictures."""
    if folder := os.environ.get("OPSPORTAL_PICTURES"):
        page.screenshot(path=Path(folder, f"{name}.png"), full_page=True)


@pytest.mark.parametrize("group", list(GROUPS))
def test_pages_of_the_engine_fit_a_phone_and_axe_finds_nothing(portal: Portal, group: str) -> None:
    portal.town.accept("hello")
    pages = GROUPS[group](portal.town)
    axe = (node_packages() / "axe-core" / "axe.min.js").read_text()
    wide: list[Any] = []
    wrong: dict[str, list[str]] = {}
    for who in sorted({who for who, _ in pages.values()}):
        page = portal.page(who)
        for name, (person, path) in pages.items():
            if person != who:
                continue
            page.goto(portal.url + path, wait_until="load")
            for width, scheme in SEEN:
                page.set_viewport_size({"width": width, "height": 900})
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)))")
                kept(page, f"engine-{name}-{width}-{scheme}")
                if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    wide.append((name, width))
                if (width, scheme) == SEEN[2]:
                    continue
                page.evaluate(axe)
                for said in page.evaluate(ASK, RULES):
                    wrong.setdefault(said, []).append(f"{name} {width} {scheme}")
    assert not wide
    assert not wrong, "\n".join(f"{said} ({len(at)}: {at[:3]})" for said, at in wrong.items())
