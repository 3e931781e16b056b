"""Folders become one archive and come out of it as they were."""

from __future__ import annotations

import pytest

from procedures.definitions.archive import pack, unpack
from procedures.domain.bundle import BundleRefused


def test_names_may_be_long_and_in_any_script() -> None:
    files = {f"{'a' * 200}.sh": b"x", "notes 🚀 إعادة.md": b"y", "/".join(["deep" * 12] * 9): b"z"}
    assert unpack(pack(files)) == files
    assert pack(files) == pack(dict(reversed(files.items())))


def test_a_path_that_no_table_keeps_is_refused_by_its_length() -> None:
    with pytest.raises(BundleRefused, match="path of 504 characters; the limit is 500"):
        unpack(pack({"/".join(["a" * 100] * 5): b""}))
