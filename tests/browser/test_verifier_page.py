"""The offline verifier page in Chromium, from a file: honest packs, broken ones, no network, any width, by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from procedures.evidence import verify
from procedures.evidence.offline import PAGE
from tests.browser.test_engine_pages import ASK, RULES, SEEN, kept
from tests.evidence.test_attacks import ATTACKS, company
from tests.factories import packs
from tests.factories.histories import History
from tests.fixtures.chromium import SWITCHES
from tests.fixtures.counterparts import need, node_packages

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=need("chromium"), args=SWITCHES)
        yield found
        found.close()


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A copy of the page on this machine's disk, and nothing that it says in the console."""
    copy = tmp_path / "verify.html"
    copy.write_bytes(PAGE.read_bytes())
    context = browser.new_context()
    page, complaints = context.new_page(), list[str]()
    page.on("console", lambda said: complaints.append(said.text))
    page.on("pageerror", lambda said: complaints.append(str(said)))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(copy.as_uri())
    yield page
    assert complaints == []
    assert [url for url in asked if not url.startswith(("file:", "blob:"))] == []
    context.close()


def verified(page: Page, data: bytes, log_key: str, witnesses: list[str] | None = None, **more: Any) -> str:
    page.set_input_files("#file", {"name": "pack.zip", "mimeType": "application/zip", "buffer": data})
    page.fill("#key", log_key)
    page.fill("#witnesses", "\n".join(witnesses or []))
    page.select_option("#require", more.get("require", "SIGNED"))
    page.click("#start")
    expect(page.locator("#told .verdict h2")).to_be_visible(timeout=60_000)
    return page.inner_text("#told")


def keys_of(made: History) -> list[str]:
    return [one.verifier.text for one in made.witnesses]


def test_an_honest_pack_reaches_its_level_and_says_what_is_not_proven(page: Page) -> None:
    made = company()
    data = verify.zip_bytes(packs.packed(made))
    told = verified(page, data, made.log.verifier, keys_of(made))
    assert "✓ WITNESSED" in told
    assert "TIMESTAMPED is not judged by this page" in told
    for limit in verify.LIMITS:
        assert limit in told
    told = verified(page, data, made.log.verifier)
    assert "✓ SIGNED" in told
    assert "no witness that you named" in told
    assert "so it counts for nothing" in told
    assert "No key was given" in verified(page, data, "")


def test_attacks_and_wrong_keys_are_told_in_words(page: Page) -> None:
    for attack in ("1 drop", "6 alter an exit code", "12 approval forged with an enrolled key"):
        made, data = ATTACKS[attack][0]()
        told = verified(page, data, made.log.verifier, keys_of(made))
        assert "✗ FAILED" in told, attack
    made, data = ATTACKS["10 rewritten and signed again"][0]()
    assert "✗ UNDETERMINED" in verified(page, data, made.log.verifier, keys_of(made), require="WITNESSED")
    assert "✗ MALFORMED" in verified(page, data + b"x", made.log.verifier)
    assert "Cannot begin" in verified(page, data, "no key")
    assert "Cannot begin" in verified(page, data, made.log.verifier, [made.log.verifier])


def test_its_policy_lets_nothing_out_and_no_other_script_in(browser: Browser) -> None:
    page = browser.new_page()
    page.goto(PAGE.as_uri())
    said = page.evaluate("fetch('https://example.com/').then(() => 'out', problem => problem.name)")
    assert said == "TypeError"
    page.evaluate("""() => { const one = document.createElement('script'); one.textContent = 'window.inside = 1';
      document.body.append(one); }""")
    assert page.evaluate("window.inside") is None
    page.close()


def test_a_browser_that_cannot_check_says_so(browser: Browser, tmp_path: Path) -> None:
    weak = PAGE.read_text().replace("if (!found) throw new NoCrypto", "throw new NoCrypto", 1)
    path = tmp_path / "weak.html"
    path.write_text(weak)
    context = browser.new_context()
    page, made = context.new_page(), company(1)
    page.goto(path.as_uri())
    told = verified(page, verify.zip_bytes(packs.packed(made)), made.log.verifier)
    assert "Nothing was verified" in told
    assert "SIGNED" not in told
    context.close()


def test_it_fits_a_phone_and_axe_finds_nothing_and_the_keyboard_does_it_all(browser: Browser) -> None:
    made, axe = company(1), (node_packages() / "axe-core" / "axe.min.js").read_text()
    data = verify.zip_bytes(packs.packed(made))
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    page.goto(PAGE.as_uri())
    for name, log_key in (("empty", None), ("good", made.log.verifier), ("bad", "no key")):
        if log_key:
            verified(page, data, log_key, keys_of(made) if name == "good" else [])
        for width, scheme in SEEN:
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
            kept(page, f"verifier-{name}-{width}-{scheme}")
            assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), (name, width)
            page.evaluate(axe)
            assert page.evaluate(ASK, RULES) == [], (name, width, scheme)
    page.reload()
    page.set_input_files("#file", {"name": "pack.zip", "mimeType": "application/zip", "buffer": data})
    page.focus("#key")
    page.keyboard.type(made.log.verifier)
    page.keyboard.press("Enter")
    expect(page.locator("#told .verdict h2")).to_have_text("✓ SIGNED")
    expect(page.locator("#told .verdict h2")).to_be_focused()
    context.close()
