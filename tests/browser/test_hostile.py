"""H29 in a real browser: with forty payloads in every field, nothing runs, nothing is asked from elsewhere.

The same pages show whether what others wrote makes one of them wider than a phone, or than a laptop.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Portal
from tests.web.hostile import PAYLOADS, written
from tests.web.hostile_town import Others
from tests.web.test_hostile_faces import ROWS
from tests.web.town import PASSWORD

pytestmark = pytest.mark.once
PHONE, LAPTOP = 390, 1280
NO_PAGES = {"find", "run-live", "log-lines", "dossier"}  # JSON, pieces of a page, a file to be kept
STEERING = set(map(chr, range(32))) - {"\n", "\t"} | {"\x7f", "\u202e", "\u2066", "\u200b"}
COMMANDS = (
    ("mira", "procedures"),
    ("mira", "show", "evil"),
    ("mira", "runs"),
    ("mira", "token", "list"),
    ("mira", "source", "list"),
    ("mira", "source", "show", "evil1"),
    ("aisha", "due"),
    ("jonas", "access", "list"),
)


def watched(page: Page, home: str) -> list[str]:
    """What a page did that it should not have done."""
    told: list[str] = []
    page.on("dialog", lambda dialog: (told.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("popup", lambda other: told.append(f"popup {other.url}"))
    page.on("request", lambda asked: None if asked.url.startswith(home) else told.append(f"request {asked.url}"))
    return told


def test_nothing_that_was_written_runs(portal: Portal, tmp_path: Path) -> None:
    bare = portal.browser.new_page()
    bare.set_content("<img src=x onerror=window.owned=1>")
    bare.wait_for_function("window.owned === 1")  # without this, a page on which nothing runs would prove nothing
    pages = {who: portal.page(who, width=PHONE) for who in ("mira", "aisha", "jonas")}
    pages[""] = portal.browser.new_page(viewport={"width": PHONE, "height": 900})
    others = Others(portal.town, written(portal.town))
    told = {who: watched(page, portal.url) for who, page in pages.items()}
    shown = [next(iter(rows(others)), ("", "")) for name, rows in ROWS.items() if name not in NO_PAGES]
    wide: dict[str, int] = {}
    for path, who in shown:
        page = pages[who]
        page.goto(portal.url + path, wait_until="load")
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)))")
        assert page.evaluate("window.owned") is None, path
        assert page.url.startswith(portal.url), path
        assert page.evaluate("document.querySelectorAll('iframe,object,embed,base,img,style').length") == 0, path
        for width in (PHONE, LAPTOP):
            page.set_viewport_size({"width": width, "height": 900})
            if more := page.evaluate("document.documentElement.scrollWidth - innerWidth"):
                wide[f"{path} at {width}"] = more
        page.set_viewport_size({"width": PHONE, "height": 900})
    assert not wide, "these pages scroll sideways"
    page = pages["mira"]
    page.goto(f"{portal.url}/procedures/evil/")
    page.locator("[name='p.text']").fill('"><img src=x onerror=window.owned=1>')
    page.wait_for_timeout(900)
    assert page.evaluate("window.owned") is None
    assert not any(told.values()), told
    the_kept_file_runs_nothing(portal, pages["aisha"], ROWS["dossier"](others)[0][0], tmp_path)
    the_command_line_shows_it_as_text(portal, tmp_path)


def the_kept_file_runs_nothing(portal: Portal, auditor: Page, path: str, folder: Path) -> None:
    """A run record is opened from a disk, where no header of the portal's holds anything back."""
    file = folder / "record.html"
    file.write_bytes(auditor.request.get(portal.url + path).body())
    page = portal.browser.new_page(viewport={"width": PHONE, "height": 900})
    told = watched(page, file.as_uri())
    page.goto(file.as_uri(), wait_until="load")
    page.wait_for_timeout(300)
    assert page.evaluate("window.owned") is None
    assert page.evaluate("document.querySelectorAll('iframe,object,embed,base,img,script').length") == 0
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0, "it scrolls sideways on a phone"
    assert not told
    if place := os.environ.get("OPSPORTAL_PICTURES"):
        page.screenshot(path=Path(place, "run-record-hostile.png"), full_page=True)


def the_command_line_shows_it_as_text(portal: Portal, folder: Path) -> None:
    """The same texts at a terminal: each command that lists them shows a payload, and nothing that steers."""
    seen = ""
    for who, *words in COMMANDS:
        environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "OPSPORTAL_URL": portal.url}
        environ["OPSPORTAL_CONFIG_DIR"] = str(folder / who)
        argv = [sys.executable, "-m", "opsportal.cli.main"]
        if not (folder / who).exists():
            login = [*argv, "login", "--username", who, "--password-stdin"]
            subprocess.run(login, env=environ, input=PASSWORD + "\n", capture_output=True, text=True, check=True)
        done = subprocess.run([*argv, *words], env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (words, done.stderr)
        assert not STEERING & set((done.stdout + done.stderr).replace("\x1b[0m", "")), words
        seen += done.stdout
    assert PAYLOADS[0] in seen
