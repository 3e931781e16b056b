"""The log streamed to a collector: in order, at least once, from where it stands, and never by the web process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from procedures.answers.drift import drift
from procedures.domain import collectors as rules
from procedures.domain.canonical import parse_moment
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed
from procedures.domain.ids import uuid7
from procedures.evidence import ocsf, verify
from procedures.evidence.models import Checkpoint, Event
from procedures.models import Collector, ControlChange, Person
from procedures.queries.collectors import streamed
from procedures.runner import streaming
from procedures.services import collectors, controls, exports
from tests.evidence.conftest import Log
from tests.evidence.test_asserted import written
from tests.evidence.test_populations import client
from tests.evidence.test_standards import fits
from tests.factories.transitions import unevidenced
from tests.fixtures.collector import Listening, listening

PATH = "/ingest"


@pytest.fixture
def siem() -> Iterator[Listening]:
    with listening() as found:
        yield found


def named(log: Log, siem: Listening, **more: Any) -> Collector:
    """A collector by the name siem that two people agreed on, with the whole log before it."""
    thing = {"name": "siem", "url": siem.url + PATH, "start": "beginning", "action": "set"} | more
    log.world.confirmed("collector", {name: value for name, value in thing.items() if value})
    log.sequence()
    return Collector.objects.get(name="siem", ended_at=None)


def happened(log: Log) -> None:
    """Something that is an event."""
    exports.fix(actor=log.world.mira, wanted={}, at=now())


def size() -> int:
    return Checkpoint.objects.order_by("-size").values_list("size", flat=True)[0]


def test_every_event_arrives_once_in_order_and_as_the_packs_file_has_it(log: Log, siem: Listening) -> None:
    row = named(log, siem)
    assert streaming.stream() == size()
    assert siem.places == list(range(size()))
    for event in siem.kept:
        fits(event)
    in_file = [json.loads(line) for line in verify.unzip(log.pack())["ocsf/events.jsonl"].splitlines()]
    for event in siem.kept:
        assert event["metadata"].pop("log_provider") == "http://localhost:8000"
    assert siem.kept == in_file[: len(siem.kept)]
    assert {asked["path"] for asked in siem.asked} == {PATH}
    row.refresh_from_db()
    assert (row.sent, row.failures, row.problem) == (len(siem.kept), 0, "")
    log.sequence()
    streaming.stream()
    assert siem.places == list(range(size())), "the export itself is an event, and follows"


def test_what_was_taken_and_not_acknowledged_comes_again_and_is_told_apart(log: Log, siem: Listening) -> None:
    row = named(log, siem)
    siem.answers = ["keep and hang up"]
    assert streaming.stream() == 0
    taken = siem.places
    row.refresh_from_db()
    assert (row.sent, row.failures) == (0, 1)
    assert "no answer" in row.problem
    Collector.objects.update(next_at=now())
    streaming.stream()
    assert siem.places[: len(taken)] == taken == siem.places[len(taken) : 2 * len(taken)]
    uids = [event["metadata"]["uid"] for event in siem.kept]
    assert len(set(uids)) == len(uids) - len(taken)


def test_a_crash_between_answer_and_position_sends_the_batch_again(
    log: Log, siem: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = named(log, siem)

    def crash(*words: Any, **more: Any) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(collectors, "acknowledged", crash)
        with pytest.raises(KeyboardInterrupt):
            streaming.stream()
    taken = siem.places
    streaming.stream()
    assert taken
    assert siem.places[len(taken) : 2 * len(taken)] == taken
    assert set(siem.places) == set(range(size()))
    row.refresh_from_db()
    assert row.sent == size()


@pytest.mark.parametrize("answer", [301, 302, 307, 400, 401, 404, 500, 503, "hang up"])
def test_whatever_is_no_acknowledgement_moves_nothing_and_waits_longer_each_time(
    log: Log, siem: Listening, answer: int | str
) -> None:
    row = named(log, siem)
    waits = []
    for _ in range(3):
        siem.answers = [answer]
        streaming.stream()
        row.refresh_from_db()
        waits.append((row.next_at - now()).total_seconds())
        assert collectors.due(at=now()) == []
        Collector.objects.update(next_at=now())
    assert (row.sent, row.failures, siem.kept) == (0, 3, [])
    assert waits[0] < waits[1] < waits[2]
    assert {asked["path"] for asked in siem.asked} == {PATH}, "a redirect is followed nowhere"


def test_the_longest_wait_is_a_quarter_of_an_hour() -> None:
    assert [rules.wait_after(n).total_seconds() for n in (1, 2, 50)] == [2, 4, 900]


def test_too_large_is_sent_in_smaller_pieces(log: Log, siem: Listening) -> None:
    named(log, siem)
    siem.largest = 3000
    streaming.stream()
    assert siem.places == list(range(size()))
    assert len(siem.asked) > 3


def test_a_gap_is_told_on_the_page_in_the_api_and_on_the_line(log: Log, siem: Listening) -> None:
    named(log, siem)
    siem.answers = [503]
    streaming.stream()
    [fresh] = streamed(now())
    [late] = streamed(now() + rules.LATE + timedelta(minutes=1))
    assert (fresh.gap, late.gap, late.behind) == (False, True, size())
    assert late.waiting_since is not None
    web = client(log.world.mira)
    assert "answered 503" in web.get("/evidence/").content.decode()
    [told] = web.get("/api/v1/evidence/collectors/").json()["results"]
    assert (told["behind"], told["problem"], told["sent"]) == (size(), "answered 503", 0)
    assert parse_moment(told["waiting_since"].replace("+00:00", "Z")) == late.waiting_since


def test_a_moved_collector_goes_on_and_an_ended_one_gets_nothing(log: Log, siem: Listening) -> None:
    named(log, siem)
    streaming.stream()
    had = siem.places
    with listening() as other:
        named(log, other, start=None)
        streaming.stream()
        assert other.places == list(range(had[-1] + 1, size())), "it goes on where the former address stood"
        log.world.confirmed("collector", {"name": "siem", "url": other.url + PATH, "action": "end"})
        log.sequence()
        got = len(other.places)
        assert streaming.stream() == 0
        assert len(other.places) == got
    assert siem.places == had


def test_a_new_one_begins_now_unless_it_is_told_to_begin_before(log: Log, siem: Listening) -> None:
    log.sequence()
    before = size()
    row = named(log, siem, start=None)
    streaming.stream()
    assert row.first >= before
    assert siem.places == list(range(row.first, size()))


def test_what_is_not_sequenced_yet_stays_here(log: Log, siem: Listening) -> None:
    named(log, siem)
    streaming.stream()
    had = siem.places
    happened(log)
    assert Event.objects.filter(leaf__isnull=True).exists()
    assert streaming.stream() == 0
    assert siem.places == had


def test_nothing_that_somebody_wrote_or_hid_leaves(log: Log, siem: Listening) -> None:
    canary = "canary-4711-free-text"
    log.world.may(log.world.person("edda"), "audit", reason=canary)
    log.sequence()
    named(log, siem)
    streaming.stream()
    assert siem.kept
    text = json.dumps(siem.kept)
    assert canary not in text
    assert "salt" not in text
    bodies = [json.loads(bytes(one.body)) for one in Event.objects.all()]
    assert any(canary in json.dumps(body) for body in bodies), "the log itself holds it"
    assert not [one for one in bodies if one["salt"] in text]


def test_its_token_comes_from_a_file_and_stands_nowhere_else(
    log: Log, siem: Listening, tmp_path: Path, settings: Any
) -> None:
    row = named(log, siem)
    settings.OPSPORTAL_COLLECTOR_TOKENS = str(tmp_path)
    (tmp_path / "siem").write_text("hec-canary-token\n")
    streaming.stream()
    assert {asked["authorization"] for asked in siem.asked} == {"Bearer hec-canary-token"}
    (tmp_path / "siem").write_text("Splunk hec-canary-token")
    happened(log)
    log.sequence()
    streaming.stream()
    assert siem.asked[-1]["authorization"] == "Splunk hec-canary-token"
    (tmp_path / "siem").write_text("one\ntwo")
    happened(log)
    log.sequence()
    streaming.stream()
    row.refresh_from_db()
    assert row.problem == "its token's file holds no token"
    assert "canary" not in json.dumps(siem.kept) + str(Collector.objects.values())


def test_an_event_that_nobody_signed_names_no_collector(log: Log, siem: Listening) -> None:
    """A process that is taken over writes both, the event and the row."""
    said = {"name": "siem", "url": siem.url + PATH, "start": "beginning", "action": "set"}
    written("collector", said)
    log.sequence()
    event = Event.objects.filter(kind="control.confirmed").latest("at").pk
    with unevidenced():
        times = {"since_at": now(), "next_at": now()}
        row = Collector.objects.create(name="siem", url=said["url"], first=0, sent=0, event=event, **times)
    assert streaming.stream() == 0
    assert siem.asked == []
    row.refresh_from_db()
    assert "only asserted by the platform" in row.problem


def test_a_row_that_somebody_wrote_over_sends_nothing_and_is_drift(log: Log, siem: Listening) -> None:
    row = named(log, siem)
    assert drift(now()) == []
    with listening() as thief, unevidenced():
        Collector.objects.update(url=thief.url)
        assert streaming.stream() == 0
        assert (thief.asked, siem.asked) == ([], [])
        row.refresh_from_db()
        assert "is not the one that its change says" in row.problem
    assert [one.kind for one in drift(now())] == ["collector"]


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({"url": "http://siem.example/x"}, "/object/url"),
        ({"url": "ftp://siem.example/x"}, "/object/url"),
        ({"url": "https:///x"}, "/object/url"),
        ({"url": "https://user:secret@siem.example/x"}, "/object/url"),
        ({"url": "https://siem.example/x?token=secret"}, "/object/url"),
        ({"url": "https://siem.example/a b"}, "/object/url"),
        ({"name": "No Name"}, "/object/name"),
        ({"action": "end"}, "/object/name"),
    ],
)
def test_an_address_that_may_not_be_is_refused_by_name(log: Log, said: dict[str, str], pointer: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        controls.require_sound("collector", {"name": "siem", "url": "https://siem.example/x", "action": "set"} | said)
    assert pointer in [row[0] for row in refusal.value.problems]


def test_two_people_agree_on_it_and_nobody_else_proposes(log: Log, siem: Listening) -> None:
    thing = {"name": "siem", "url": siem.url, "action": "set"}
    change = log.world.propose("collector", thing)
    assert (change.state, Collector.objects.exists()) == (ControlChange.State.PROPOSED, False)
    quinn = Person.objects.get(username="quinn")
    assert client(quinn).get("/api/v1/evidence/collectors/").status_code == 403
    with pytest.raises(NotAllowed):
        controls.propose(actor=quinn, control="collector", object=thing, signature=None, at=now())


def test_an_address_of_the_cloud_that_hands_out_credentials_is_never_reached(log: Log) -> None:
    """DNS or a signed mistake may lead there: it is judged when it is reached."""
    batch = collectors.Batch(Collector().pk, uuid7(), "siem", "https://169.254.169.254/x", 0, 1, [b"{}\n"])
    with pytest.raises(streaming.NotTaken, match="never reached"):
        streaming.send(batch)


def test_kinds_that_are_streamed_are_told_in_a_class_each() -> None:
    assert all(ocsf.told_as(kind).class_uid for kind in ("control.confirmed", "evidence.request_saved"))
