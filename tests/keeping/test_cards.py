"""Where each process has a place of its own, genesis comes from the runners' cards, and strangers take no work."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from django.conf import settings

from opsportal.cli.main import main
from procedures.evidence.models import Event
from procedures.models import Environment, PoolKey, Runner
from procedures.runner import cards, installing
from procedures.runner.enrolled import refuse_strangers

PLACES = ("development", "staging", "production", "disposable")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A key folder per runner, as `opsportal keys` makes it; its card lies beside it."""
    root = tmp_path_factory.mktemp("places")
    for name in PLACES:
        words = ["keys", "--environment", name, "--folder", str(root / name), "--card", str(root / f"{name}.json")]
        ended = CliRunner().invoke(main, words)
        assert ended.exit_code == 0, ended.output
    return {name: root / name for name in PLACES}


def card_of(folders: dict[str, Path], name: str) -> dict[str, Any]:
    return cards.read(folders[name].with_suffix(".json"))


def test_keys_stay_private_and_are_made_once(folders: dict[str, Path]) -> None:
    production = folders["production"]
    assert stat.S_IMODE(production.stat().st_mode) == 0o700
    private = sorted(path.name for path in production.iterdir() if path.suffix != ".pub")
    assert private == ["pool-production.key", "runner.json", "ssh-ca-production"]
    assert all(stat.S_IMODE((production / name).stat().st_mode) == 0o600 for name in private)
    assert sorted(path.name for path in folders["disposable"].iterdir()) == ["disposable.json"]
    card = card_of(folders, "production")
    assert cards.make(production, "production") == card, "a second call makes nothing anew"
    told = json.dumps(card)
    assert json.loads((production / "runner.json").read_text())["seed"] not in told
    assert (production / "pool-production.key").read_bytes().hex() not in told


@pytest.mark.once
def test_genesis_says_what_the_cards_say(fresh_database: object, folders: dict[str, Path]) -> None:
    given = [card_of(folders, name) for name in PLACES]
    assert installing.install_from(given)
    assert not installing.install_from([]), "a second time there is nothing to do, and no card is needed"
    said = json.loads(bytes(Event.objects.get(kind="genesis").body))
    served = {row["name"]: row["environments"] for row in said["runners"]}
    assert served == {
        "runner-development": ["development"],
        "runner-staging": ["staging"],
        "runner-production": ["production"],
        "disposable": ["development"],
    }
    assert said["authorities"] == {name: card_of(folders, name)["authority"] for name in PLACES[:3]}
    assert set(Runner.objects.filter(disposable=True).values_list("name", flat=True)) == {"disposable"}
    assert PoolKey.objects.get(environment="production").key_id == card_of(folders, "production")["pool"][0]
    for name in PLACES[:3]:
        refuse_strangers(folders[name], [name])
    with pytest.raises(SystemExit, match="runner-staging is not enrolled for production"):
        refuse_strangers(folders["staging"], ["production"])


@pytest.mark.once
def test_a_runner_with_other_keys_than_it_was_enrolled_with_takes_no_work(
    fresh_database: object, folders: dict[str, Path], tmp_path: Path
) -> None:
    place = tmp_path / "keys"
    place.mkdir(mode=0o700)
    installing.install_from([card_of(folders, name) for name in PLACES])
    with pytest.raises(SystemExit, match=r"There is no runner\.json"):
        refuse_strangers(place, ["production"])
    assert list(place.iterdir()) == [], "and makes itself none"
    cards.make(place, "production")
    with pytest.raises(SystemExit, match="knows no runner runner-production with this key"):
        refuse_strangers(place, ["production"])
    (place / "runner.json").write_bytes((folders["production"] / "runner.json").read_bytes())
    with pytest.raises(SystemExit) as ended:
        refuse_strangers(place, ["production"])
    assert "pool-production.key is not the key to which secrets of production are sealed" in str(ended.value)
    assert "ssh-ca-production is not the authority" in str(ended.value)
    (place / "ssh-ca-production").unlink()
    with pytest.raises(SystemExit, match="There is no ssh-ca-production"):
        refuse_strangers(place, ["production"])
    assert not (place / "ssh-ca-production").exists()


