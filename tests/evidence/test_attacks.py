"""The fourteen attacks by their numbers, each on a pack whose maker repaired every digest and had the manifest honestly
logged and cosigned: what the verifier says of it. And what it says of honest packs that look unusual.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from procedures.evidence import verify
from procedures.evidence.tree import verify_consistency
from tests.factories import packs
from tests.factories.histories import History

BODIES, TOLD = "bodies/00000000.jsonl", "disclosures/00000000.jsonl"
NONCE = "spoken-by-the-auditor"
Forged = tuple[History, bytes]
Lines = list[bytes]


def company(runs: int = 3) -> History:
    """Runs on development and production in turn, each with a reason that is kept apart."""
    made = History()
    made.found()
    for number in range(runs):
        run = made.ask("production" if number % 2 else "development", reason=f"ticket {number}")
        if number % 2:
            made.approve(run)
        made.claim(run)
        made.work(run)
        made.finish(run)
    return made


def lines_of(members: dict[str, bytes], name: str) -> Lines:
    return members[name].splitlines(keepends=True)


def edited(name: str, change: Callable[[Lines], Lines]) -> Forged:
    """The exporter changes the lines of one member."""
    made = company()
    members = packs.packed(made)
    return made, packs.relogged(made, members | {name: b"".join(change(lines_of(members, name)))})


def dropped() -> Forged:
    return edited(verify.HEADERS, lambda rows: rows[:-1])


def reordered() -> Forged:
    return edited(verify.HEADERS, lambda rows: [rows[0], rows[2], rows[1], *rows[3:]])


def duplicated() -> Forged:
    return edited(verify.HEADERS, lambda rows: [*rows[:5], rows[4], *rows[5:]])


def hidden() -> Forged:
    """The last run was never asked for, says the pack; the log's own checkpoint is under it."""
    made = company()
    end = packs.packed(made)["log/checkpoint.end"]
    return made, packs.relogged(made, packs.packed(company(2)) | {"log/checkpoint.end": end})


def hidden_among_filtered() -> Forged:
    """A filter on production is narrowed in the population alone."""
    made = company(4)
    members = packs.packed(made, environment="production")
    population = lines_of(members, "reports/population.csv")
    return made, packs.relogged(made, members | {"reports/population.csv": b"".join(population[:-1])})


def withheld() -> Forged:
    return edited(BODIES, lambda rows: [*rows[:7], *rows[8:]])


def exit_code() -> Forged:
    return edited(BODIES, lambda rows: [row.replace(b'"exit":0', b'"exit":1') for row in rows])


def swapped() -> Forged:
    return edited(TOLD, lambda rows: [rows[1], rows[0], rows[2]])


def drawn(favourite: bool) -> History:
    """A population of all runs, and a sample of one: the one that ranks first, or one that the portal likes better."""
    made = company()
    known = {"population": made.uuid(), "size": made.tree.size, "root": made.tree.root().hex(), "filter": {}, "runs": 3}
    made.event("population.fixed", known, actor=made.mira.subject)
    [ranked] = verify.rank(made.headers, known, [(NONCE, 3, "")])
    facts = {"sample": made.uuid(), "population": known["population"], "nonce": NONCE, "count": 1}
    made.event("sample.drawn", facts | {"runs": ranked[1:2] if favourite else ranked[:1]}, actor=made.mira.subject)
    return made


def favourable() -> Forged:
    """The portal says that another run was drawn; its exporter looks away."""
    made = drawn(favourite=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify.Samples, "check", lambda *_: None)
        return made, verify.zip_bytes(packs.packed(made))


def narrowed() -> Forged:
    """The auditor asked for everything, and gets a sound pack of the first half: the log says what was asked for."""
    made = company()
    narrow = packs.packed(made, to=json.loads(made.written[-8].header)["at"])
    asked = json.loads(packs.packed(made)["manifest.json"])
    return made, packs.relogged(made, narrow, true=asked)


def rewritten() -> Forged:
    """Whoever holds the log's key writes all of it anew; no witness cosigns that."""
    made = company(2)
    return made, verify.zip_bytes(packs.packed(made, witnessed=False))


def forked() -> Forged:
    """The lines that witnesses gave for one history stand under another of the same size."""
    made, other = company(), company(2)
    while other.tree.size < made.tree.size:
        other.event("heartbeat", {})
    lines = packs.note(made).rpartition("\n\n")[2].split("\n")
    own = packs.note(other, witnessed=False)
    return other, packs.relogged(
        other, packs.packed(other) | {"log/checkpoint.end": (own + "\n".join(lines[1:])).encode()}
    )


def forged_approval() -> Forged:
    """Mira's enrolled key signs, and the event says that Otto approved; the exporter looks away."""
    made = company()
    run = made.ask("production")
    made.approve(run, made.otto, signer=made.mira)
    return careless(made)


def back_dated() -> Forged:
    """Otto's key has ended. What it signs now is dated before that; the exporter looks away."""
    made = company()
    run, before = made.ask("production"), made.at
    made.change("key_end", {"fingerprint": made.otto.enrolled()["fingerprint"], "subject": made.otto.subject})
    made.approve(run, at=before)
    return careless(made)


