"""`manage.py pictures`: the pages of a demo's portal as PNG files, taken in Chromium.

Without switches it renews the pictures of the handbook. `--all --into DIR` takes every page at two widths, light and
dark, for whoever changes a template and looks.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

from opsportal.demo.client import PASSWORD
from opsportal.demo.company import Company
from tests.browser import calm, timed, ugly, ugly_access
from tests.fixtures.chromium import SWITCHES
from tests.fixtures.counterparts import need

ROOT = Path(__file__).resolve().parent.parent.parent
HANDBOOK = ROOT / "opsportal" / "handbook" / "pictures"
SHOWN = {
    "run": ("quinn", "run"),
    "approval": ("petra", "approval"),
    "access": ("mira", "/access/"),
    "grant": ("jonas", "grant"),
    "campaign": ("jonas", "autumn"),
    "agents": ("mira", "/agents/"),
}
WIDTHS, THEMES = (1440, 390), ("light", "dark")
PAGES: Mapping[str, tuple[str, str]] = {
    "login": ("", "/login/"),
    "home": ("quinn", "/"),
    "home-manager": ("mira", "/"),
    "procedures": ("quinn", "/procedures/"),
    "procedure": ("quinn", "/procedures/restart-service/"),
    "versions": ("adam", "/procedures/restart-service/?tab=versions"),
    "editor": ("adam", "/procedures/restart-service/edit/"),
    "sources": ("adam", "/sources/"),
    "source": ("adam", "/sources/flows/"),
    "runs": ("quinn", "/runs/"),
    "run": ("quinn", "run"),
    "approvals": ("petra", "/approvals/"),
    "approval": ("petra", "approval"),
    "reviews": ("olga", "/reviews/"),
    "review": ("sven", "review"),
    "review-author": ("adam", "review"),
    "evidence": ("ines", "/evidence/"),
    "people": ("mira", "/people/"),
    "access": ("mira", "/access/"),
    "environments": ("mira", "/environments/"),
    "targets": ("mira", "/environments/production/"),
    "bindings": ("mira", "/environments/production/?tab=bindings"),
    "rules": ("mira", "/environments/production/?tab=rules"),
    "access-mine": ("quinn", "/access/"),
    "access-ask": ("max", "/procedures/restart-service/ask/"),
    "asked-waits": ("mira", "asked-waits"),
    "asked-refused": ("adam", "asked-refused"),
    "asked-proposed": ("jonas", "asked-proposed"),
    "asked-withdrawn": ("ines", "asked-withdrawn"),
    "campaigns": ("jonas", "/access/campaigns/"),
    "campaign": ("jonas", "campaign"),
    "change": ("jonas", "change"),
    "answers-who": ("mira", "/access/answers/who/"),
    "answers-person": ("mira", "/access/answers/person/?person=max"),
    "answers-drift": ("mira", "/access/answers/drift/"),
    "answers-separation": ("mira", "/access/answers/separation/"),
    "spaces": ("mira", "/access/spaces/"),
    "spaces-lead": ("adam", "/access/spaces/"),
    "policies": ("mira", "/policies/"),
    "policy": ("mira", "/policies/blast-radius/"),
    "glass": ("jonas", "/break-glass/"),
    "glass-break": ("petra", "glass-break"),
    "glass-review": ("sven", "glass-review"),
    "agents": ("mira", "/agents/"),
    "agents-owner": ("quinn", "/agents/"),
    "ways-in": ("mira", "/people/sign-in/"),
    "command-line": ("quinn", "/cli-login/"),
    "settings": ("quinn", "/settings/"),
    "notices": ("jonas", "/settings/notices/"),
    "notices-none": ("ines", "/settings/notices/"),
    "glossary": ("quinn", "/glossary/"),
    "schedules": ("quinn", "/schedules/"),
    "schedule": ("petra", "schedule"),
    "schedule-own": ("quinn", "schedule"),
    "ahead": ("petra", "ahead"),
    "ahead-sign": ("petra", "ahead-sign"),
}


@dataclass(frozen=True, slots=True)
class Day:
    """The demo's portal after its day: a run that ended, one that waits, a version that is talked about."""

    url: str
    run: str
    waiting: str
    version: str
    company: Company
    places: dict[str, str]

    def path(self, place: str) -> str:
        moving = {
            "run": f"/runs/{self.run}/",
            "approval": f"/approvals/{self.waiting}/",
            "review": f"/reviews/{self.version}/",
        }
        return {**self.places, **moving}.get(place, place)


