"""A web process that is another's asks the way out for what nobody signed, and for more than was signed (H30)."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from procedures.domain.clock import now
from procedures.domain.providers import EgressRefused
from procedures.egress.named import named_now
from procedures.egress.refusals import Refusals
from procedures.models import IdentityProvider
from procedures.signon import egress, outbound
from tests.egress.conftest import Server, refusals
from tests.evidence.test_asserted import written
from tests.factories.portal import World

pytestmark = [pytest.mark.once, pytest.mark.timeout(60)]
NOBODY = "No signed change names the address that was asked for."


def test_what_was_signed_is_asked_letter_by_letter_and_by_its_own_method(world: World, named: Server) -> None:
    assert egress.get(f"{named.url}/jwks") == {"keys": []}
    assert egress.post(f"{named.url}/token", {"code": "c"}, {"Authorization": "Basic x"}) == {"keys": []}
    assert [(one[0], one[1], one[3]) for one in named.asked] == [("GET", "/jwks", b""), ("POST", "/token", b"code=c")]
    assert named.asked[1][2]["Authorization"] == "Basic x"
    assert not refusals()


@pytest.mark.parametrize(
    "address", ["{stranger}/", "{named}/jwks?x=1", "{named}/jwks/../admin", "{named}/", "file:///etc/passwd"]
)
def test_an_address_that_nobody_signed_is_refused_by_name_and_on_the_record(
    world: World, named: Server, stranger: Server, address: str
) -> None:
    url = address.format(named=named.url, stranger=stranger.url)
    with pytest.raises(EgressRefused, match="No signed change names"):
        egress.get(url, {"Authorization": "Bearer what was stolen"})
    with pytest.raises(EgressRefused, match="No signed change names"):
        egress.post(f"{named.url}/jwks", {"stolen": "x"})
    assert named.asked == stranger.asked == []
    assert refusals() == [(f"GET {url.partition('?')[0]}", NOBODY, 1), (f"POST {named.url}/jwks", NOBODY, 1)]


def test_rows_and_events_that_sql_wrote_open_nothing(world: World, stranger: Server) -> None:
    """What a web process may write with its own login: the row, and the event without anybody's signature."""
    made = {**stranger.object(), "name": "evil"}
    IdentityProvider.objects.create(name="evil", object=made, since_at=now())
    written("identity_provider", made)
    written(
        "trusted_issuer", {"name": "evil", "issuer": stranger.url, "jwks_uri": f"{stranger.url}/jwks", "action": "set"}
    )
    IdentityProvider.objects.filter(pk="corp").update(object=stranger.object())
    for path in ("/jwks", "/token"):
        with pytest.raises(EgressRefused):
            egress.get(stranger.url + path)
        with pytest.raises(EgressRefused):
            egress.post(stranger.url + path, {})
    assert stranger.asked == []


def test_what_is_ended_or_signed_anew_is_asked_no_more(world: World, named: Server) -> None:
    world.confirmed("identity_provider", named.object(jwks_uri=f"{named.url}/keys"))
    assert egress.get(f"{named.url}/keys")
    with pytest.raises(EgressRefused):
        egress.get(f"{named.url}/jwks")
    world.confirmed("identity_provider", {**named.object(), "action": "end"})
    assert not named_now().asks


@pytest.mark.parametrize(
    "leads_to", ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "127.0.0.1", "::1"]
)
def test_a_signed_name_that_leads_to_metadata_a_tunnel_or_this_machine_is_not_followed(
    world: World, named: Server, leads_to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has the name's zone points it where they like, after it was signed, and on every second question."""
    port = int(named.url.rpartition(":")[2])
    url = f"https://id.example.com:{port}/jwks"
    world.confirmed("identity_provider", named.object(jwks_uri=url))
    rows = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in ("8.8.8.8", leads_to)]
    monkeypatch.setattr(outbound.socket, "getaddrinfo", lambda *_, **__: rows)
    with pytest.raises(EgressRefused, match="leads to an address that is never reached"):
        egress.get(url)
    assert refusals() == [(f"GET {url}", "id.example.com leads to an address that is never reached.", 1)]


