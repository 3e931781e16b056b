"""Whatever shell an account logs in with, a hostile value arrives as it was sent: it reads base64 words alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.actions.hostile_programs import ssh_script_of, ssh_words_of
from tests.actions.hostile_values import SOME, VALUES
from tests.fixtures.counterparts import need
from tests.ssh.conftest import Place, placed

pytestmark = pytest.mark.once


@pytest.fixture(scope="module", params=["sh", "bash", "tcsh", "fish"])
def shelled(request: pytest.FixtureRequest, host_number: int) -> Iterator[Place]:
    path = "/bin/sh" if request.param == "sh" else str(need(request.param))
    with placed(106 + host_number, path) as found:
        yield found


def arrives(place: Place, name: str) -> None:
    value = VALUES[name]
    found = {**ssh_words_of(place, value), **ssh_script_of(place, value)}
    assert found == dict.fromkeys(found, value)


@pytest.mark.parametrize("name", SOME)
def test_a_hostile_value_arrives_by_every_login_shell(shelled: Place, name: str) -> None:
    arrives(shelled, name)


@pytest.mark.figures
@pytest.mark.parametrize("name", sorted(set(VALUES) - set(SOME)))
def test_so_does_every_other_value(shelled: Place, name: str) -> None:
    arrives(shelled, name)
