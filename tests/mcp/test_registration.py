"""Programs register themselves, so registering gives nothing, is paced, and is forgotten (RFC 7591)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from procedures.domain import clients
from procedures.domain.clock import now
from procedures.models import AgentClient, Person
from procedures.services import connection_keys, sweeping
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
    keys = connected(program, bot)
    assert sweeping.sweep(at=now() + timedelta(hours=23))["clients"] == 0
    assert sweeping.sweep(at=now() + timedelta(hours=25))["clients"] == 2
    assert AgentClient.objects.get().pk.hex == program.client.replace("-", "")
    assert program.refreshes(keys["refresh_token"]).status_code == 200
    assert sweeping.sweep(at=now() + timedelta(days=15))["clients"] == 2, "both refresh tokens, in time unused"


def registers(address: str, at: Any = None) -> AgentClient:
    return connection_keys.register(name="Helper", redirects=[REDIRECT], address=address, at=at or now())


def waiting() -> set[str]:
    return set(AgentClient.objects.values_list("address", flat=True))


def test_a_flood_from_many_addresses_takes_its_own_places_and_locks_nobody_out(
    world: World, bot: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "WAITING", 6)
    connected(Program(), bot)
    honest = registers("192.0.2.1", now() - timedelta(hours=2))
    for number in range(8):
        registers(f"2001:db8:7:{number:x}::1")
    assert AgentClient.objects.count() == 7, "six that wait, and one that somebody connected"
    assert waiting() == {"127.0.0.1/32", honest.address, *(f"2001:db8:7:{number}::/64" for number in range(3, 8))}
    assert registers("203.0.113.5").address in waiting()
    assert honest.address in waiting(), "the oldest of all, and not of the crowd"
    assert "2001:db8:7:3::/64" not in waiting()


def test_a_network_of_ipv6_has_the_pace_of_one_address(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "AN_HOUR", 2)
    registers("2001:db8::1")
    registers("2001:db8::ffff:2%eth0")
    with pytest.raises(connection_keys.TooManyClients):
        registers("2001:db8::3")
    assert registers("2001:db8:0:1::1").address == "2001:db8:0:1::/64"
    assert registers("::ffff:192.0.2.1").address == registers("192.0.2.1").address == "192.0.2.1/32"
    assert registers("").address == "", "a caller without an address"
