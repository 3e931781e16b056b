"""Syncs: what a source says is compared, marked and told; it decides nothing in production (H12)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.evidence.models import Event
from procedures.issuer.replay import replay
from procedures.models import ControlChange, Inventory, InventoryReading, InventorySync, Target
from procedures.services import inventories
from procedures.services.control_effects import targets as effects
from procedures.services.inventory_readings import take_readings
from tests.inventories.conftest import Sources, host_key, live, target, wanted

pytestmark = pytest.mark.ordinary


def listed(**hosts: str) -> str:
    """A YAML file of hosts, each with what stands beside its name."""
    return "hosts:\n" + "".join(f"  {name.replace('_', '-')}: {{{facts}}}\n" for name, facts in hosts.items())


def kinds(name: str) -> list[str]:
    return list(Event.objects.filter(kind=name).values_list("kind", flat=True))


def test_what_a_source_says_waits_for_a_person_with_before_and_after(sources: Sources) -> None:
    key = host_key()
    sources.write("dev.yaml", listed(web_1=f"address: 10.0.0.1, host_key: '{key}', owner: shop, tags: {{role: web}}"))
    sources.set_up("yaml", {"file": "dev.yaml"})
    sources.sync()
    assert (sources.differences(), Target.objects.count()) == ({"web-1": "new"}, 0)
    found = inventories.compared(Inventory.objects.get(), inventories.hosts_of(InventorySync.objects.get()))
    sources.world.propose("target", found[0].object or {})
    assert (live("web-1").inventory, live("web-1").owner, live("web-1").tags) == ("hosts", "shop", {"role": "web"})
    sources.sync()
    assert sources.differences() == {}
    sources.write("dev.yaml", listed(web_1=f"address: 10.0.0.2, host_key: '{key}', tags: {{role: db}}"))
    sources.sync()
    last = InventorySync.objects.order_by("-id")[0].differences[0]
    assert last["fields"] == [
        ["address", "10.0.0.1", "10.0.0.2"],
        ["owner", "shop", ""],
        ["tags", {"role": "web"}, {"role": "db"}],
    ]
    assert live("web-1").address == "10.0.0.1", "a sync changes no target by itself"


def test_what_is_gone_is_marked_and_stays_until_a_person_ends_it(sources: Sources) -> None:
    key = host_key()
    sources.write(
        "dev.yaml", listed(web_1=f"address: a, host_key: '{key}'", web_2=f"address: b, host_key: '{host_key()}'")
    )
    sources.set_up("yaml", {"file": "dev.yaml"}, takes=True)
    sources.sync()
    sources.write("dev.yaml", listed(web_1=f"address: a, host_key: '{key}'"))
    sources.sync()
    first = live("web-2").missing_since_at
    assert (first is not None, live("web-1").missing_since_at) == (True, None)
    sources.sync()
    assert live("web-2").missing_since_at == first, "the mark says since when"
    sources.write("dev.yaml", "hosts: {}\n")
    sources.sync()
    assert Target.objects.filter(ended_at__isnull=True).count() == 2, "an empty source ends nothing"


def test_outside_production_a_signed_inventory_takes_what_it_finds_but_never_another_host_key(sources: Sources) -> None:
    sources.write("dev.yaml", listed(web_1=f"address: a, host_key: '{host_key()}', tags: {{role: web}}"))
    sources.set_up("yaml", {"file": "dev.yaml"}, takes=True)
    sources.sync()
    confirmed = live("web-1").host_key
    change = ControlChange.objects.get(control="target")
    assert (change.proposer.username, change.signatures, change.state) == ("system:inventory-hosts", [], "confirmed")
    assert replay().targets["web-1"]["stands"], "the issuer finds it in the log"
    sources.write("dev.yaml", listed(web_1=f"address: z, host_key: '{host_key()}', tags: {{role: db}}"))
    sources.sync()
    assert sources.differences() == {"web-1": "changed"}
    assert (live("web-1").host_key, live("web-1").address) == (confirmed, "a")


def test_production_takes_nothing_whatever_an_inventory_wants(sources: Sources) -> None:
    with pytest.raises(InvalidInput, match="must be false in production"):
        sources.world.propose("inventory", wanted("yaml", {"file": "p"}, environment="production", takes=True))
    sources.write("p.yaml", listed(db_1=f"address: db, host_key: '{host_key()}'"))
    change = sources.world.propose("inventory", wanted("yaml", {"file": "p.yaml"}, environment="production"))
    assert change.state == "proposed", "a second person confirms a source of production"
    sources.set_up("yaml", {"file": "p.yaml"}, environment="production")
    Inventory.objects.update(takes=True)  # as whoever writes the database would
    sources.sync()
    assert (sources.differences(), Target.objects.count()) == ({"db-1": "new"}, 0)


def test_whoever_owns_the_source_moves_no_host_between_environments(sources: Sources) -> None:
    """By name, by host key and by address, in both directions; nor does the inventory itself move."""
    dev, prod = host_key(), host_key()
    for object in (target("dev-1", "development", dev), target("prod-1", "production", prod)):
        sources.world.confirmed("target", object)
    tries = {
        "prod-1": f"address: elsewhere, host_key: '{host_key()}'",
        "a": f"address: elsewhere, host_key: '{prod}'",
        "b": f"address: prod-1.example.com, host_key: '{host_key()}'",
    }
    sources.write("dev.yaml", listed(**tries))
    sources.set_up("yaml", {"file": "dev.yaml"}, takes=True)
    sources.sync()
    assert set(sources.differences().values()) == {"refused"}
    assert len(sources.differences()) == 3
    mirrored = {"dev-1": f"address: x, host_key: '{host_key()}'", "c": f"address: y, host_key: '{dev}'"}
    sources.write("prod.yaml", listed(**mirrored))
    sources.set_up("yaml", {"file": "prod.yaml"}, name="prod", environment="production")
    sources.sync("prod")
    assert set(sources.differences("prod").values()) == {"refused"}
    assert {(t.name, t.environment_id, t.host_key) for t in Target.objects.filter(ended_at__isnull=True)} == {
        ("dev-1", "development", dev),
        ("prod-1", "production", prod),
    }
    with pytest.raises(InvalidInput, match="is development for good"):
        sources.world.propose("inventory", wanted("yaml", {"file": "dev.yaml"}, environment="production"))
    with pytest.raises(effects.TargetElsewhere):
        sources.world.propose("target", target("dev-2", "development", prod))


def test_two_sources_never_fight_over_a_host_and_one_by_hand_can_be_taken_over(sources: Sources) -> None:
    key = host_key()
    sources.world.confirmed("target", target("web-1", "development", key))
    sources.write("dev.yaml", listed(web_1=f"address: web-1.example.com, host_key: '{key}'"))
    sources.set_up("yaml", {"file": "dev.yaml"}, takes=True)
    sources.set_up("yaml", {"file": "dev.yaml"}, name="other", takes=True)
    sources.sync()
    assert live("web-1").inventory == "hosts"
    sources.sync("other")
    assert (sources.differences("other"), live("web-1").inventory) == ({"web-1": "refused"}, "hosts")


def test_a_source_that_fails_changes_nothing_and_says_why_once(sources: Sources) -> None:
    sources.write("dev.yaml", listed(web_1=f"address: a, host_key: '{host_key()}'"))
    sources.set_up("yaml", {"file": "dev.yaml"}, takes=True)
    sources.sync()
    for text, why in (("hosts: [", "dev.yaml"), ("nothing: 1\n", "no mapping `hosts`"), ("hosts: {a: {x: 1}}", "'x'")):
        sources.write("dev.yaml", text)
        assert why in sources.sync().problem
        sources.sync()
    assert (len(kinds("inventory.failed")), live("web-1").missing_since_at) == (3, None)
    for name in ("../../etc/passwd", "/etc/passwd", ".hidden"):
        with pytest.raises(InvalidInput, match="file"):
            sources.world.propose("inventory", wanted("yaml", {"file": name}))
    (sources.folder / "out.yaml").symlink_to("/etc/hostname")
    sources.set_up("yaml", {"file": "out.yaml"})
    assert "There is no file out.yaml" in sources.sync().problem


def test_a_sync_that_finds_the_same_leaves_one_row_and_one_event(sources: Sources) -> None:
    sources.write("dev.yaml", listed(web_1="address: a"))
    sources.set_up("yaml", {"file": "dev.yaml"})
    for _ in range(3):
        sources.sync()
    assert (InventorySync.objects.count(), len(kinds("inventory.synced"))) == (1, 1)
    assert sources.differences() == {"web-1": "incomplete"}, "a host without a known key is told, and is no target"
    row = InventorySync.objects.get()
    assert row.seen_at > row.at


def test_an_inventory_is_due_at_first_when_asked_and_after_its_time(sources: Sources) -> None:
    sources.write("dev.yaml", listed(web_1="address: a"))
    sources.set_up("yaml", {"file": "dev.yaml"})
    assert inventories._is_due(Inventory.objects.get(), now())
    sources.sync()
    assert not inventories._is_due(Inventory.objects.get(), now())
    assert inventories._is_due(Inventory.objects.get(), now() + timedelta(seconds=301))
    inventories.ask_for_a_sync(actor=sources.world.mira, inventory="hosts", at=now())
    assert inventories._is_due(Inventory.objects.get(), now())
    sources.set_up("yaml", {"file": "dev.yaml"}, action="end")
    assert inventories.synced(name="hosts", read=inventories.Read(()), at=now()) is None


def test_a_source_that_changes_many_at_once_waits_for_people_above_a_tenth(sources: Sources) -> None:
    keys = {f"web-{number}": host_key() for number in range(9)}
    for role in ("web", "db"):
        rows = {name: f"address: {name}, host_key: '{key}', tags: {{role: {role}}}" for name, key in keys.items()}
        sources.write("dev.yaml", listed(**rows))
        if role == "web":
            sources.set_up("yaml", {"file": "dev.yaml"}, takes=True)
        sources.sync()
        if role == "web":
            Target.objects.update(since_at=now() - timedelta(hours=2))
    moved = [row.name for row in Target.objects.filter(ended_at__isnull=True) if row.tags == {"role": "db"}]
    assert (len(moved), list(sources.differences().values())) == (5, ["changed"] * 4)


@pytest.mark.parametrize("hosts", [{"web-1": {}}, [{"name": "web-1"}], [{"name": 7, "address": []}], ["x"], 5, None])
def test_a_reading_that_a_stolen_runner_wrote_stops_no_scheduler(sources: Sources, hosts: Any) -> None:
    sources.write("dev.yaml", listed(web_1="address: a"))
    sources.set_up("yaml", {"file": "dev.yaml"}, takes=True)
    InventoryReading.objects.create(inventory_id="hosts", at=now(), hosts=hosts if hosts is not None else "null")
    assert take_readings(at=now()) == 1
    assert (Inventory.objects.get().problem, InventoryReading.objects.count()) == (
        "What the runner brought is no inventory.",
        0,
    )
