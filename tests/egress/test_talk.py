"""Who may speak with the way out: the web process's user, or who has the key; over a network nobody reads along."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from procedures.domain.providers import EgressAway, EgressRefused
from procedures.signon import egress
from tests.egress.conftest import Server
from tests.factories.portal import World
from tests.fixtures.way_out import serving

pytestmark = [pytest.mark.once, pytest.mark.timeout(60)]
KEY = "k" * 40


@pytest.fixture
def socket_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        yield f"{folder}/x"


def test_a_process_of_another_user_hears_not_a_word(
    world: World, named: Server, settings: Any, socket_place: str
) -> None:
    with serving(socket_place, peers={os.geteuid() + 1}) as where:
        settings.OPSPORTAL_EGRESS = where
        with pytest.raises(EgressAway):
            egress.get(f"{named.url}/jwks")
        assert not egress.answers()
    assert named.asked == []


def test_over_a_network_who_has_the_key_is_answered_and_nobody_else(world: World, named: Server, settings: Any) -> None:
    with serving("127.0.0.1:0", key=KEY, peers=set()) as where:
        settings.OPSPORTAL_EGRESS, settings.OPSPORTAL_EGRESS_KEY = where, KEY
        assert egress.get(f"{named.url}/jwks") == {"keys": []}
        for wrong in ("", "l" * 40):
            settings.OPSPORTAL_EGRESS_KEY = wrong
            with pytest.raises(EgressAway):
                egress.get(f"{named.url}/jwks")
    assert len(named.asked) == 1


class Between:
    """Stands in the network between both ends, keeps every byte, and can play an old conversation again."""

    def __init__(self, there: str) -> None:
        self.there, self.told, self.asked = egress.place_of(there), b"", b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.where = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        link, _ = self.listener.accept()
        with link, socket.create_connection(self.there) as far:  # type: ignore[arg-type]
            hello = far.recv(egress.HELLO_BYTES, socket.MSG_WAITALL)
            link.sendall(hello)
            self.asked = _all(link)
            far.sendall(self.asked)
            far.shutdown(socket.SHUT_WR)
            self.told = hello + _all(far)
            link.sendall(self.told[len(hello) :])
        link, _ = self.listener.accept()
        with link:
            link.sendall(self.told[: egress.HELLO_BYTES])
            _all(link)
            link.sendall(self.told[egress.HELLO_BYTES :])


def _all(link: socket.socket) -> bytes:
    return b"".join(iter(lambda: link.recv(65_536), b""))


def test_who_stands_between_reads_nothing_and_an_old_answer_answers_nothing(
    world: World, named: Server, settings: Any
) -> None:
    with serving("127.0.0.1:0", key=KEY, peers=set()) as where:
        between = Between(where)
        settings.OPSPORTAL_EGRESS, settings.OPSPORTAL_EGRESS_KEY = between.where, KEY
        form = {"code": "c", "client_secret": "secret-of-the-client"}
        assert egress.post(f"{named.url}/token", form) == {"keys": []}
        assert b"secret-of-the-client" in named.asked[0][3]
        assert not [word for word in (b"secret", b"token", b"keys") if word in between.asked + between.told]
        with pytest.raises(EgressAway):
            egress.post(f"{named.url}/token", form)
        with socket.create_connection(egress.place_of(where)) as again:  # type: ignore[arg-type]
            again.recv(egress.HELLO_BYTES, socket.MSG_WAITALL)
            again.sendall(between.asked)
            again.shutdown(socket.SHUT_WR)
            assert _all(again) == b"", "an old question is none on another connection"
    assert len(named.asked) == 1


@pytest.mark.parametrize(
    "junk", [b"", b"{", b"[]", b"{}", b'{"ask": "get", "url": []}', b"x" * (1 << 18)], ids=lambda b: repr(b[:9])
)
def test_what_is_no_question_ends_its_own_connection_and_nothing_else(
    world: World, named: Server, way_out: str, junk: bytes
) -> None:
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(way_out)
        try:
            link.sendall(junk)
            link.shutdown(socket.SHUT_WR)
            said = _all(link)[egress.HELLO_BYTES :]
        except OSError:
            said = b""
    assert said == b"" or b"egress.refused" in said
    assert egress.get(f"{named.url}/jwks") == {"keys": []}


def test_one_that_hangs_keeps_nobody_waiting_long(
    world: World, named: Server, settings: Any, socket_place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(egress, "GREETS_S", 0.3)
    with socket.socket(socket.AF_UNIX) as hangs, socket.create_server(("127.0.0.1", 0)) as far:
        hangs.bind(socket_place)
        hangs.listen()
        for where, key in ((socket_place, ""), (f"127.0.0.1:{far.getsockname()[1]}", KEY)):
            settings.OPSPORTAL_EGRESS, settings.OPSPORTAL_EGRESS_KEY = where, key
            begun = time.monotonic()
            with pytest.raises(EgressAway):
                egress.get(f"{named.url}/jwks")
            assert time.monotonic() - begun < 3


def test_while_the_way_out_is_away_sign_on_says_so_and_the_rest_goes_on(
    world: World, named: Server, settings: Any, tmp_path: Path
) -> None:
    client = Client(HTTP_HOST="localhost")
    assert "egress" not in client.get("/readyz").json()
    settings.OPSPORTAL_EGRESS = str(tmp_path / "nobody")
    begun = client.get("/login/with/corp/")
    state = begun.headers["Location"].partition("state=")[2].partition("&")[0]
    page = client.get(f"/login/with/corp/done/?code=c&state={state}")
    assert page.status_code == 400
    text = page.content.decode()
    assert "The portal&#x27;s way out does not answer" in text
    assert "`opsportal egress` has to run" in text
    told = client.get("/readyz").json()
    assert told["egress"].startswith("the way out does not answer: nobody signs in")
    assert "egress" not in told["checks"], "pages, runs and approvals go on"
    world.confirmed("identity_provider", {**named.object(), "action": "end"})
    assert "egress" not in client.get("/readyz").json(), "nobody needs it"


def test_a_refusal_is_told_to_the_person_with_what_to_do(world: World, named: Server, stranger: Server) -> None:
    from procedures.models import IdentityProvider

    IdentityProvider.objects.filter(pk="corp").update(object=named.object(token_endpoint=f"{stranger.url}/token"))
    client = Client(HTTP_HOST="localhost")
    state = client.get("/login/with/corp/").headers["Location"].partition("state=")[2].partition("&")[0]
    page = client.get(f"/login/with/corp/done/?code=c&state={state}").content.decode()
    assert "No signed change names the address" in page
    assert EgressRefused.next_step.split(";")[0] in page
    assert stranger.asked == []
