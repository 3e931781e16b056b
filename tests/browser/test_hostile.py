"""H29 in a real browser: with forty payloads in every field, nothing runs, nothing is asked from elsewhere."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Portal
from tests.web.hostile import places, written

pytestmark = pytest.mark.once


def watched(page: Page, home: str) -> list[str]:
    """What a page did that it should not have done."""
    told: list[str] = []
    page.on("dialog", lambda dialog: (told.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("popup", lambda other: told.append(f"popup {other.url}"))
    page.on("request", lambda asked: None if asked.url.startswith(home) else told.append(f"request {asked.url}"))
    return told


def test_nothing_that_was_written_runs(portal: Portal) -> None:
    bare = portal.browser.new_page()
    bare.set_content("<img src=x onerror=window.owned=1>")
    bare.wait_for_function("window.owned === 1")  # without this, a page on which nothing runs would prove nothing
    run = written(portal.town)
    pages = {who: portal.page(who) for who in ("mira", "aisha")}
    told = {who: watched(page, portal.url) for who, page in pages.items()}
    for path, who in places(run).items():
        page = pages[who]
        page.goto(portal.url + path, wait_until="load")
        page.wait_for_timeout(150)
        assert page.evaluate("window.owned") is None, path
        assert page.url == portal.url + path
        assert page.evaluate("document.querySelectorAll('iframe,object,embed,base,img,style').length") == 0, path
    page = pages["mira"]
    page.goto(f"{portal.url}/procedures/evil/")
    page.locator("[name='p.text']").fill('"><img src=x onerror=window.owned=1>')
    page.wait_for_timeout(900)
    assert page.evaluate("window.owned") is None
    assert told == {"mira": [], "aisha": []}