def test_a_name_is_looked_up_once_and_what_was_judged_is_connected_to(
    world: World, named: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    plain = socket.getaddrinfo

    def counted(host: Any, *more: Any, **words: Any) -> Any:
        asked.append(str(host))
        return plain(host, *more, **words)

    monkeypatch.setattr(outbound.socket, "getaddrinfo", counted)
    world.confirmed("identity_provider", named.object(jwks_uri=f"{named.url.replace('127.0.0.1', 'localhost')}/jwks"))
    egress.get(f"{named.url.replace('127.0.0.1', 'localhost')}/jwks")
    assert [host for host in asked if host == "localhost"] == ["localhost"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_wherever_it_leads(world: World, named: Server, stranger: Server, status: int) -> None:
    named.status = status
    for place in (f"{stranger.url}/jwks", "http://169.254.169.254/latest/meta-data/"):
        named.headers = {"Location": place}
        with pytest.raises(EgressRefused, match=f"sends whoever asks elsewhere .{status}"):
            egress.get(f"{named.url}/jwks")
    assert stranger.asked == []
    assert [row[1] for row in refusals()] == [f"127.0.0.1 sends whoever asks elsewhere ({status})."] * 2


def test_an_answer_without_end_is_cut_in_size_and_in_time_head_included(
    world: World, named: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    named.body = (b" " * 65_536,) * 40
    with pytest.raises(EgressRefused, match="answers without end"):
        egress.get(f"{named.url}/jwks")
    monkeypatch.setattr(outbound, "WHOLE_S", 0.5)
    named.body, named.pause_s = (b" ",) * 100, 0.1
    _cut_in_time(f"{named.url}/jwks")
    with socket.create_server(("127.0.0.1", 0)) as drips:
        url = f"http://127.0.0.1:{drips.getsockname()[1]}/jwks"
        world.confirmed("identity_provider", named.object(jwks_uri=url))
        egress_stop = _dripping(drips)
        _cut_in_time(url)
        egress_stop.set()
    assert [row[1] for row in refusals()] == ["127.0.0.1 answers without end."] * 3


def _cut_in_time(url: str) -> None:
    begun = time.monotonic()
    with pytest.raises(EgressRefused, match="answers without end"):
        egress.get(url)
    assert time.monotonic() - begun < 3


def _dripping(listener: socket.socket) -> Any:
    """A head that never ends: one letter each tenth of a second."""
    import threading

    stop = threading.Event()

    def drip() -> None:
        link, _ = listener.accept()
        with link:
            link.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not stop.wait(0.1):
                try:
                    link.sendall(b"x")
                except OSError:
                    return

    threading.Thread(target=drip, daemon=True).start()
    return stop


def test_no_header_but_the_one_that_proves_is_passed_on(world: World, named: Server) -> None:
    for name in ("Host", "X-Forwarded-For", "Transfer-Encoding"):
        with pytest.raises(EgressRefused, match=f"The header {name} is not passed on"):
            egress.get(f"{named.url}/jwks", {name: "x"})
    with pytest.raises(Exception, match="no usable answer"):
        egress.get(f"{named.url}/jwks", {"Authorization": "x\r\nHost: evil"})
    assert named.asked == []


def test_a_directory_that_nobody_signed_gets_no_password(world: World) -> None:
    with pytest.raises(EgressRefused, match="names the directory"):
        egress.in_directory("corp", username="ann", password="hers", secret="")
    assert refusals() == [("directory corp", "No signed change names the directory that was asked for.", 1)]


def test_a_flood_of_refusals_is_counted_and_none_is_lost(world: World, stranger: Server, monkeypatch: Any) -> None:
    heard, moment = Refusals(), [120.0]
    monkeypatch.setattr("procedures.egress.refusals.time.monotonic", lambda: moment[0])
    for number in range(400):
        heard.tell(f"GET {stranger.url}/{number % 200}", NOBODY)
    assert len(refusals()) == 5
    heard.settle()
    assert len(refusals()) == 5, "its minute is not over"
    moment[0] += 60
    heard.settle()
    assert (len(refusals()), sum(row[2] for row in refusals())) == (106, 400)
    assert ("others", NOBODY) in {row[:2] for row in refusals()}
