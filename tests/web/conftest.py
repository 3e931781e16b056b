"""The town in which the page tests play."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixtures.settled import Settled
from tests.web.town import Town, found


@pytest.fixture
def town(db: None, settled: Settled, tmp_path: Path) -> Town:
    return settled(found, tmp_path)
