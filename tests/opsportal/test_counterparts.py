"""A missing counterpart is an error with a remedy, never a skip."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixtures import counterparts


def test_program_outside_the_path_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    counterparts.need.cache_clear()
    assert counterparts.need("git").is_file()


def test_variable_names_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSPORTAL_CHROMIUM", "/opt/chromium")
    counterparts.need.cache_clear()
    assert counterparts.need("chromium") == Path("/opt/chromium")
    counterparts.need.cache_clear()


def test_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(counterparts.PROGRAMS, "no-such-program", ("", (), "no-such-package"))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(counterparts.CounterpartMissing, match="apt-get install no-such-package"):
        counterparts.need("no-such-program")
