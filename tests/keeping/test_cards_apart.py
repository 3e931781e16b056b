"""Where runner and issuer are apart each has keys of its own, and neither starts with what is the other's."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from opsportal.cli.main import main
from procedures.domain.runners import enrolment, is_card, with_issuer
from procedures.evidence.models import Event
from procedures.issuer import known
from procedures.models import PoolKey, PortalSetting
from procedures.runner import cards, enrolled, installing

PLACES = ("development", "staging", "production")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A key folder for each runner and each issuer, as `opsportal keys` makes it; its card lies beside it."""
    root, found = tmp_path_factory.mktemp("apart"), {}
    for name in (*PLACES, "disposable"):
        for part in ("runner", "issuer") if name != "disposable" else ("",):
            place = found[f"{part} {name}".strip()] = root / f"{part}{name}"
            words = ["keys", "--environment", name, "--folder", str(place), "--card", str(place) + ".json"]
            ended = CliRunner().invoke(main, [*words, *(["--for", part] if part else [])])
            assert ended.exit_code == 0, ended.output
    return found


def card_of(folders: dict[str, Path], name: str) -> dict[str, Any]:
    return cards.read(Path(str(folders[name]) + ".json"))


def test_each_makes_its_own_and_nothing_of_the_other(folders: dict[str, Path]) -> None:
    for name in PLACES:
        runner, issuer = folders[f"runner {name}"], folders[f"issuer {name}"]
        assert {path.name for path in runner.iterdir()} == {"runner.json"}
        assert {p.name for p in issuer.iterdir() if p.suffix != ".pub"} == {f"pool-{name}.key", f"ssh-ca-{name}"}
        assert all(stat.S_IMODE(p.stat().st_mode) == 0o600 for p in issuer.iterdir() if p.suffix != ".pub")
        told = json.dumps(card_of(folders, f"issuer {name}"))
        assert (issuer / f"pool-{name}.key").read_bytes().hex() not in told


@pytest.mark.once
def test_genesis_takes_both_cards_of_each_environment(
    fresh_database: object, folders: dict[str, Path], settings: Any, tmp_path: Path
) -> None:
    assert installing.install_from([card_of(folders, name) for name in folders])
    said = json.loads(bytes(Event.objects.get(kind="genesis").body))
    assert {row["name"] for row in said["runners"]} == {*(f"runner-{name}" for name in PLACES), "disposable"}
    assert said["authorities"] == {name: card_of(folders, f"issuer {name}")["authority"] for name in PLACES}
    settings.OPSPORTAL_ISSUER_SOCKET = "/run/opsportal-issuer/{environment}/socket"
    for name in PLACES:
        key = PoolKey.objects.get(environment=name)
        assert key.key_id == card_of(folders, f"issuer {name}")["pool"][0]
        enrolled.refuse_strangers(folders[f"runner {name}"], [name])
        known.refuse_strangers(folders[f"issuer {name}"], name)
    with pytest.raises(SystemExit, match=r"There is no pool-production\.key"):
        known.refuse_strangers(folders["issuer staging"], "production")
    place = tmp_path / "stolen"
    place.mkdir()
    for path in (*folders["runner staging"].iterdir(), folders["issuer staging"] / "ssh-ca-staging"):
        (place / path.name).write_bytes(path.read_bytes())
    with pytest.raises(SystemExit, match="ssh-ca-staging lies beside this runner's key, though its issuer is apart"):
        enrolled.refuse_strangers(place, ["staging"])
    PortalSetting.objects.filter(name="ssh-authorities").update(value={"staging": "ssh-ed25519 AAAA"})
    with pytest.raises(SystemExit, match="ssh-ca-staging is not the authority"):
        known.refuse_strangers(folders["issuer staging"], "staging")


def test_cards_that_lack_an_issuer_s_or_have_two_do_not_fit(folders: dict[str, Path]) -> None:
    given = {name: card_of(folders, name) for name in folders}
    for wrong, why in (
        ([card for name, card in given.items() if name != "issuer staging"], "given: development, production"),
        ([*given.values(), given["issuer staging"]], "given: development, production, staging, staging"),
        ([card for name, card in given.items() if name != "runner staging"], "given: development, production"),
    ):
        with pytest.raises(cards.CardsDoNotFit, match=why):
            cards.sorted_out(wrong, PLACES)


def test_a_runner_of_a_new_environment_brings_its_issuer_s_card_and_no_other(folders: dict[str, Path]) -> None:
    runner, issuer = card_of(folders, "runner staging"), card_of(folders, "issuer staging")
    whole = with_issuer(runner, issuer)
    assert is_card(whole)
    assert enrolment(whole)["pool"]["authority"] == issuer["authority"]
    assert "pool" not in enrolment(runner)
    for wrong in (card_of(folders, "issuer production"), runner, {**issuer, "zones": ["x"]}, [], None):
        assert not is_card(with_issuer(runner, wrong))


def test_a_runner_of_several_environments_names_a_socket_for_each(settings: Any) -> None:
    settings.OPSPORTAL_ISSUER_SOCKET = "/run/socket"
    enrolled.require_one_issuer_each(["staging"])
    with pytest.raises(SystemExit, match=r"must contain \{environment\}"):
        enrolled.require_one_issuer_each(["staging", "production"])
    settings.OPSPORTAL_ISSUER_SOCKET = "/run/{environment}"
    enrolled.require_one_issuer_each(["staging", "production"])
