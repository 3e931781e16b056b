"""`opsportal runner`: a card is made where the key stays, brought in by people, and ended by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from opsportal.cli.main import main
from procedures.domain.runners import fingerprint
from tests.cli.conftest import Office
from tests.cli.test_commands import DONE, said

pytestmark = [pytest.mark.once, pytest.mark.timeout(300)]

CARD = {"kind": "runner", "id": "0197" + "0" * 28, "name": "r2", "public": "A" * 43 + "=", "environment": "staging"}


def test_a_card_is_made_once_and_its_private_half_stays(tmp_path: Path) -> None:
    words = ["runner", "card", "--environment", "staging", "--name", "r2", "--folder", str(tmp_path / "keys")]
    first = CliRunner().invoke(main, words)
    again = CliRunner().invoke(main, words)
    assert first.exit_code == again.exit_code == 0, first.output
    card = json.loads(first.stdout)
    assert card == json.loads(again.stdout)
    assert set(card) == {"kind", "id", "name", "public", "environment"}
    assert fingerprint(card["public"]) in first.stderr
    assert "Bring pool-staging.key and ssh-ca-staging" in first.stderr
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["runner.json"], "nothing of the pool is made"
    new = CliRunner().invoke(main, [*words, "--new-pool", "--card", str(tmp_path / "card")])
    assert new.exit_code == 0
    made = json.loads((tmp_path / "card").read_text())
    assert made["public"] == card["public"]
    assert made["authority"].startswith("ssh-ed25519 ")


def test_a_card_is_brought_in_by_two_people_and_the_runner_ended_by_its_name(office: Office) -> None:
    card = office.folder / "card.json"
    words = ["--environment", "staging", "--name", "second-staging", "--folder", str(office.folder / "second")]
    done = office.type("mira", "runner", "card", *words, "--card", str(card))
    assert done.returncode == DONE, said(done)
    key, theirs = ["--key", office.key("mira")], ["--key", office.key("jonas")]
    done = office.type("mira", "runner", "propose", str(card), "--zone", "dmz", *key, "--json")
    assert done.returncode == DONE, said(done)
    assert fingerprint(json.loads(card.read_text())["public"]) in done.stderr
    change = json.loads(done.stdout)
    assert change["state"] == "proposed"
    done = office.type("jonas", "control", "confirm", change["id"], *theirs)
    assert done.returncode == DONE, said(done)
    listed = office.type("mira", "runners")
    assert "second-staging" in listed.stdout, said(listed)
    assert " new " in listed.stdout
    done = office.type("mira", "runner", "end", "second-staging", "--reason", "stolen", *key)
    assert done.returncode == DONE, said(done)
    assert "runner_end is confirmed" in done.stdout, "one person ends it at once"
    assert "replace the pool key and the authority of staging" in done.stdout
    again = office.type("mira", "runner", "end", "second-staging", "--reason", "again", *key)
    assert (again.returncode, "You see no living runner" in again.stderr) == (1, True)


def test_words_that_do_not_fit_are_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "card").write_text(json.dumps({**CARD, "seed": "00"}))
    for words in (
        ["runner"],
        ["runner", "--environment", "x", "--pool", "disposable"],
        ["runner", "--environment", "x", "card", "--environment", "x"],
        ["runner", "propose", str(tmp_path / "card")],
    ):
        assert CliRunner().invoke(main, words).exit_code == 2, words