@pytest.mark.once
def test_cards_that_do_not_fit_install_nothing(
    fresh_database: object, folders: dict[str, Path], tmp_path: Path
) -> None:
    given = {name: card_of(folders, name) for name in PLACES}
    twice = {**given["staging"], "id": given["production"]["id"]}
    for wrong, why in (
        ([], "given: none"),
        ([given[name] for name in PLACES[:3]], "given: development, production, staging"),
        ([*given.values(), given["production"]], "given: development, production, production, staging, disposable"),
        ([given["development"], twice, given["production"], given["disposable"]], "Two cards say the same id"),
    ):
        with pytest.raises(cards.CardsDoNotFit, match=why):
            installing.install_from(wrong)
    assert not Environment.objects.exists()
    for text in ("", "{}", '{"kind": "runner"}', "[1]", json.dumps({**given["staging"], "seed": "x"})):
        (tmp_path / "card").write_text(text)
        with pytest.raises(cards.CardsDoNotFit, match="is not a card"):
            cards.read(tmp_path / "card")
    with pytest.raises(cards.CardsDoNotFit):
        cards.read(tmp_path / "nowhere")
    assert settings.OPSPORTAL_PROFILE == "test"


@pytest.mark.parametrize("words", [(), ("--new-identity",)])
def test_keys_are_made_where_there_is_no_portal(tmp_path: Path, words: tuple[str, ...]) -> None:
    argv = [sys.executable, "-m", "opsportal.cli.main", "keys", "--environment", "staging", *words]
    environ = {"PATH": os.environ["PATH"], "OPSPORTAL_DATA_DIR": str(tmp_path), "OPSPORTAL_NO_BOOTSTRAP": "1"}
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "keys").iterdir())


def test_an_identity_key_is_added_or_put_in_place_of_the_others_where_the_issuer_writes(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "OPSPORTAL_DATA_DIR": str(tmp_path), "OPSPORTAL_NO_BOOTSTRAP": "1"}
    environ["OPSPORTAL_IDENTITY_KEYS_DIR"] = str(tmp_path / "identity" / "keys")
    argv = [sys.executable, "-m", "opsportal.cli.main", "keys", "--environment", "staging"]
    for words, said in (
        ("--new-identity", "is shown now and signs in a day"),
        ("--new-identity", "is shown now and signs in a day"),
        ("--replace-identity", "signs from now on, and those before it are shown no more"),
    ):
        done = subprocess.run([*argv, words], env=environ, capture_output=True, text=True, check=True)
        assert said in done.stdout
    made = sorted((tmp_path / "identity" / "keys").iterdir())
    assert [path.suffix for path in made] == [".ended", ".ended", ".pem"]
    assert {path.stat().st_mode & 0o777 for path in made} == {0o600}
    assert not (tmp_path / "keys").exists()


def test_a_further_pool_key_lies_beside_the_first_and_none_is_made_where_there_is_no_first(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "OPSPORTAL_DATA_DIR": str(tmp_path), "OPSPORTAL_NO_BOOTSTRAP": "1"}
    argv = [sys.executable, "-m", "opsportal.cli.main", "keys", "--environment", "staging"]
    refused = subprocess.run([*argv, "--turn-pool"], env=environ, capture_output=True, text=True, check=False)
    assert "There is no pool-staging.key" in refused.stderr
    subprocess.run(argv, env=environ, capture_output=True, text=True, check=True)
    done = subprocess.run([*argv, "--turn-pool"], env=environ, capture_output=True, text=True, check=True)
    assert "is sealed to within a minute" in done.stdout
    made = sorted((tmp_path / "keys").glob("pool-staging*"))
    assert len(made) == 2
    assert {path.stat().st_mode & 0o777 for path in made} == {0o600}
