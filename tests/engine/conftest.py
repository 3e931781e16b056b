"""A portal of this test."""

from __future__ import annotations

import pytest

from tests.factories.portal import World, new_world


@pytest.fixture
def world(db: None) -> World:
    return new_world()
