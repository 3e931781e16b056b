"""A portal that trusts real identity providers, which are started once per module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.factories.portal import World, new_world
from tests.fixtures import identity_providers
from tests.signon.browser import PORTAL, Browser

CLIENT = "opsportal"
SECRET = "a secret of the test's own provider"
ACCOUNTS = {
    "ann": {"name": "Ann Lee", "preferred_username": "ann", "email": "ann@example.com", "groups": ["eng", "everyone"]},
    "bob": {"name": "Bob Ray", "preferred_username": "bob", "email": "bob@example.com", "groups": []},
}


@dataclass(frozen=True)
class OpenId:
    """The running OpenID provider."""

    url: str

    def accounts(self, **changed: dict[str, Any]) -> None:
        """Say other things of some accounts from now on."""
        httpx.post(f"{self.url}/_accounts", json={**ACCOUNTS, **changed}, timeout=60).raise_for_status()

    def object(self, name: str = "corp", **more: Any) -> dict[str, Any]:
        """The control object that lets this provider in."""
        settings = {
            "issuer": self.url,
            "client_id": CLIENT,
            "authorization_endpoint": f"{self.url}/auth",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "scopes": ["openid", "profile", "email", "groups"],
            **more.pop("settings", {}),
        }
        return {
            "name": name,
            "title": "Corp",
            "protocol": "oidc",
            "settings": settings,
            "groups": {"eng": "developers"},
            "authority": False,
            "provision": True,
            "action": "set",
            **more,
        }


@pytest.fixture(scope="module")
def openid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenId]:
    port = identity_providers.free_port()
    client = {
        "client_id": CLIENT,
        "client_secret": SECRET,
        "redirect_uris": [f"{PORTAL}/login/with/{name}/done/" for name in ("corp", "other")],
    }
    config = {"port": port, "accounts": ACCOUNTS, "clients": [client]}
    with identity_providers.node("oidc.mjs", config, tmp_path_factory.mktemp("openid")):
        yield OpenId(f"http://127.0.0.1:{port}")


@pytest.fixture
def world(db: None, way_out: str) -> World:
    return new_world()


@pytest.fixture
def secrets(settings: Any, tmp_path: Path) -> Path:
    """The folder of client secrets."""
    settings.OPSPORTAL_IDENTITY_SECRETS_DIR = tmp_path
    for name in ("corp", "other"):
        (tmp_path / name).write_text(SECRET + "\n")
    return tmp_path


@pytest.fixture
def corp(world: World, openid: OpenId, secrets: Path) -> Callable[..., None]:
    """Let the OpenID provider in, as two managers would; again with other words changes it."""
    openid.accounts()

    def let_in(name: str = "corp", **more: Any) -> None:
        world.confirmed("identity_provider", openid.object(name, **more))

    return let_in


@pytest.fixture
def browser() -> Browser:
    return Browser()
