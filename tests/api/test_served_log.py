"""The log at /evidence/log/: a stranger's client verifies it from tiles alone, and only who may reads it (H32)."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from procedures.domain.clock import now
from procedures.evidence import tiles, verify
from procedures.evidence.models import Checkpoint, Event, Leaf, Tile
from procedures.evidence.notes import load_key
from procedures.evidence.record import record
from procedures.evidence.sequence import Sequencer
from procedures.services import tokens
from tests.factories.portal import World
from tests.factories.tile_client import TileClient, element, unpacked

HERE: dict[str, Any] = {"HTTP_HOST": "localhost", "REMOTE_ADDR": "127.0.0.1"}
OUTSIDE: dict[str, Any] = {"HTTP_HOST": "localhost", "REMOTE_ADDR": "203.0.113.9"}


@pytest.fixture
def sequencer(tmp_path: Path) -> Sequencer:
    return Sequencer(load_key(tmp_path / "log.key", "test/log"), tmp_path / "log.published")


def grow(sequencer: Sequencer, count: int) -> None:
    with transaction.atomic():
        for _ in range(count):
            record("heartbeat", actor=None, at=now(), facts={})
    while sequencer.step(now()):
        continue


def getter(**where: Any) -> Callable[[str], bytes]:
    client = Client(**{"HTTP_ACCEPT_ENCODING": "gzip, identity", **(where or HERE)})

    def get(path: str) -> bytes:
        answer = client.get(f"/evidence/log/{path}")
        assert answer.status_code == 200, (path, answer.content)
        return unpacked(answer.content, answer.get("Content-Encoding", ""))

    return get


@pytest.mark.parametrize("more", [0, 255, 256, 300])
def test_a_stranger_reads_and_verifies_the_whole_log_from_tiles(world: World, sequencer: Sequencer, more: int) -> None:
    grow(sequencer, max(0, more - Event.objects.count()))
    found = TileClient(getter(), sequencer.key.verifier).read()
    assert found.size == Event.objects.count()
    assert found.entries == [bytes(h) for h in Leaf.objects.order_by("index").values_list("event__header", flat=True)]


def test_every_checkpoint_that_was_made_keeps_its_partial_tiles(world: World, sequencer: Sequencer) -> None:
    for _ in range(4):
        grow(sequencer, 90)
    get = getter()
    for row in Checkpoint.objects.order_by("size"):
        hashes = TileClient(get, sequencer.key.verifier).level(0, row.size)
        assert verify.root_of(hashes) == bytes(row.root)


def test_reading_a_tile_costs_the_same_however_long_the_log_is(world: World, sequencer: Sequencer) -> None:
    client = Client(**HERE)
    grow(sequencer, 256)
    with CaptureQueriesContext(
        connection,
    ) as short:
        assert client.get("/evidence/log/tile/0/000").status_code == 200
    grow(sequencer, 600)
    with CaptureQueriesContext(connection) as long:
        assert client.get("/evidence/log/tile/0/000").status_code == 200
    assert len(short) == len(long) < 6


def test_what_never_changes_is_kept_and_the_checkpoint_is_not(
    world: World, sequencer: Sequencer, settings: Any
) -> None:
    grow(sequencer, 256)
    client = Client(**HERE)
    head = client.get("/evidence/log/checkpoint")
    assert (head["Content-Type"], head["Cache-Control"]) == ("text/plain; charset=utf-8", "no-cache")
    tile = client.get("/evidence/log/tile/0/000", HTTP_ACCEPT_ENCODING="gzip")
    assert (tile["Content-Type"], len(tile.content)) == ("application/octet-stream", 8192)
    assert tile["Cache-Control"] == "private, max-age=31536000, immutable"
    assert "Content-Encoding" not in tile
    plain = client.get("/evidence/log/tile/entries/000")
    assert "Content-Encoding" not in plain
    assert "Accept-Encoding" in plain["Vary"]
    for accepted in ("gzip", "GZIP;q=0.5, identity", "br, *"):
        packed = client.get("/evidence/log/tile/entries/000", HTTP_ACCEPT_ENCODING=accepted)
        assert packed["Content-Encoding"] == "gzip"
        assert gzip.decompress(packed.content) == plain.content
        assert int(packed["Content-Length"]) == len(packed.content) < len(plain.content)
    for refused in ("gzip;q=0", "identity", "gzip; q=0.000, *", ""):
        answer = client.get("/evidence/log/tile/entries/000", HTTP_ACCEPT_ENCODING=refused)
        assert answer.content == plain.content
    settings.OPSPORTAL_LOG_READERS = "everybody"
    assert client.get("/evidence/log/tile/0/000")["Cache-Control"].startswith("public, ")


NOWHERE = [
    *("-", "tile/0/", "tile/0/0", "tile/0/0000", "tile/00/000", "tile/0/x000/000", "tile/0/000.p/0", "tile/0/001"),
    *("tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/255", "tile/1/000", "tile/64/000", "tile/-1/000"),
    *("tile/entries/001", "tile/entries/000.p/255", "tile/0/-01", "tile/0/..%2f000", "tile/0/\u0661\u0661\u0661"),
    *(
        "checkpoint/",
        "turns",
        "2/checkpoint",
        "0/checkpoint",
        "tile/entries/" + "x999/" * 9 + "999",
        "tile/0/" + "x999/" * 300 + "9",
    ),
]


@pytest.mark.parametrize("path", NOWHERE)
def test_what_is_not_there_or_written_otherwise_is_not_found(world: World, sequencer: Sequencer, path: str) -> None:
    grow(sequencer, 3)
    assert Client(**HERE).get(f"/evidence/log/{path}").status_code in (404, 302)


def test_places_have_one_path_each() -> None:
    numbers = [0, 7, 999, 1000, 1_234_067, 999_999, 1_000_000, 10**12]
    for place in [
        tiles.Place(level, n, width) for level in (None, 0, 7, 63) for n in numbers for width in (1, 255, 256)
    ]:
        assert tiles.place_of(place.path) == place
        assert element(place.number) in place.path
    assert tiles.Place(0, 1_234_067, 8).path == "tile/0/x001/x234/067.p/8"


def test_a_tree_of_seventy_thousand_has_the_tiles_that_the_text_says() -> None:
    found = [place for place in tiles.places(70_000) if place.level is not None]
    assert sum(place.level == 0 and place.width == 256 for place in found) == 273
    rest = [(place.level, place.width) for place in found if not (place.level == 0 and place.width == 256)]
    assert sorted(rest) == [(0, 112), (1, 17), (1, 256), (2, 1)]
    assert [place.path for place in tiles.places(256)] == ["tile/0/000", "tile/entries/000", "tile/1/000.p/1"]
    assert [place.path for place in tiles.places(513, since=300)][:2] == ["tile/0/001", "tile/entries/001"]


def test_only_an_auditor_a_token_for_audit_or_this_machine_reads_the_log(
    world: World, sequencer: Sequencer, settings: Any
) -> None:
    grow(sequencer, 3)
    paths = [f"/evidence/log/{path}" for path in ("checkpoint", "tile/0/000.p/3", "tile/entries/000.p/3")]
    aisha = world.person("aisha")
    world.may(aisha, "audit")
    stranger = world.person("quinn")

    def statuses(client: Client, **where: Any) -> set[int]:
        return {client.get(path, **where).status_code for path in paths}

    assert statuses(Client(**OUTSIDE)) == {401}
    assert statuses(Client(**HERE)) == {200}
    for header in ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP", "HTTP_X_FORWARDED_HOST"):
        assert statuses(Client(**HERE), **{header: "127.0.0.1"}) == {401}, "a proxy on this machine speaks for others"
    settings.ALLOWED_HOSTS = ["localhost", "ops.example"]
    assert statuses(Client(HTTP_HOST="ops.example", REMOTE_ADDR="127.0.0.1")) == {401}
    for person, wanted in ((aisha, {200}), (stranger, {403})):
        signed_in = Client(**OUTSIDE)
        signed_in.force_login(person, backend="procedures.access.backend.PasswordBackend")
        signed_in.get("/api/v1/me/")
        assert statuses(signed_in) == wanted
        _, token = tokens.make_token(actor=person, name="tail", days=1, at=now())
        assert statuses(Client(**OUTSIDE), HTTP_AUTHORIZATION=f"Bearer {token}") == {403}, "evidence is for people"
    settings.OPSPORTAL_LOG_TOKEN = "t" * 40
    assert statuses(Client(**OUTSIDE), HTTP_AUTHORIZATION="Bearer " + "t" * 40) == {200}
    for bad in ("t" * 39, "t" * 41, "", "T" * 40):
        assert statuses(Client(**OUTSIDE), HTTP_AUTHORIZATION=f"Bearer {bad}") == {401}
    for path in ("/api/v1/me/", "/api/v1/evidence/log/", "/api/v1/runs/"):
        assert Client(**OUTSIDE).get(path, HTTP_AUTHORIZATION="Bearer " + "t" * 40).status_code == 401
    settings.OPSPORTAL_LOG_TOKEN = ""
    assert statuses(Client(**OUTSIDE), HTTP_AUTHORIZATION="Bearer ") == {401}, "no token set is none that fits"
    assert statuses(Client(**HERE), HTTP_AUTHORIZATION="Bearer ops_nothing") == {401}
    settings.OPSPORTAL_LOG_READERS = "everybody"
    assert statuses(Client(**OUTSIDE)) == {200}


def test_a_log_that_was_opened_anew_stands_under_its_own_origin(world: World, tmp_path: Path) -> None:
    second = Sequencer(load_key(tmp_path / "k", "ops.example/evidence/log/2"), tmp_path / "k.published")
    grow(second, 2)
    client = Client(**HERE)
    assert client.get("/evidence/log/2/checkpoint").content.decode() == Checkpoint.objects.get().note
    assert client.get("/evidence/log/checkpoint").status_code == 404


def test_half_a_batch_in_a_tile_is_written_over(world: World, sequencer: Sequencer) -> None:
    grow(sequencer, 3)
    row = Tile.objects.get(level=0, number=0)
    Tile.objects.filter(pk=row.pk).update(hashes=bytes(row.hashes) + b"?" * 64)
    grow(sequencer, 5)
    found = TileClient(getter(), sequencer.key.verifier).read()
    assert (found.size, len(found.entries)) == (Checkpoint.objects.latest("size").size, found.size)


def proved(client: Any, path: str, folder: Path) -> Path:
    answer = client.get(path)
    assert answer.status_code == 200, answer.content
    assert ".tlog-proof" in answer["Content-Disposition"]
    file = folder / "one.tlog-proof"
    file.write_bytes(answer.content)
    return file


def test_the_proof_of_one_event_is_verified_by_a_stranger(
    world: World, sequencer: Sequencer, client_of: Any, tmp_path: Path
) -> None:
    aisha = world.person("aisha")
    world.may(aisha, "audit")
    grow(sequencer, 3)
    event = Event.objects.order_by("id")[0]
    file = proved(client_of(aisha), f"/api/v1/evidence/events/{event.pk}/proof/", tmp_path)
    key = sequencer.key.verifier
    done = subprocess.run(
        [sys.executable, "-I", verify.__file__, str(file), "--log-key", key],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "verdict: SIGNED"), done.stdout
    assert event.kind in done.stdout
    data = file.read_bytes()
    for at in range(len(data)):
        with pytest.raises(verify.Failed):
            verify.verify_entry(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], key)
    other = load_key(tmp_path / "other", "test/log").verifier
    with pytest.raises(verify.Failed):
        verify.verify_entry(data, other)


def test_only_an_auditor_gets_the_body_with_the_proof_and_a_stranger_gets_none(
    world: World, sequencer: Sequencer, client_of: Any, tmp_path: Path
) -> None:
    quinn, other = world.person("quinn"), world.person("olga")
    world.may(quinn, "run")
    with transaction.atomic():
        mine = record("token.revoked", actor=quinn.subject, at=now(), facts={"token": "t"})
    path = f"/api/v1/evidence/events/{mine.pk}/proof/"
    assert client_of(quinn).get(path).status_code == 409, "not in the log yet"
    grow(sequencer, 1)
    file = proved(client_of(quinn), path, tmp_path)
    assert verify.verify_entry(file.read_bytes(), sequencer.key.verifier)["body"] is None
    assert client_of(other).get(path).status_code == 404
