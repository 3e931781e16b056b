"""The town in which the page tests play."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.web.town import Town, found


@pytest.fixture
def town(db: None, tmp_path: Path) -> Town:
    return found(tmp_path)
