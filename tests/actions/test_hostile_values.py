"""Every action, every field that takes a value, every hostile value: exactly as sent, or refused by name; none runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from procedures.definitions import registry
from tests.actions.hostile_rows import ROWS
from tests.actions.hostile_town import Town
from tests.actions.hostile_values import NOBODY_CARRIES, SOME, VALUES, problem_of, wrong
from tests.actions.test_http import Seen
from tests.actions.test_http import server as web  # noqa: F401 - a fixture
from tests.fixtures.counterparts import need
from tests.fixtures.forge import forge
from tests.postgres.conftest import Shop, server, shop  # noqa: F401 - fixtures
from tests.ssh.conftest import Place, place  # noqa: F401 - a fixture

pytestmark = pytest.mark.once


@pytest.fixture
def town(place: Place, web: Seen, shop: Shop, tmp_path: Path) -> Iterator[Town]:  # noqa: F811
    need("bwrap")
    with forge(tmp_path / "forge") as code:
        lent = shop.lend("reader")
        yield Town(place, web, shop, lent, code, tmp_path)
        shop.provider.revoke(lent.handle, "over")


def test_every_action_has_a_row() -> None:
    assert set(ROWS) == set(registry.actions())


@pytest.mark.parametrize("value", NOBODY_CARRIES.values(), ids=NOBODY_CARRIES)
def test_what_no_system_carries_is_refused_before_any_action_sees_it(value: str) -> None:
    assert problem_of(value) == "/parameters/s"


CASES = [(action, number) for action, rows in ROWS.items() for number in range(len(rows))]
SLOW = ("ssh:", "publish:")


@pytest.mark.parametrize(("action", "number"), CASES)
def test_a_hostile_value_arrives_as_sent_or_is_refused(town: Town, action: str, number: int) -> None:
    tried = {name: VALUES[name] for name in (SOME if action.startswith(SLOW) else VALUES)}
    assert not (found := wrong(ROWS[action][number], town, tried.items())), "\n".join(found)


@pytest.mark.figures
@pytest.mark.parametrize(("action", "number"), [case for case in CASES if case[0].startswith(SLOW)])
def test_so_does_every_value_at_hosts_and_repositories(town: Town, action: str, number: int) -> None:
    assert not (found := wrong(ROWS[action][number], town)), "\n".join(found)
