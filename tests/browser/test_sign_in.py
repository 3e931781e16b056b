"""Signing in elsewhere in a real browser: what its rules about cookies, forms and other sites make of our ways."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from procedures.domain.clock import now
from procedures.models import ControlChange
from procedures.services import controls
from tests.browser.conftest import Portal
from tests.fixtures import identity_providers
from tests.fixtures.way_out import egress_process
from tests.signon.certificates import signed_by_itself
from tests.signon.conftest import ACCOUNTS, CLIENT

pytestmark = pytest.mark.once


def let_in(portal: Portal, name: str, protocol: str, settings: dict[str, Any]) -> None:
    shared = {"groups": {"eng": "developers"}, "authority": False, "provision": True, "action": "set"}
    made = {"name": name, "title": name.title(), "protocol": protocol, "settings": settings, **shared}
    portal.town.change("jonas", "identity_provider", made)
    change = ControlChange.objects.get(state="proposed")
    signed = portal.town.sign("aisha", bytes(change.statement))
    controls.confirm(actor=portal.town.people["aisha"], change=change.pk, signature=signed, at=now())


def openid(portal: Portal, folder: Path) -> Any:
    port = identity_providers.free_port()
    url, back = f"http://127.0.0.1:{port}", f"{portal.url}/login/with/openid/done/"
    client = {"client_id": CLIENT, "token_endpoint_auth_method": "none", "redirect_uris": [back]}
    places = {"authorization_endpoint": f"{url}/auth", "token_endpoint": f"{url}/token", "jwks_uri": f"{url}/jwks"}
    let_in(portal, "openid", "oidc", {"issuer": url, "client_id": CLIENT, **places})
    return identity_providers.node("oidc.mjs", {"port": port, "accounts": ACCOUNTS, "clients": [client]}, folder)


def saml(portal: Portal, folder: Path) -> Any:
    port, pair = identity_providers.free_port(), signed_by_itself()
    sso = f"http://127.0.0.1:{port}/sso?as=sue&page=yes"
    let_in(portal, "saml", "saml", {"entity_id": "urn:idp", "sso_url": sso, "certificates": [pair.der]})
    account = {"subject": "sue-1", "claims": {"username": "sue", "name": "Sue", "groups": []}}
    config = {
        "port": port,
        "key": pair.key,
        "cert": pair.certificate,
        "issuer": "urn:idp",
        "accounts": {"sue": account},
    }
    return identity_providers.node("saml.cjs", config, folder)


def seen(page: Page, name: str) -> None:
    """Keep a picture, where somebody asked for pictures."""
    if folder := os.environ.get("OPSPORTAL_PICTURES"):
        page.screenshot(path=Path(folder, f"{name}.png"), full_page=True)


def _away(manager: Page, url: str) -> None:
    """While the egress process is not there, the page of those who manage says what that means."""
    manager.goto(f"{url}/people/sign-in/")
    assert "The portal's way out does not answer" in manager.inner_text("main")
    for scheme, width in (("light", 1440), ("dark", 390)):
        manager.set_viewport_size({"width": width, "height": 900})
        manager.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert manager.evaluate("document.documentElement.scrollWidth <= innerWidth")
        seen(manager, f"way-out-away-{scheme}")


def test_both_ways_lead_back_from_another_site_and_in(portal: Portal, tmp_path: Path) -> None:
    manager = portal.page("jonas")
    with ExitStack() as running:
        running.enter_context(openid(portal, tmp_path / "openid"))
        running.enter_context(saml(portal, tmp_path / "saml"))
        _away(manager, portal.url)
        running.enter_context(egress_process(portal.environ))
        page = portal.browser.new_context(java_script_enabled=False).new_page()
        page.goto(f"{portal.url}/login/?next=/runs/")
        seen(page, "login")
        page.click("text=Sign in with Openid")
        page.fill("[name=login]", "ann")
        page.fill("[name=password]", "x")
        page.click("[type=submit]")
        page.click("[type=submit]")
        page.wait_for_url(f"{portal.url}/runs/")
        page = portal.browser.new_context(java_script_enabled=False).new_page()
        page.goto(f"{portal.url}/runs/")
        page.click("text=Sign in with Saml")
        page.click("button")
        page.wait_for_url(f"{portal.url}/runs/")
        page.goto(f"{portal.url}/cli-login/")
        page.click("text=Show a code")
        assert len(page.inner_text("pre.code")) > 30
        seen(page, "command-line")
        manager.goto(f"{portal.url}/people/sign-in/")
        assert "way out" not in manager.inner_text("main")
        seen(manager, "ways-in")
        manager.set_viewport_size({"width": 390, "height": 900})
        manager.emulate_media(color_scheme="dark")
        seen(manager, "ways-in-small")
