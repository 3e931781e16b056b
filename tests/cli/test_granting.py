"""Access as managers type it: looked at first, then given."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Office

pytestmark = [pytest.mark.once, pytest.mark.timeout(300)]


def test_access_is_looked_at_first_then_given_with_its_hours_and_labels(office: Office, accepted: str) -> None:
    key = ["--key", office.key("mira")]
    labelled = office.type("mira", "access", "label", "greet", "night-safe", *key)
    assert (labelled.returncode, "labels is confirmed" in labelled.stdout) == (0, True), labelled.stderr
    words = ["access", "grant", "person:max", "run", "--label", "night-safe", "--environment", "development"]
    words += ["--hours", "mon-fri,sun 22:00-06:00", "--zone", "Europe/Berlin", "--days", "3", "--reason", "nights"]
    looked = office.type("mira", *words, "--dry-run")
    assert "today 1: greet" in looked.stdout, looked.stderr
    assert "Nothing was proposed." in looked.stdout
    given = office.type("mira", *words, "--json", *key)
    assert given.returncode == 0, given.stderr
    object = json.loads(given.stdout)["object"]
    assert (object["selector"], object["window"]["from"]) == (["night-safe"], "22:00")
    assert object["window"]["days"] == ["mon", "tue", "wed", "thu", "fri", "sun"]
    wrong = office.type("mira", *words[:-6], "--hours", "whenever", "--reason", "x")
    assert (wrong.returncode, "is not days and hours" in wrong.stderr) == (1, True)
