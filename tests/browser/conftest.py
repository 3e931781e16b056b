"""A real portal behind a real browser: uvicorn on a committed database, Chromium, and a runner in this process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.db import connections
from playwright.sync_api import Browser, Page, sync_playwright

from tests.fixtures.chromium import SWITCHES
from tests.fixtures.counterparts import need
from tests.fixtures.databases import FreshDatabase
from tests.web.town import PASSWORD, Town, found


@dataclass
class Portal:
    """The town, where it is served, a browser for each person, and the variables of its web process."""

    town: Town
    url: str
    browser: Browser
    environ: dict[str, str]

    def page(self, name: str, *, javascript: bool = True, width: int = 1440) -> Page:
        """A page of a person who has just signed in by the form."""
        context = self.browser.new_context(java_script_enabled=javascript, viewport={"width": width, "height": 900})
        page = context.new_page()
        page.goto(f"{self.url}/login/")
        page.fill("#username", name)
        page.fill("#password", PASSWORD)
        page.click("button.primary")
        page.wait_for_url(f"{self.url}/")
        return page


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def portal(fresh_database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Portal]:
    """Ends what it started, by its own handle."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright runs a loop in this thread
    keys = tmp_path / "people"
    keys.mkdir()
    port = _free_port()
    url = f"http://localhost:{port}"
    monkeypatch.setattr(django_settings, "OPSPORTAL_PUBLIC_URL", url)
    town = found(keys)
    settings_module = os.environ["DJANGO_SETTINGS_MODULE"]
    environ = {
        **fresh_database.environ,
        "OPSPORTAL_PORT": str(port),
        "OPSPORTAL_PUBLIC_URL": url,
        "DJANGO_SETTINGS_MODULE": settings_module,
        "OPSPORTAL_DATA_DIR": str(django_settings.OPSPORTAL_DATA_DIR),
    }
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "opsportal.asgi:application",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    with (tmp_path / "web.log").open("wb") as log:
        server = subprocess.Popen([*command, "--lifespan", "off"], env=environ, stdout=log, stderr=log)
        try:
            _wait_for(url, server, tmp_path / "web.log")
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=need("chromium"), args=SWITCHES)
                yield Portal(town, url, browser, environ)
                browser.close()
                _let_go()
        finally:
            server.terminate()
            server.wait(10)


def _let_go() -> None:
    """While Playwright's loop runs, Django keeps this thread's connections apart; the next test needs its own."""
    connections["default"].close()
    del connections["default"]


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(200):
        if server.poll() is not None:
            pytest.fail(f"The web process ended: {log.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(f"{url}/login/", timeout=2):  # noqa: S310 - our own loopback
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail("The web process did not answer within 20 seconds.")
