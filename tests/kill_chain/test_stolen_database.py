"""Somebody carries the whole database away: what opens with it, at this portal or anywhere else?"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.hashers import identify_hasher, make_password
from django.contrib.sessions.models import Session
from django.test import Client, RequestFactory

from opsportal.keeping import backup, dumping
from opsportal.settings import base
from procedures.domain import totp
from procedures.domain.clock import now
from procedures.models import ApiToken, OneTimeLink, Source
from procedures.queries.sources import secret_of
from procedures.services import cli_codes, codes, people, tokens
from procedures.services.kept_sessions import SessionStore
from tests.factories.lending import CANARY, furnish, seal
from tests.factories.portal import PASSWORD, World, new_world
from tests.keeping.conftest import Kept, bare, kept
from tests.kill_chain.stolen import Dump, database, private_keys, secret_in

__all__ = ["bare", "kept"]  # the fixture of the backups' tests

STATIC = b"static-canary-9b1d55ce20"


@dataclass
class House:
    """A portal in use, and everything that opens something in it, as its owners know it."""

    world: World
    opens: dict[str, str] = field(default_factory=dict)

    @property
    def secrets(self) -> dict[str, bytes]:
        typed = {"password": PASSWORD, "typed at launch": CANARY}
        return {name: text.encode() for name, text in {**self.opens, **typed}.items()} | {"static": STATIC}


@pytest.fixture
def house(db: None) -> House:
    made = House(new_world())
    mira, at = made.world.mira, now()
    client = Client()
    assert client.post("/login/", {"username": "mira", "password": PASSWORD}).status_code == 302
    made.opens["session"] = client.cookies["sessionid"].value
    app = codes.begin(request=RequestFactory().post("/"), actor=mira, password=PASSWORD, at=at)
    codes.enrol(actor=mira, code=totp.code_at(app, int(at.timestamp()) // totp.STEP_S), at=at)
    made.opens["code app"] = base64.b32encode(app.reveal()).decode().rstrip("=")
    made.opens["token"] = tokens.make_token(actor=mira, name="laptop", days=3, at=at)[1]
    made.opens["command line"] = cli_codes.make_code(actor=mira, at=at)
    made.opens["invitation"] = _invitation(made.world)
    quinn = furnish(made.world)
    seal(made.world, "deploy-key", STATIC)
    run = made.world.ask(quinn, procedure="tidy", secrets={"token": CANARY}, parameters={"word": "hello"})
    assert run.state == "queued", "what was typed waits for its runner"
    source = {"url": "/srv/x.git", "branch": "main", "owner": mira, "hook_secret": "f" * 64}
    made.opens["hook of a source"] = secret_of(Source.objects.create(name="repo", since_at=at, **source))
    return made


def _invitation(world: World) -> str:
    _, path = people.invite_person(actor=world.mira, username="zoe", name="Zoe", email="", at=now())
    return path.rstrip("/").rpartition("/")[2]


@pytest.fixture
def dump(house: House) -> Iterator[Dump]:
    return database()


def test_no_secret_of_anybody_stands_in_it_in_any_usual_form(house: House, dump: Dump) -> None:
    found = [name for name, value in house.secrets.items() if dump.holds(value)]
    assert not found
    assert dump.holds(str(house.world.mira.subject).encode()), "the heap is the whole one"


def test_no_key_of_a_process_stands_in_it(house: House, dump: Dump) -> None:
    keys = private_keys()
    assert any("runner" in name for name in keys), sorted(keys)
    assert any("pool" in name for name in keys), sorted(keys)
    assert not [name for name, secret in keys.items() if dump.holds(secret)]
    assert not dump.holds(settings.SECRET_KEY.encode())


def test_none_of_its_strings_is_a_session_a_token_a_link_or_a_code(house: House, dump: Dump) -> None:
    """Each text of the dump is held against each lock; what the owners hold opens it, so that the locks are real."""
    assert len(dump.strings) > 500
    mine = house.opens
    assert (_session(mine["session"]), _token(mine["token"])) == (True, True)
    assert (_link(mine["command line"], "cli"), _link(mine["invitation"], "invite")) == (True, True)
    opened = {
        (name, text)
        for text in dump.strings
        for name, opens in (("session", _session), ("token", _token), ("link", _link))
        if opens(text)
    }
    assert not opened


def _session(text: str) -> bool:
    return bool(SessionStore(text[:100].replace("\x00", "")).load())


def _token(text: str) -> bool:
    mark = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    return ApiToken.objects.filter(token_sha256=mark).exists()


def _link(text: str, purpose: str = "") -> bool:
    mark = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    rows = OneTimeLink.objects.filter(token_sha256=mark)
    return (rows.filter(purpose=purpose) if purpose else rows).exists()


def test_a_cookie_of_what_stands_in_the_table_of_sessions_is_nobody_s(house: House, dump: Dump) -> None:
    honest = Client()
    honest.cookies["sessionid"] = house.opens["session"]
    assert honest.get("/api/v1/me/").json()["username"] == "mira"
    for row in Session.objects.all():
        thief = Client()
        thief.cookies["sessionid"] = row.session_key
        assert thief.get("/api/v1/me/").status_code in {401, 403}


def test_a_webhook_signed_with_what_stands_in_its_row_is_refused(house: House, dump: Dump) -> None:
    body = json.dumps({"ref": "refs/heads/main", "after": "a" * 40, "pusher": {"name": "bob"}}).encode()
    guesses = [text for text in dump.strings if len(text) in {32, 40, 44, 64}]
    assert "f" * 64 in guesses, "the half that the row holds"
    for guess in [*guesses[:200], "f" * 64]:
        assert _push(body, guess) == 403
    assert _push(body, house.opens["hook of a source"]) == 202


def _push(body: bytes, key: str) -> int:
    mark = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
    named = {"HTTP_X_HUB_SIGNATURE_256": f"sha256={mark}", "HTTP_X_GITHUB_DELIVERY": "1"}
    answer = Client().post("/hooks/git/repo", body, content_type="application/json", **named)
    return int(answer.status_code)


def test_what_remains_is_guessing_passwords_at_argon2ids_price(settings: Any) -> None:
    """100 MiB a guess: a weak password falls; the other factor of production is no password."""
    settings.PASSWORD_HASHERS = base.PASSWORD_HASHERS
    kept = make_password(PASSWORD)
    told = identify_hasher(kept).decode(kept)
    assert (told["algorithm"], told["variety"], told["memory_cost"] >= 100 * 1024) == ("argon2", "argon2id", True)


def test_a_stolen_backup_holds_public_keys_alone_beside_the_database(kept: Kept) -> None:
    kept.run()
    archive = kept.folder / "stolen.tar"
    backup.make(archive, at=now())
    with tarfile.open(archive) as tar:
        names = [one.name for one in tar.getmembers()]
        members = b"".join(tar.extractfile(one).read() for one in tar.getmembers())  # type: ignore[union-attr]
    secret = secret_in(kept.key.read_bytes())
    assert len(secret) >= 32
    assert not Dump(members, frozenset()).holds(secret)
    assert not [name for name, key in private_keys().items() if Dump(members, frozenset()).holds(key)]
    assert settings.SECRET_KEY.encode() not in members
    assert not [name for name in names if not name.endswith((".pub", ".json", "known", dumping.member()))], names
