"""A portal for each test of a service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

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
