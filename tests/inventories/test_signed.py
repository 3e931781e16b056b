"""A runner reads what people signed for, and with a secret of theirs goes nowhere else: no row sends it there (H39)."""

from __future__ import annotations

from typing import Any

import pytest

from procedures.models import Inventory, InventorySync
from tests.evidence.test_asserted import written
from tests.fixtures.parts import acting_as
from tests.inventories.conftest import Sources, host_key, wanted


@pytest.fixture
def signed(sources: Sources) -> Sources:
    """An inventory of production that was read once, and a file beside it that nobody signed for."""
    sources.write("mine.yaml", f"hosts:\n  web-1: {{address: a, host_key: '{host_key()}'}}\n")
    sources.write("other.yaml", f"hosts:\n  web-2: {{address: b, host_key: '{host_key()}'}}\n")
    sources.set_up("yaml", {"file": "mine.yaml"}, environment="production")
    assert (sources.sync().problem, sources.differences()) == ("", {"web-1": "new"})
    return sources


@pytest.mark.parametrize(
    "change", [{"settings": {"file": "other.yaml"}}, {"kind": "script", "settings": {"file": "other.yaml"}}]
)
def test_a_row_that_was_written_over_has_nothing_read(signed: Sources, change: dict[str, Any]) -> None:
    with acting_as("web"):
        Inventory.objects.update(**change)
    assert "its row says something else than the change that people signed" in signed.sync().problem
    assert (signed.differences(), InventorySync.objects.count()) == ({"web-1": "new"}, 1)


def test_a_row_with_an_event_that_nobody_signed_has_nothing_read(signed: Sources) -> None:
    row = Inventory.objects.get()
    with acting_as("web"):
        for name in ("hosts", "evil"):
            written("inventory", wanted("yaml", {"file": "other.yaml"}, name=name, environment="production"))
        Inventory.objects.update(settings={"file": "other.yaml"})
        row.pk, row.settings = "evil", {"file": "other.yaml"}
        row.save(force_insert=True)
    assert "its row says something else" in signed.sync("hosts").problem
    assert "asserted by the platform alone" in signed.sync("evil").problem
    assert signed.differences("evil") == {}
