"""Packs at random: honest ones of every shape, and ones that somebody tampered with at some level."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from procedures.evidence import verify
from tests.factories import packs, random_changes
from tests.factories.histories import History, Open, Person, key

Members = dict[str, bytes]
NONCE = "spoken-0001"


def random_pack(seed: int) -> tuple[History, bytes]:
    """The pack of a seed; a third of them are honest."""
    chance = random.Random(seed)
    made = History(seed)
    made.found(passkeys=chance.random() < 0.2)
    cheat = chance.choice(CHEATS) if chance.random() < 0.35 else None
    for _ in range(chance.randrange(4)):
        play(made, chance)
        between(made, chance)
    if cheat is not None:
        cheat(made, chance)
    between(made, chance)
    random_changes.reader(made, chance)
    wanted, sampled = filters(made, chance)
    witnessed = chance.random() < 0.95
    members = carelessly(made, sampled, witnessed, wanted)
    members["verify.py"] = b"pass\n"
    data = packs.relogged(made, members, witnessed=chance.random() < 0.97)
    return made, chance.choice(TAMPERINGS)(made, members, chance) if chance.random() < 0.4 else data


def carelessly(made: History, sampled: list[str], witnessed: bool, wanted: dict[str, str]) -> Members:
    """The members of a pack, by an exporter who looks away from what does not hold."""
    try:
        return packs.packed(made, sampled=sampled, witnessed=witnessed, **wanted)
    except verify.Failed:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(verify.Story, "take", lambda *_: None)
            patch.setattr(verify.Samples, "check", lambda *_: None)
            patch.setattr(verify.Reading, "erased", lambda _: [])
            patch.setattr(verify.Reading, "gone", lambda _: [])
            patch.setattr(verify.Reading, "withhold", lambda self, _: self.withheld.append(self.header["id"]))
            patch.setattr(verify.Reading, "_seal", lambda *_: None)
            patch.setattr(verify.Headers, "end", lambda _: None)
            return packs.packed(made, sampled=sampled, witnessed=witnessed, **wanted)


def between(made: History, chance: random.Random) -> None:
    """Now and then an outage is recorded, or the log's key is changed; or somebody says so."""
    if chance.random() < 0.25:
        random_changes.turn(made, chance)
    if chance.random() < 0.25:
        random_changes.outage(made, chance)


def play(made: History, chance: random.Random) -> None:
    """A run, or something else that happens."""
    if chance.random() < 0.15:
        made.event("heartbeat", {})
    place = chance.choice(["development", "production"])
    run = made.ask(place, reason=chance.choice(["", "because", "ticket äöü €"]))
    if chance.random() < 0.15:
        return
    if chance.random() < 0.2:
        made.event(
            "run.denied", {"digest": run.digest, "message": "no"}, run=run, header={"o": "denied", "risk": "low"}
        )
        return
    if place == "production":
        made.approve(run, chance.choice([made.otto, made.mira]))
    made.claim(run)
    for _ in range(chance.randrange(3)):
        made.work(run, status=chance.randrange(2))
    if chance.random() < 0.8:
        made.finish(run, chance.choice(["succeeded", "failed"]))


