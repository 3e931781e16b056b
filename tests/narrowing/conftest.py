"""A portal with a procedure that may reach two hosts and reaches one, which answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from procedures.models import Environment, Grant, Person, Runner
from tests.factories.portal import World, new_world
from tests.fixtures.counterparts import need
from tests.narrowing.using import FEW, TEXT, accepted


@pytest.fixture
def world(db: None) -> World:
    need("bwrap")
    return new_world()


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many runs are enough is a bound: here three."""
    monkeypatch.setattr("procedures.domain.observed.FLOOR", FEW)
    monkeypatch.setattr("procedures.queries.observed_grants.FLOOR", FEW)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Both names lead to a server here, which only takes calls."""
    real = socket.getaddrinfo

    def asked(host: Any, *rest: Any, **more: Any) -> Any:
        return real("127.0.0.1" if str(host).endswith(".example.com") else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            while True:
                try:
                    door.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield door.getsockname()[1]


@pytest.fixture
def adam(world: World, port: int) -> Person:
    """Wrote it and may view all of it."""
    adam = world.person("adam")
    world.may(adam, "author", "view", "run")
    Environment.objects.update(networks=["127.0.0.0/8"])
    Runner.objects.update(tier="B")  # a list of hosts asks for one that reports it
    accepted(world, adam, TEXT.replace("PORT", str(port)))
    return adam


@pytest.fixture
def quinn(world: World, adam: Person) -> tuple[Person, Grant]:
    person = world.person("quinn")
    return person, world.may(person, "view", "run", "cancel", procedure="look", environments=["development", "staging"])
