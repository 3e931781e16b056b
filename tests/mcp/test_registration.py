"""Programs register themselves, so registering gives nothing, is paced, and is forgotten (RFC 7591)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from procedures.domain import clients
from procedures.domain.clock import now
from procedures.models import AgentClient, Person
from procedures.services import sweeping
from tests.factories.connections import PORTAL, REDIRECT, Program, connected, register
from tests.factories.portal import World

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def _address(settings: Any) -> None:
    settings.OPSPORTAL_PUBLIC_URL = PORTAL


BAD: list[tuple[dict[str, Any], str]] = [
    ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["http://evil.example/cb"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["https://a.example/#x"]}, "invalid_redirect_uri"),
    ({"redirect_uris": ["https://good.example@evil.example/"]}, "invalid_redirect_uri"),
    ({"redirect_uris": [REDIRECT] * 6}, "invalid_redirect_uri"),
    ({"redirect_uris": []}, "invalid_client_metadata"),
    ({"redirect_uris": "https://a.example/"}, "invalid_client_metadata"),
    ({"client_name": "0psPortal"}, "invalid_client_metadata"),
    ({"grant_types": ["implicit"]}, "invalid_client_metadata"),
    ({"response_types": ["token"]}, "invalid_client_metadata"),
    ({"scope": "run approve"}, "invalid_client_metadata"),
    ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
]


def test_what_no_program_may_register_is_named_and_nothing_is_kept(world: World) -> None:
    for metadata, error in BAD:
        answer = register(**metadata)
        assert (answer.status_code, answer.json()["error"]) == (400, error), answer.text
        assert answer.json()["error_description"]
    assert not AgentClient.objects.exists()


def test_a_program_gets_no_secret_and_what_it_says_of_itself_is_not_kept(world: World) -> None:
    answer = register(
        client_name="Claude\u202e Code\n<b>",
        token_endpoint_auth_method="client_secret_post",
        logo_uri="https://evil.example/track.png",
        client_uri="https://opsportal.example/",
        grant_types=["authorization_code", "refresh_token"],
    )
    told = answer.json()
    assert (answer.status_code, told["token_endpoint_auth_method"]) == (201, "none")
    assert told["client_name"] == "Claude Code <b>"
    assert not set(told) & {"client_secret", "client_secret_expires_at", "logo_uri", "client_uri"}
    assert register(client_id=told["client_id"]).json()["client_id"] != told["client_id"]


def test_a_flood_of_registrations_is_slowed_and_forgotten(
    world: World, bot: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "AN_HOUR", 3)
    program = Program()
    assert [register().status_code for _ in range(4)] == [201, 201, 429, 429]
    assert register().headers["retry-after"] == "3600"
    AgentClient.objects.update(address="198.51.100.7")
    monkeypatch.setattr(clients, "WAITING", 3)
    assert register().status_code == 429, "so many wait from anywhere"
    keys = connected(program, bot)
    assert sweeping.sweep(at=now() + timedelta(hours=23))["clients"] == 0
    assert sweeping.sweep(at=now() + timedelta(hours=25))["clients"] == 2
    assert AgentClient.objects.get().pk.hex == program.client.replace("-", "")
    assert program.refreshes(keys["refresh_token"]).status_code == 200
    assert sweeping.sweep(at=now() + timedelta(days=15))["clients"] == 2, "both refresh tokens, in time unused"
