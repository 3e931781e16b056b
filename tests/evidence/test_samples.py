"""Samples that neither side can choose, and filters over what a pack may not withhold (H23)."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed, NotFound
from procedures.evidence import verify
from procedures.evidence.models import Event
from procedures.models import Person, Run
from procedures.runner.drive import drive
from procedures.services import exports
from tests.evidence.conftest import Log, ended
from tests.factories import packs
from tests.factories.histories import History
from tests.fixtures.settled import Settled

NONCE = "said-after-the-root"


@pytest.fixture
def five(db: None, settled: Settled, tmp_path: Path) -> Log:
    log: Log = settled(five_runs, tmp_path)
    log.sequence()
    return log


def five_runs(tmp_path: Path) -> Log:
    """Five runs that ended well, one that waits for nothing and never began."""
    log = ended(tmp_path)
    quinn = Person.objects.get(username="quinn")
    for _ in range(4):
        drive(log.world.ask(quinn).pk)
    log.world.ask(quinn)
    return log


def test_a_sample_is_what_the_nonce_draws_and_the_pack_says_how(five: Log) -> None:
    mira = five.world.mira
    known = exports.fix(actor=mira, wanted={"outcome": "succeeded"}, at=now())
    assert known["runs"] == 5
    draws = [
        exports.draw(actor=mira, population=known["population"], nonce=nonce, count=2, at=now())
        for nonce in (NONCE, NONCE + "-again")
    ]
    data = five.pack()
    assert verify.verify(data, five.key)["samples"] == 2
    _, *rows = verify.unzip(data)["reports/samples.csv"].decode().splitlines()
    assert [NONCE in rows[0], " ".join(draws[1]["runs"]) in rows[1]] == [True, True], (
        "every draw, also the one too many"
    )
    narrow = five.pack(sample=draws[0]["sample"])
    assert verify.verify(narrow, five.key)["runs"] == 2
    assert json.loads(verify.unzip(narrow)["manifest.json"])["sample"] == draws[0]["runs"]


def test_a_larger_draw_begins_with_the_smaller_one_so_replacements_are_no_choice(five: Log) -> None:
    known = exports.fix(actor=five.world.mira, wanted={}, at=now())
    few, more = (
        exports.draw(actor=five.world.mira, population=known["population"], nonce=NONCE, count=count, at=now())["runs"]
        for count in (2, 6)
    )
    assert more[:2] == few
    assert len(more) == known["runs"] == 6


def test_a_bad_draw_names_the_field_and_leaves_nothing(five: Log) -> None:
    known = exports.fix(actor=five.world.mira, wanted={}, at=now())
    for said, pointer in [
        ({"nonce": "short"}, "/nonce"),
        ({"nonce": "with blanks in it"}, "/nonce"),
        ({"count": 0}, "/count"),
    ]:
        asked: dict[str, Any] = {"population": known["population"], "nonce": NONCE, "count": 1} | said
        with pytest.raises(InvalidInput) as refusal:
            exports.draw(actor=five.world.mira, **asked, at=now())
        assert [row[0] for row in refusal.value.problems] == [pointer]
    assert not Event.objects.filter(kind="sample.drawn").exists()


def test_only_auditors_fix_and_draw_and_only_from_what_was_fixed(five: Log) -> None:
    quinn = Person.objects.get(username="quinn")
    for ask in (
        lambda who: exports.fix(actor=who, wanted={}, at=now()),
        lambda who: exports.draw(actor=who, population="x", nonce=NONCE, count=1, at=now()),
    ):
        with pytest.raises(NotAllowed):
            ask(quinn)
    with pytest.raises(NotFound):
        exports.draw(actor=five.world.mira, population="x", nonce=NONCE, count=1, at=now())
    with pytest.raises(InvalidInput, match="is not in headers"):
        exports.fix(actor=five.world.mira, wanted={"door": "api"}, at=now())


def test_a_pack_holds_the_runs_that_its_filter_names(five: Log) -> None:
    for wanted, runs in [
        ({"outcome": "succeeded"}, 5),
        ({"outcome": "failed"}, 0),
        ({"risk": "low"}, 5),
        ({"door": "api"}, 6),
        ({"door": "chat"}, 0),
    ]:
        assert verify.verify(five.pack(**wanted), five.key)["runs"] == runs, wanted


def history() -> History:
    made = History()
    made.found()
    for _ in range(3):
        made.ask("development")
    return made


def test_a_filter_over_bodies_that_are_withheld_is_undetermined_and_says_how_many() -> None:
    made = history()
    members = packs.packed(made, door="api")
    heads = [json.loads(one.header) for one in made.written]
    asked = [head for head in heads if head["k"] == "run.requested"][:2]
    ids, runs = [head["id"] for head in asked], {head["run"] for head in asked}
    name = "bodies/00000000.jsonl"
    rows = zip(members[name].splitlines(keepends=True), heads, strict=True)
    left = [row for row, head in rows if head.get("run") not in runs]
    said = json.loads(members["manifest.json"]) | {"withheld": sorted(ids)}
    changed = members | {name: b"".join(left), "manifest.json": verify.canon(said)}
    assert packs.verdict(packs.relogged(made, changed), made).startswith(
        "3 manifest.json: 2 requests: whether they belong"
    )


def test_a_filter_by_headers_gains_nothing_from_saying_that_a_body_is_withheld() -> None:
    made = history()
    members = packs.packed(made)
    name, event = "bodies/00000000.jsonl", json.loads(made.written[-1].header)["id"]
    said = json.loads(members["manifest.json"]) | {"withheld": [event]}
    rows = members[name].splitlines(keepends=True)[:-1]
    changed = members | {name: b"".join(rows), "manifest.json": verify.canon(said)}
    assert "is withheld without a redaction event" in packs.verdict(packs.relogged(made, changed), made)


def by_strata(log: Log, strata: str, count: int) -> tuple[dict[str, Any], dict[str, str]]:
    """A draw from all runs, and the outcome of each run that it names as the table of runs has it."""
    known = exports.fix(actor=log.world.mira, wanted={}, at=now())
    drawn = exports.draw(
        actor=log.world.mira, population=known["population"], nonce=NONCE, count=count, strata=strata, at=now()
    )
    return drawn, {str(run.pk): run.state for run in Run.objects.filter(pk__in=drawn["runs"])}


def test_strata_draw_what_is_rare_and_the_pack_says_by_what(five: Log) -> None:
    drawn, states = by_strata(five, "outcome", 1)
    assert [states[run] for run in drawn["runs"]] == ["queued", "succeeded"], (
        "that which never ended has no outcome yet"
    )
    more, _ = by_strata(five, "outcome", 3)
    assert len(more["runs"]) == 4
    by_place, _ = by_strata(five, "environment", 6)
    assert len(by_place["runs"]) == 6
    data = five.pack()
    assert verify.verify(data, five.key)["samples"] == 3
    titles, *rows = csv.reader(io.StringIO(verify.unzip(data)["reports/samples.csv"].decode()))
    assert (titles[-1], [row[-1] for row in rows]) == ("strata", ["outcome", "outcome", "environment"])


def test_strata_that_no_header_says_are_refused(five: Log) -> None:
    with pytest.raises(InvalidInput, match="is one of environment, outcome, risk"):
        by_strata(five, "requester", 1)


def test_a_draw_by_strata_that_takes_another_run_fails_the_pack() -> None:
    made = history()
    known = {"population": made.uuid(), "size": made.tree.size, "root": made.tree.root().hex(), "filter": {}, "runs": 3}
    made.event("population.fixed", known, actor=made.mira.subject)
    [ranked] = verify.rank(made.headers, known, [(NONCE, 3, "outcome")])
    for strata, runs, verdict in [("outcome", ranked[:1], "WITNESSED"), ("outcome", ranked[1:2], "1 bodies/")]:
        facts = {"sample": made.uuid(), "population": known["population"], "nonce": NONCE, "count": 1, "runs": runs}
        made.event("sample.drawn", facts | {"strata": strata}, actor=made.mira.subject)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(verify.Samples, "check", lambda *_: None)
            members = packs.packed(made)
        assert packs.verdict(verify.zip_bytes(members), made).startswith(verdict)