def careless(made: History) -> Forged:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify.Story, "take", lambda *_: None)
        return made, verify.zip_bytes(packs.packed(made))


def restored() -> Forged:
    """An old backup goes on as if nothing had been after it; witnesses refuse, since they saw more."""
    made = company(1)
    for _ in range(20):
        made.event("heartbeat", {})
    return made, verify.zip_bytes(packs.packed(made, witnessed=False))


ROOT = "1 log/headers.jsonl: does not give the root that the log signed"
UNWITNESSED = "3 log/checkpoint.end: reaches SIGNED, and WITNESSED is asked for"
ATTACKS = {
    "1 drop": (dropped, "1 log/headers.jsonl: does not hold every header of the range"),
    "2 reorder": (reordered, "1 bodies/00000000.jsonl, event .*: is not what the log committed to"),
    "3 duplicate": (duplicated, "1 log/headers.jsonl: does not hold every header of the range"),
    "4 hide a run": (hidden, ROOT),
    "4 hide a run of a filter": (hidden_among_filtered, "1 reports/population.csv: is not what the log says"),
    "5 withhold a body": (withheld, "1 bodies/00000000.jsonl, event .*: .* is withheld without a redaction event"),
    "6 alter an exit code": (exit_code, "1 bodies/00000000.jsonl, event .*: is not what the log committed to"),
    "7 swap a disclosure": (swapped, "1 disclosures.*: holds a line that .* stands out of its place"),
    "8 favourable sample": (favourable, "1 bodies/.*: the runs that it names are not the ones that its nonce draws"),
    "9 narrowed period": (narrowed, "1 manifest.json: says another filter than the log's event of this export"),
    "10 rewritten and signed again": (rewritten, UNWITNESSED),
    "11 forked for the witness": (forked, "1 log/checkpoint.end: the cosignature of one.example/w does not hold"),
    "12 approval forged with an enrolled key": (
        forged_approval,
        "1 bodies/.*: claims a signature that no key enrolled for this person made",
    ),
    "13 back-dated event": (back_dated, "1 bodies/.*: is signed by a key that had ended before, at leaf "),
    "14 restored backup": (restored, UNWITNESSED),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_each_attack_is_rejected_by_name(attack: str) -> None:
    forge, words = ATTACKS[attack]
    made, data = forge()
    assert packs.verdict(verify.zip_bytes(packs.packed(company())), company()) == "WITNESSED", "the honest one"
    assert re.match(words, said := packs.verdict(data, made)), said


def test_an_honest_extension_is_accepted_and_consistent() -> None:
    before, after = company(2), company(4)
    first, second = (verify.zip_bytes(packs.packed(made)) for made in (before, after))
    assert packs.verdict(first, before) == packs.verdict(second, after) == "WITNESSED"
    one, two = (verify.unzip(data)[verify.HEADERS] for data in (first, second))
    assert two.startswith(one)
    assert before.tree.size < after.tree.size
    assert verify_consistency(after.tree.size, after.tree.size, after.tree.root(), after.tree.root(), [])


def test_an_honest_sample_is_accepted_and_every_draw_is_listed() -> None:
    made = drawn(favourite=False)
    data = verify.zip_bytes(packs.packed(made))
    assert packs.verdict(data, made) == "WITNESSED"
    [_, row] = verify.unzip(data)["reports/samples.csv"].decode().splitlines()
    assert NONCE in row


def test_an_erased_pack_is_accepted_with_its_hole() -> None:
    made = company()
    event = next(json.loads(one.header)["id"] for one in made.written if one.apart)
    place = next(n for n, one in enumerate(made.written) if one.apart)
    thing = {"event": event, "paths": ["/reason"], "basis": "law", "requested_by": "4711"}
    made.change("redaction", thing, made.mira, made.otto)
    old = made.written[place]
    made.written[place] = type(old)(old.header, old.body, ())
    data = verify.zip_bytes(packs.packed(made))
    assert packs.verdict(data, made) == "WITNESSED"
    found = verify.verify(data, made.log.verifier)
    assert found["erased"] == [{"event": event, "values": 1, "paths": ["/reason"]}]


def test_a_claim_dated_before_a_freeze_that_stands_above_it_is_named() -> None:
    made = company()
    rules = {"name": "production", "production": True, "approvals": {"low": {"operations": 1}}}
    run = made.ask("production")
    made.approve(run)
    before = made.at
    made.at += timedelta(hours=1)
    ends = made.at + timedelta(days=1)
    made.change("environment", rules | {"frozen_until": ends.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}, made.mira, made.otto)
    made.at += timedelta(minutes=2)
    made.event("heartbeat", {})
    made.event(
        "run.claimed", {"runner": made.runner, "digest": run.digest, "plan_digest": run.plan}, run=run, at=before
    )
    found = verify.verify(verify.zip_bytes(packs.packed(made)), made.log.verifier)
    assert "frozen" in str(found["asserted"])
