"""A portal for each test of access."""

from __future__ import annotations

import pytest

from tests.factories.portal import World, new_world


@pytest.fixture
def world(db: None) -> World:
    return new_world()
