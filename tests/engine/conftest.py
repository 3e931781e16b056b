"""A portal of this test."""

from __future__ import annotations

from typing import Any

import pytest

from tests.factories.portal import World, new_world


@pytest.fixture
def world(db: None, settings: Any) -> World:
    """The heartbeat's thread sees only what is committed, and here nothing is: so it stays silent."""
    settings.OPSPORTAL_HEARTBEAT_S = 60
    return new_world()
