"""A portal for each test of a service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from procedures.models import Person, Runner
from procedures.runner import disposable
from procedures.runner.identity import DISPOSABLE, load_identity
from procedures.sandbox.cells import Cells
from tests.factories.portal import World, new_world
from tests.factories.repositories import Remote
from tests.factories.reviews import panel_of
from tests.services.forge import Forge


@pytest.fixture
def world(db: None) -> World:
    return new_world()


@pytest.fixture
def forge(world: World, tmp_path: Path, settings: Any) -> Forge:
    settings.OPSPORTAL_DATA_DIR = tmp_path / "data"
    remote = Remote.make(tmp_path / "git")
    olga = world.person("olga")
    world.may(olga, "author")
    wanted = {"name": "repo", "url": str(remote.bare), "branch": "main", "path": "procedures", "group": ""}
    world.confirmed("source", {**wanted, "owner": str(olga.subject), "action": "set"})
    return Forge(world, remote, olga)


@pytest.fixture
def panel(world: World) -> dict[str, Any]:
    return panel_of(world)


@pytest.fixture
def pool(world: World, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Runner]:
    """This process as the disposable pool."""
    me = load_identity(Path(settings.OPSPORTAL_KEYS_DIR), name=DISPOSABLE)
    with Cells(disposable.hidden()) as cells:
        monkeypatch.setattr(disposable, "here", [disposable.Pool(me, cells)])
        yield Runner.objects.get(pk=me.id)


@pytest.fixture
def adam(world: World) -> Person:
    """Somebody who may write procedures."""
    adam = world.person("adam")
    world.may(adam, "author")
    return adam
