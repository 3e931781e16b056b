"""A portal, a host that wants to be a runner, and a run that waits for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from procedures.models import Run
from tests.factories.machines import Machine
from tests.factories.portal import World, new_world


@pytest.fixture
def world(db: None) -> World:
    """Mira and Nora both operate."""
    world = new_world()
    world.may(world.manager(), "operate")
    return world


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "second")


@pytest.fixture
def run(world: World) -> Run:
    world.accepted()
    quinn = world.person("quinn")
    world.may(quinn, "run", procedure="hello")
    return world.ask(quinn)
