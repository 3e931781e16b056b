"""Five hundred targets, an inventory that differs, runners, stops and schedules, as no page likes them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from procedures import models
from procedures.domain.canonical import canon
from procedures.domain.clock import now
from procedures.domain.deliveries import new_pair
from procedures.models import Person, Procedure, Runner, Target
from tests.factories.standing import NIGHTLY, schedule
from tests.factories.transitions import unevidenced
from tests.web.town import Town

WORD = "a" * 60 + "-" + "b" * 60
RTL = "إعادة تشغيل الخدمة"
HOSTS = [f"web-{number:03}" for number in range(496)] + [WORD, f"{RTL} 🚀", "<b>bold</b>", "db.example.com"]
HOSTS = sorted(HOSTS)
TAGS = {"role": "web", "label": "<b>bold</b>", "note": f"{WORD} {RTL}"}


def targets_of(town: Town) -> dict[str, tuple[str, str]]:
    """In development five hundred, each contact stale by more than the one before; none in production."""
    at = now()
    rows = [
        Target(
            environment_id="development",
            name=name,
            address=f"10.0.{number // 250}.{number % 250}" if number else f"{WORD}.example.com",
            host_key="ssh-ed25519 AAAA",
            host_key_sha256=f"SHA256:{number:043}",
            tags=TAGS if number < 6 else {"role": "web"},
            attributes={"zone": "a"} if number < 6 else {},
            owner=f"group:default/{WORD}" if number < 3 else "",
            trust=("key", "restricted", "certificate")[number % 3],
            since_at=at,
        )
        for number, name in enumerate(HOSTS)
    ]
    Target.objects.bulk_create(rows)
    states = ("reached", "unreachable", "other_key")
    said = f"No answer within 10 seconds: {WORD}"
    for number, row in enumerate(Target.objects.filter(environment="development").order_by("name")[:480]):
        state = states[number % 3]
        message = "" if state == "reached" else said[:300]
        models.TargetContact.objects.create(
            target=row, state=state, message=message, at=at - timedelta(minutes=number * 30)
        )
    _inventories(town)
    place = "/environments/development/"
    return {
        "targets": ("aisha", place),
        "targets-filtered": ("aisha", f"{place}?filter=label%3Dnothing"),
        "targets-wrong": ("aisha", f"{place}?filter=role%3D%3D%3D("),
        "targets-none": ("aisha", "/environments/production/"),
        "targets-hidden": ("mira", place),
        "target": ("aisha", f"{place}target/?name={WORD}"),
        "inventories": ("aisha", f"{place}?tab=inventories"),
        "inventories-none": ("aisha", "/environments/production/?tab=inventories"),
        "limits": ("aisha", f"{place}?tab=rules"),
        "inventory": ("aisha", f"{place}inventories/fleet/"),
        "inventory-new": ("aisha", f"{place}inventories/cloud/"),
    }


def matching() -> None:
    """From now on `hello` acts on what is tagged, and its page shows live what its filter matches."""
    row = models.Version.objects.get(procedure__name="hello", state="accepted")
    said = {"filter": "role=${{ parameters.name }}", "narrow": True, "strategy": {}}
    models.Version.objects.filter(pk=row.pk).update(definition={**row.definition, "targets": said})


def _inventories(town: Town) -> None:
    at = now()
    common: dict[str, Any] = {"environment_id": "development", "kind": "yaml", "every_s": 300, "since_at": at}
    common |= {"set_by": town.people["aisha"], "event": uuid4(), "settings": {"file": "hosts.yaml"}}
    problem = f"hosts.yaml: line 9: {WORD} is no address. {RTL}"
    row = models.Inventory.objects.create(name="fleet", synced_at=at - timedelta(days=2), problem=problem, **common)
    models.Inventory.objects.create(name="cloud", **common)
    gone = Target.objects.get(name=WORD)
    Target.objects.filter(pk=gone.pk).update(inventory="fleet", missing_since_at=at - timedelta(days=3))
    plain = {"port": 22, "owner": WORD, "tags": TAGS, "attributes": {}}
    hosts = [
        {"name": f"new-{n:03}", "address": f"10.9.0.{n}", "host_key": f"ssh-ed25519 {n}", **plain} for n in range(40)
    ]
    hosts += [{"name": "web-001", "address": "10.7.7.7", "host_key": "ssh-ed25519 AAAA", **plain}]
    hosts += [{"name": f"{RTL} 🚀", "address": "10.7.7.8", "host_key": "", **plain}]
    notes = [f"{WORD}: has no host key", f"{RTL} 🚀 <b>x</b>: named twice"]
    found = [{"kind": "new", "name": WORD, "why": "", "fields": []}] * 9
    models.InventorySync.objects.create(
        inventory=row, at=at, seen_at=at, digest="sha256:x", hosts=hosts, notes=notes, differences=found, taken=1
    )


def runners_of(town: Town) -> dict[str, tuple[str, str]]:
    """One that lives, a silent one, one never heard of, one whose clock and software are wrong, one that ended."""
    at = now()
    said = {"actions": {"ssh:command": "opsportal:ssh:command", "acme:x": "acme:1"}, "broker": WORD, "software": "s1"}
    base: dict[str, Any] = {"environments": ["development"], "enrolled_at": at, "reported": said, "tier": "B"}
    base |= {"software": "sha256:" + "0" * 64}
    away = {"issuer": {"apart": True, "away": ["ssh"]}}
    more: tuple[dict[str, Any], ...] = (
        {"name": f"{RTL} 🚀 {WORD[:100]}", "heartbeat_at": at, "zones": ["a", WORD]},
        {"name": "silent", "heartbeat_at": at - timedelta(hours=9), "reported": {**said, **away}},
        {"name": "never heard of", "heartbeat_at": None, "reported": {}},
        {"name": "late <b>clock</b>", "heartbeat_at": at, "skew_s": 900.0, "attested": ["sha256:other"]},
        {"name": "stolen", "heartbeat_at": at, "ended_at": at - timedelta(days=1)},
    )
    for number, one in enumerate(more):
        Runner.objects.create(**{**base, "public": f"{number:043}=", **one})
    card = {"runner": str(uuid4()), "name": f"{RTL} 🚀 {WORD[:80]}", "public": "A" * 43 + "="}
    card |= {"environments": ["development", "production"], "zones": [WORD]}
    shown = _proposed(town, "runner", card)
    return {"runners": ("aisha", "/runners/"), "runners-none": ("stranger", "/runners/"), "runner-proposed": shown}


def _proposed(town: Town, control: str, made: dict[str, Any]) -> tuple[str, str]:
    """A change that Jonas proposed and a second person has not looked at yet; who looks, and where."""
    said = {"control": control, "object": made, "proposer": town.people["jonas"], "statement": canon(made)}
    with unevidenced():
        row = models.ControlChange.objects.create(**said, proposed_at=now())
    return "aisha", f"/changes/{row.pk}/"


def stops_of(town: Town) -> dict[str, tuple[str, str]]:
    """One thrown over production, one over a procedure, and some that were lifted. Call it last: runs wait for them."""
    at, aisha, jonas = now(), town.people["aisha"], town.people["jonas"]
    why = f"Disks fill up {WORD} {RTL} 🚀"[:200]
    common: dict[str, Any] = {"reason": why, "thrown_by": aisha, "thrown_at": at}
    models.Stop.objects.create(environment_id="production", **common)
    models.Stop.objects.create(procedure=Procedure.objects.get(name="hello"), **common)
    for _ in range(3):
        models.Stop.objects.create(environment_id="staging", lifted_at=at, lifted_by=jonas, **common)
    row = models.Stop.objects.get(environment="production", lifted_at__isnull=True)
    lift = {"stop": str(row.pk), "environment": "production", "reason": why}
    lifted = _proposed(town, "stop_lift", lift)
    return {"stops": ("aisha", "/stops/"), "stop-lifted": lifted, "home-stopped": ("mira", "/")}


def schedules_of(town: Town) -> dict[str, tuple[str, str]]:
    """A schedule that fired, missed and was refused; one that is paused; a hook."""
    at, mira, jonas = now(), town.people["mira"], town.people["jonas"]
    name = f"Night bot {WORD[:80]} {RTL}"
    bot = Person.objects.create(username="nightbot", name=name, kind=Person.Kind.SERVICE, owner=mira, password="!")
    hello = Procedure.objects.get(name="hello")
    digest = models.Version.objects.get(procedure=hello, state="accepted").digest
    common: dict[str, Any] = {"procedure": hello, "account": bot, "made_by": mira, "edited_by": mira}
    common |= {"confirmed_by": jonas, "environment_id": "development", "change": uuid4(), "set_at": at}
    common |= {"expires_at": at + timedelta(days=90)}
    made = schedule(str(bot.subject), digest, name="nightly", when=NIGHTLY, reason=WORD)
    rows = [
        {"name": "nightly", "next_at": at + timedelta(hours=4)},
        {"name": "paused", "paused_at": at, "paused_why": f"Three refusals in a row {WORD} {RTL}", "refusals": 3},
        {"name": "n" * 63, "ended_at": at},
    ]
    for row in rows:
        models.Standing.objects.create(kind="schedule", object={**made, "name": row["name"]}, **common, **row)
    keys = [{"key": new_pair()[1], "holder": str(mira.subject)}]
    hook = {"mapping": {"name": {"pointer": f"/who/{WORD}"}}, "proof": "ed25519", "keys": keys}
    models.Standing.objects.create(kind="hook", name="deployed", object={**made, **hook}, **common)
    fires = (("missed", "Nobody was there: the portal was down.", 7), ("skipped", "The run before was under way.", 0))
    fires += (("refused", f"The grant of {name} ended: {WORD}"[:500], 0), ("waiting", "", 0))
    for kind in ("schedule", "hook"):
        row = models.Standing.objects.get(kind=kind, name="nightly" if kind == "schedule" else "deployed")
        for number, (outcome, why, missed) in enumerate(fires * 3):
            when = at - timedelta(days=number)
            fire = {"at": when, "planned_at": when, "outcome": outcome, "why": why, "missed": missed}
            models.Fire.objects.create(standing=row, mark=f"msg_{number}{WORD}" if kind == "hook" else "", **fire)
    return {
        "schedule-proposed": _proposed(town, "schedule", {**made, "name": "weekly", "environment": "production"}),
        "schedules": ("mira", "/schedules/"),
        "schedules-none": ("stranger", "/schedules/"),
        "schedule": ("mira", "/schedules/schedule/nightly/"),
        "schedule-paused": ("mira", "/schedules/schedule/paused/"),
        "hook": ("mira", "/schedules/hook/deployed/"),
    }
