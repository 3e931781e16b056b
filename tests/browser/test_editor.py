"""The editor in a real browser: lint while typing with marks in the gutter, nothing against the policy, no overflow."""

from __future__ import annotations

import json
import os
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import Portal

UGLY = "x" * 400 + " <b>\u202e\"'&"


def pictured(page: Page, name: str) -> None:
    """A picture, for whoever set OPSPORTAL_PICTURES to a folder."""
    if folder := os.environ.get("OPSPORTAL_PICTURES"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def test_lint_follows_the_typing_and_the_page_stays_in_its_frame(portal: Portal) -> None:
    page = portal.page("mira")
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto(f"{portal.url}/procedures/tidy/edit/")
    expect(page.locator("#side")).to_contain_text("No finding")
    text = page.locator("#text-0")
    written = text.input_value()
    text.fill(written.replace("local:script", "local:magic").replace("title: Service", f"title: {json.dumps(UGLY)}"))
    expect(page.locator("#side")).to_contain_text("There is no action local:magic.", timeout=15_000)
    expect(page.locator(".gutter .bad").first).to_be_visible()
    page.locator("#side a[data-line]").first.click()
    expect(text).to_be_focused()
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
            pictured(page, f"editor-{width}-{theme}")
    assert complaints == []