def main(arguments: list[str]) -> int:
    """Take the pictures; 0 when all were written."""
    parser = argparse.ArgumentParser(prog="manage.py pictures", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--all", action="store_true", help="every page, two widths, light and dark")
    parser.add_argument("--into", type=Path, default=HANDBOOK, help="the folder, made if need be")
    given = parser.parse_args(arguments)
    given.into.mkdir(parents=True, exist_ok=True)
    pages = PAGES if given.all else SHOWN
    with demo() as day, sync_playwright() as playwright:
        chromium = need("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=SWITCHES)
        if given.all:
            day.places.update(ugly_access.access_of(day.company))
            day.places.update(timed.standing_of(day.company))
            ugly.passkey_of(day.company, signed_in(browser, day, "quinn", 1440, "light"), "quinn")
        for width in WIDTHS if given.all else WIDTHS[:1]:
            for theme in THEMES if given.all else THEMES[:1]:
                end = f"-{width}-{theme}" if given.all else ""
                take(browser, day, pages, width, theme, given.into, end)
        browser.close()
    return _of_the_engine(given.into) if given.all else 0


def _of_the_engine(into: Path) -> int:
    """Runs, targets, runners, stops and schedules in each state: most of them last seconds, so a test makes them."""
    tests = [sys.executable, str(ROOT / "manage.py"), "test", "--database", "sqlite", "-q", "-n", "0"]
    environ = {**os.environ, "OPSPORTAL_PICTURES": str(into.resolve())}
    return subprocess.run([*tests, "tests/browser/test_engine_pages.py"], cwd=ROOT, env=environ, check=False).returncode


def take(
    browser: Browser, day: Day, pages: Mapping[str, tuple[str, str]], width: int, theme: str, into: Path, end: str
) -> None:
    """Each page as its person sees it, to `into`/NAME`end`.png."""
    for person in sorted({who for who, _ in pages.values()}):
        page = signed_in(browser, day, person, width, theme)
        for name, (who, place) in pages.items():
            if who == person:
                page.goto(day.url + day.path(place), wait_until="load")
                page.wait_for_timeout(300)
                page.screenshot(path=into / f"{name}{end}.png", full_page=bool(end))
                sys.stdout.write(f"{into / name}{end}.png\n")
        page.context.close()


def signed_in(browser: Browser, day: Day, person: str, width: int, theme: str) -> Page:
    """A page of that person, or of nobody."""
    scheme: Literal["dark", "light"] = "dark" if theme == "dark" else "light"
    page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
    if person:
        page.goto(f"{day.url}/login/")
        page.fill("#username", person)
        page.fill("#password", PASSWORD)
        page.click("button[type=submit]")
        page.wait_for_url(f"{day.url}/")
    return page


@contextmanager
def demo() -> Iterator[Day]:
    """A demo that stays until the pictures are taken, one more request that waits, and what is ugly."""
    folder = Path(tempfile.mkdtemp(prefix="opsportal-pictures-", dir="/var/tmp"))
    (folder / "git").mkdir()  # confined processes read what lay beside the portal's folder when they began
    command = [sys.executable, str(ROOT / "manage.py"), "demo", "--data-dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    url = ""
    try:
        for line in process.stdout or ():
            if line.startswith("portal: "):
                url = line.split()[1]
            if line.startswith("login: "):
                break
        if not url:
            raise SystemExit("The demo did not come up; run `python3 manage.py demo` and read what it says.")
        company = ugly.keyboards(url, folder / "people")
        quinn = company["quinn"]
        rows = quinn.good("GET", "/api/v1/runs/")["results"]
        ended = next(row["id"] for row in rows if row["state"] == "succeeded" and row["environment"] == "production")
        wish = {"procedure": "restart-service", "environment": "production", "reason": "CHG-4822 memory grows"}
        quinn.step_up()
        waits = quinn.good("POST", "/api/v1/runs/", {**wish, "parameters": {"service": "checkout", "grace": 30}})
        places = calm.access_of(company)
        ugly.source_of(company, folder)
        ugly.soon_due(company, folder / "portal" / "database" / "opsportal.sqlite3")
        version = ugly.review_of(company, ROOT / "runbooks" / "restart-service")
        yield Day(url, ended, waits["id"], version, company, places)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)
