"""Settings that weigh on authority: an issuer shows its public keys in one row of them, and reads the rest."""

from __future__ import annotations

import pytest

from tests.roles.conftest import Walled
from tests.roles.test_attacks import BOUNDED, DENIED, insert

pytestmark = [pytest.mark.postgresql, pytest.mark.timeout(300)]


def test_an_issuer_writes_of_all_settings_the_keys_that_it_shows(walled: Walled) -> None:
    link, others = walled.link("issuer_staging"), "UPDATE procedures_portalsetting SET value = '\"x\"'"
    made = {"value": "'{}'", "since_at": "now()"}
    assert link.execute(others.encode()).rowcount == 0, "the review profile and whom hosts trust are people's"
    link.execute(insert("procedures_portalsetting", name="'identity-keys'", **made).encode())
    assert link.execute(others.encode()).rowcount == 1
    assert BOUNDED in walled.refusal("issuer_staging", insert("procedures_portalsetting", name="'terms'", **made))
    assert DENIED in walled.refusal("issuer_staging", "UPDATE procedures_portalsetting SET name = 'profile'")
    assert DENIED in walled.refusal("runner_staging", others)
