"""Somebody copies the broker's memory, or writes into it: what is learnt from the messages, and what they set off."""

from __future__ import annotations

import base64
import json
import os
import pickle
import re
import subprocess
import sys
from typing import Any

import pytest
import redis
from django.conf import settings
from kombu.exceptions import ContentDisallowed
from kombu.serialization import loads

from opsportal.celery import app
from procedures.evidence.models import Event
from procedures.models import Run
from procedures.runner import tasks
from tests.factories.lending import CANARY, furnish
from tests.factories.portal import World, new_world
from tests.fixtures.valkey import Broker

pytestmark = [pytest.mark.ordinary, pytest.mark.timeout(60)]
ID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$")


SEND = """
import os, sys, django
from uuid import UUID
django.setup()
from opsportal.celery import app
app.conf.broker_url = os.environ["SENT_TO"]
from procedures.runner import dispatch
dispatch.send_run(UUID(sys.argv[1]), sys.argv[2])
"""


@pytest.fixture
def memory(valkey: Broker) -> Any:
    """A broker, for a thief who reads all of it."""
    return redis.Redis(unix_socket_path=str(valkey.socket))


@pytest.fixture
def run(db: None, valkey: Broker) -> Run:
    """One that waits, with a secret that was typed, a reason and parameters, and its message at the broker."""
    world: World = new_world()
    quinn = furnish(world)
    row = world.ask(quinn, procedure="tidy", secrets={"token": CANARY}, parameters={"word": "wording-5512"})
    environ = {**os.environ, "SENT_TO": valkey.url}
    subprocess.run([sys.executable, "-c", SEND, str(row.pk), row.environment_id], env=environ, check=True, timeout=60)
    return row


def dumped(memory: Any) -> tuple[bytes, list[dict[str, Any]]]:
    """Everything that the broker holds, as its own dump format has it, and the messages of its queues."""
    raw, messages = b"", []
    for key in memory.keys("*"):
        raw += key + memory.dump(key)
        if memory.type(key) == b"list":
            messages += [json.loads(one) for one in memory.lrange(key, 0, -1)]
            raw += b"".join(memory.lrange(key, 0, -1))
    return raw, messages


def test_a_dump_of_it_holds_the_id_of_a_run_and_nothing_of_anybody(run: Run, memory: Any) -> None:
    raw, messages = dumped(memory)
    (message,) = messages
    args, kwargs, _ = json.loads(base64.b64decode(message["body"]))
    assert (args, kwargs) == ([str(run.pk)], {})
    assert ID.match(args[0])
    assert message["content-type"] == "application/json"
    opened = raw + base64.b64decode(message["body"])
    for word in (CANARY, "wording-5512", "quinn", "mira", "a test", "tidy", settings.SECRET_KEY):
        assert word.encode() not in opened, word
    assert not [key for key in memory.keys("*") if b"session" in key or b"cache" in key]


def test_a_message_that_is_sent_again_sets_nothing_off_twice(db: None) -> None:
    """The run is driven once; its second and third message find it taken, and leave no trace in the log."""
    world = new_world()
    world.accepted()
    quinn = world.person("quinn")
    world.may(quinn, "run", procedure="hello")
    run = world.ask(quinn)
    tasks.drive_run(str(run.pk))
    run.refresh_from_db()
    before = (run.state, run.ended_at, Event.objects.count())
    assert run.state == "succeeded"
    for _ in range(2):
        tasks.drive_run(str(run.pk))
    run.refresh_from_db()
    assert (run.state, run.ended_at, Event.objects.count()) == before


def test_a_message_that_says_more_than_an_id_is_no_call_at_all(run: Run) -> None:
    """Who writes the queue cannot name parameters, a target, a digest or another environment: no task takes them."""
    for more in ({"parameters": {"word": "x"}}, {"environment": "production"}, {"argv": ["sh"]}):
        with pytest.raises(TypeError, match="unexpected keyword"):
            tasks.drive_run(str(run.pk), **more)
    with pytest.raises(TypeError, match="positional"):
        tasks.drive_run(str(run.pk), "production")


def test_a_pickle_in_the_queue_is_refused_before_it_is_opened(run: Run, memory: Any) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (_opened, ())

    body = base64.b64encode(pickle.dumps(([Bomb()], {}, {}))).decode()
    with pytest.raises(ContentDisallowed):
        loads(base64.b64decode(body), "application/x-python-serialize", "binary", accept=app.conf.accept_content)
    assert not OPENED


OPENED: list[bool] = []


def _opened() -> str:
    OPENED.append(True)
    return "x"


def test_nothing_else_of_the_portal_lies_there(run: Run) -> None:
    """No session, no cache, no result: whoever owns the broker owns doorbells."""
    assert settings.CACHES["default"]["BACKEND"].rpartition(".")[2] in {"LocMemCache", "DatabaseCache", "DummyCache"}
    assert "redis" not in settings.SESSION_ENGINE
    assert app.conf.result_backend is None