def filters(made: History, chance: random.Random) -> tuple[dict[str, str], list[str]]:
    """A filter now and then, and the runs of a sample where it asks for one."""
    first = json.loads(made.written[len(made.written) // 2].header)["at"]
    choices: list[dict[str, str]] = [{}, {}, {"environment": "production"}, {"outcome": "succeeded"}, {"from": first}]
    choices += [{"procedure": made.procedure, "to": first}, {"risk": "low"}, {"requester": "nobody"}]
    return chance.choice(choices), []


def run_of(made: History, place: str = "production") -> Open:
    return made.ask(place)


def cheat_approval(made: History, chance: random.Random) -> None:
    """Signed by somebody else, by a stranger's key, by the requester, or not at all."""
    run = run_of(made)
    stranger = Person(made.otto.subject, key("stranger"))
    how = chance.randrange(4)
    if how == 0:
        made.approve(run, made.otto, signer=made.mira)
    elif how == 1:
        made.approve(run, made.otto, signer=stranger)
    elif how == 2:
        made.change("key", made.quinn.enrolled())
        made.approve(run, made.quinn)
    made.claim(run)


def cheat_claim(made: History, chance: random.Random) -> None:
    run = run_of(made, "development")
    other = "sha256:" + "cd" * 32
    made.event("run.claimed", {"runner": made.runner, "digest": other, "plan_digest": run.plan}, run=run)


def cheat_runner(made: History, chance: random.Random) -> None:
    """A statement by another key, out of sequence, or one that differs from the event."""
    run = run_of(made, "development")
    made.claim(run)
    how = chance.randrange(3)
    if how == 0:
        made.runner_key = key("another runner")
    elif how == 1:
        made.said = (max(0, made.said[0] - 1), "")
    else:
        made.said = (made.said[0], "00")
    made.work(run)
    made.work(run)
    made.finish(run)


def cheat_sample(made: History, chance: random.Random) -> None:
    while made.no < 2:
        run_of(made, "development")
    known = {"population": made.uuid(), "size": made.tree.size, "root": made.tree.root().hex(), "filter": {}}
    known["runs"] = made.no if chance.random() < 0.8 else made.no + 1
    strata = chance.choice(["", *verify.STRATA])
    few, ranked = verify.rank(made.headers, known | {"runs": made.no}, [(NONCE, many, strata) for many in (1, made.no)])
    made.event("population.fixed", known, actor=made.mira.subject)
    runs = few if chance.random() < 0.5 else ranked[-len(few) :]
    facts = {"sample": made.uuid(), "population": known["population"], "nonce": NONCE, "count": 1, "runs": runs}
    facts |= {"strata": strata} if strata else {}
    made.event("sample.drawn", facts, actor=made.mira.subject)


def cheat_review(made: History, chance: random.Random) -> None:
    """The author's own review, or an acceptance without one."""
    made.version = made.uuid()
    if chance.random() < 0.5:
        made.change("key", made.quinn.enrolled())
        made.mira, kept = made.quinn, made.mira
        made.accept()
        made.mira = kept
        return
    about = {"version": made.version, "digest": "sha256:" + "ee" * 32, "procedure": made.procedure, "profile": "team"}
    about |= {"risk": "low", "combined": False, "reviewers": [made.mira.subject], "expires_at": ""}
    made.event("version.accepted", about)


def cheat_seal(made: History, chance: random.Random) -> None:
    """A seal over other headers, or a number that is missing."""
    run = run_of(made, "development")
    made.claim(run)
    if chance.random() < 0.5:
        run.headers.stack[-1] = bytes(32)
        made.finish(run)
    else:
        made.no += 1
        run_of(made, "development")


def cheat_hole(made: History, chance: random.Random) -> None:
    """A value is gone; one person, two, or nobody had it erased."""
    run_of(made, "development")
    made.ask("development", reason="a secret of somebody")
    place = max(n for n, one in enumerate(made.written) if one.apart)
    one = made.written[place]
    thing = {"event": json.loads(one.header)["id"], "paths": ["/reason"], "basis": "law", "requested_by": "1"}
    how = chance.randrange(3)
    if how:
        made.change("redaction", thing, *[made.mira, made.otto][:how])
    made.written[place] = type(one)(one.header, one.body)


def whole(made: History, chance: random.Random) -> Open:
    """A run from its request to its end."""
    place = chance.choice(["development", "production"])
    run = made.ask(place, reason=chance.choice(["", "because"]))
    if place == "production":
        made.approve(run, made.otto)
    made.claim(run)
    made.work(run)
    made.finish(run)
    return run


def cheat_purge(made: History, chance: random.Random) -> None:
    """A run is gone: in time or not, agreed on by two, by one, or by one who stands behind it, under a hold or none.

    Now and then one of its bodies is still there, or another one is gone with it.
    """
    made.change("retention", {"days": 30}, made.mira, made.otto)
    made.at += timedelta(hours=1)
    run, other = whole(made, chance), whole(made, chance)
    made.at += timedelta(days=chance.choice([29, 31, 31, 31]))
    asks = {"basis": "a case", "requested_by": "1"}
    if chance.random() < 0.3:
        held = chance.choice([{"run": run.id}, {"run": other.id}, {"procedure": "hello"}])
        hold = made.change("legal_hold", asks | held, made.mira)
        if chance.random() < 0.5:
            made.change("legal_hold_end", {"hold": hold, "reason": "over"}, made.mira, made.otto)
    behind = [made.quinn.subject, *([made.otto.subject] if chance.random() < 0.2 else [])]
    thing = {"runs": [run.id], "behind": sorted(behind), **asks}
    if agree := [made.mira, made.otto][: chance.choice([0, 1, 2, 2, 2])]:
        made.change("redaction", thing, *agree)
    places = [n for n, one in enumerate(made.written) if json.loads(one.header).get("run") == run.id]
    if chance.random() < 0.2:
        places.remove(chance.choice(places))
    if chance.random() < 0.2:
        places.append(chance.randrange(len(made.written)))
    for place in places:
        made.written[place] = type(made.written[place])(made.written[place].header, b"")


CHEATS = [cheat_approval, cheat_claim, cheat_runner, cheat_sample, cheat_review, cheat_seal, cheat_hole, cheat_purge]


def mutated(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data) or 1)
    return data[:place] + bytes([chance.randrange(256)]) + data[place + chance.randrange(2) :]


def left_to_one(members: Members) -> set[str]:
    """Reports that the second verifier does not recompute."""
    return {name for name in members if name.endswith(".csv") and name != "reports/population.csv"}


def in_container(made: History, members: Members, chance: random.Random) -> bytes:
    return mutated(packs.relogged(made, members), chance)


def in_member(made: History, members: Members, chance: random.Random, *, relog: bool) -> bytes:
    """A byte of a member; or its lines dropped, doubled or exchanged."""
    free = {"export.tlog-proof", "manifest.json", *verify.DERIVED} if relog else set()
    name = chance.choice(sorted(members.keys() - free - (left_to_one(members) if relog else set())))
    rows = members[name].splitlines(keepends=True)
    how, at = chance.randrange(5), chance.randrange(len(rows) or 1)
    if how == 0 and rows:
        rows.pop(at)
    elif how == 1 and rows:
        rows.insert(at, rows[at])
    elif how == 2 and rows:
        rows[at], rows[-1] = rows[-1], rows[at]
    changed = b"".join(rows) if how < 3 else mutated(members[name], chance)
    new = members | {name: changed}
    return packs.relogged(made, new) if relog else verify.zip_bytes(new)


def in_manifest(made: History, members: Members, chance: random.Random) -> bytes:
    said = json.loads(members["manifest.json"])
    name = chance.choice(sorted(set(said) - {"files"}))
    other = chance.choice([1, "x", [], {}, None, said["counts"], said["filter"] | {"environment": "production"}, ["x"]])
    changed = said | {name: other} if chance.random() < 0.8 else {n: v for n, v in said.items() if n != name}
    return packs.relogged(made, members, manifest=verify.canon(changed), true=said)


def in_members(made: History, members: Members, chance: random.Random) -> bytes:
    """A member more, or one less."""
    new = dict(members)
    if chance.random() < 0.5:
        new[chance.choice(["bodies/00000007.jsonl", "extra.txt", "attest/run-x.dsse.json", "log/more"])] = b"{}\n"
    else:
        new.pop(chance.choice(sorted(new.keys() - {"manifest.json", "export.tlog-proof"} - left_to_one(members))))
    return packs.relogged(made, new)


TAMPERINGS: list[Callable[[History, Members, random.Random], bytes]] = [
    in_container,
    partial(in_member, relog=False),
    partial(in_member, relog=True),
    partial(in_member, relog=True),
    in_manifest,
    in_members,
]
