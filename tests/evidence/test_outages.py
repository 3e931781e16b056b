"""Records of outages: signed by whoever did it, accepted by another, told to auditors and by both verifiers."""

from __future__ import annotations

import html
import json
from datetime import timedelta
from typing import Any

import pytest
from django.http import QueryDict
from django.urls import reverse

from procedures.answers import registers
from procedures.answers.drift import drift
from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed
from procedures.evidence import verify
from procedures.models import ControlChange, Person
from procedures.services import controls
from procedures.services.unit import SecondPersonRequired
from procedures.web import control_words, outage_forms
from tests.evidence.conftest import Log
from tests.evidence.test_populations import client

HOUR = timedelta(hours=1)
CAUSE = "the disk of the database was full"


@pytest.fixture
def hands(log: Log) -> tuple[Person, Person]:
    """Two who operate staging and production, each with a key."""
    made = []
    for name in ("otto", "olga"):
        made.append(log.world.person(name, key=True))
        log.world.may(made[-1], "operate", environments=["staging", "production"])
    return made[0], made[1]


def record_of(by: Person, environment: str = "production", **more: Any) -> dict[str, Any]:
    at = now()
    act = {"at": moment(at - HOUR), "by": str(by.subject), "on": "web-1", "did": "restarted nginx"}
    return {
        "environment": environment,
        "from": moment(at - 2 * HOUR),
        "to": moment(at - HOUR / 2),
        "cause": CAUSE,
        "could_not": ["hello in production, asked for by phone"],
        "acts": [act],
    } | more


@pytest.mark.parametrize("environment", ["production", "staging", "development"])
def test_who_did_it_signs_and_somebody_else_accepts_wherever_it_was(
    log: Log, hands: tuple[Person, Person], environment: str
) -> None:
    otto, olga = hands
    if environment == "development":
        for one in hands:
            log.world.may(one, "operate", environments=["development"])
    change = log.world.propose("outage", record_of(otto, environment), by=otto)
    assert change.state == ControlChange.State.PROPOSED, "one person alone records nothing"
    with pytest.raises(SecondPersonRequired):
        confirm(log, change, otto)
    confirm(log, change, olga)
    change.refresh_from_db()
    assert change.state == ControlChange.State.CONFIRMED
    log.sequence()
    data = log.pack()
    found = verify.verify(data, log.key)
    assert found["asserted"] == []
    [told] = found["outages"]
    assert (told["environment"], told["acts"]) == (environment, 1)
    assert f"OUT OF USE: leaf {told['index']}, {environment} from" in verify.told(found)
    assert drift(now()) == []


def confirm(log: Log, change: ControlChange, who: Person) -> None:
    signature = log.world.signed(who.username, bytes(change.statement))
    controls.confirm(actor=who, change=change.pk, signature=signature, at=now())


def test_auditors_read_it_in_the_register_and_hear_where_both_took_part(log: Log, hands: tuple[Person, Person]) -> None:
    otto, olga = hands
    both = record_of(otto)
    both["acts"].append(both["acts"][0] | {"by": str(olga.subject), "did": "read along"})
    for record, both_did in ((record_of(otto), False), (both, True)):
        confirm(log, log.world.propose("outage", record, by=otto), olga)
        row, could_not, *rest = registers.outages(now())
        assert CAUSE in row.what
        assert "signed by olga, otto" in row.what
        assert row.what.endswith("both of them did some of it") == both_did
        assert (could_not.kind, could_not.what) == ("could not run", "hello in production, asked for by phone")
        acts = [(one.who, one.what) for one in rest if one.kind == "by hand" and one.event == row.event]
        assert acts == [("otto", "on web-1: restarted nginx"), ("olga", "on web-1: read along")][: len(record["acts"])]
    web = client(log.world.mira)
    assert CAUSE in web.get("/access/answers/outages/").content.decode()
    kinds = [row["kind"] for row in web.get("/api/v1/evidence/registers/outages/").json()["results"]]
    assert (kinds.count("outage"), kinds.count("by hand")) == (2, 3)
    assert client(Person.objects.get(username="quinn")).get("/access/answers/outages/").status_code == 403


def test_nobody_records_for_a_place_where_they_do_not_operate(log: Log, hands: tuple[Person, Person]) -> None:
    otto, _ = hands
    for who, environment in ((Person.objects.get(username="quinn"), "production"), (otto, "development")):
        with pytest.raises(NotAllowed):
            controls.propose(actor=who, control="outage", object=record_of(otto, environment), signature=None, at=now())


@pytest.mark.parametrize(
    ("spoil", "pointer"),
    [
        (lambda r: r | {"to": r["from"]}, "/object/to"),
        (lambda r: r | {"to": moment(now() + HOUR)}, "/object/to"),
        (lambda r: r | {"from": "2026-13-01T00:00:00.000000Z"}, "/object/from"),
        (lambda r: r | {"environment": "moon"}, "/object/environment"),
        (lambda r: r | {"cause": ""}, "/object/cause"),
        (lambda r: r | {"acts": [r["acts"][0] | {"at": moment(now())}]}, "/object/acts/0/at"),
        (lambda r: r | {"acts": [r["acts"][0] | {"by": str(Person().subject)}]}, "/object/acts/0/by"),
        (lambda r: r | {"acts": [r["acts"][0] | {"did": ""}]}, "/object/acts/0/did"),
    ],
)
def test_what_cannot_have_been_is_refused_by_its_field(
    log: Log, hands: tuple[Person, Person], spoil: Any, pointer: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        controls.require_sound("outage", spoil(record_of(hands[0])))
    assert pointer in [row[0] for row in refusal.value.problems]


def test_the_form_makes_what_is_signed_and_the_page_says_it_in_full(log: Log, hands: tuple[Person, Person]) -> None:
    typed = QueryDict(mutable=True)
    typed.update(
        {
            "environment": "production",
            "from": "2026-11-26T10:00",
            "to": "2026-11-26T11:30",
            "cause": CAUSE,
            "could_not": "hello\n\nbackup of the night",
            "acts": "2026-11-26T10:03 | otto | web-1 | cat /etc/x | restart",
        }
    )
    made = outage_forms.outage(typed)
    assert made["could_not"] == ["hello", "backup of the night"]
    assert made["acts"][0] == {
        "at": "2026-11-26T10:03:00.000000Z",
        "by": str(hands[0].subject),
        "on": "web-1",
        "did": "cat /etc/x | restart",
    }
    said = control_words.told("outage", made, {str(hands[0].subject): "Otto"})
    assert "2026-11-26T10:03 Otto on web-1: cat /etc/x | restart" in said
    assert control_words.subjects_in(made) == [str(hands[0].subject)]
    for when in ("2026-11-26T12:03+02:00", "2026-11-26T10:03Z", "2026-11-26 10:03"):
        other = typed.copy()
        other["acts"] = f"{when} | otto | web-1 | restarted"
        assert outage_forms.outage(other)["acts"][0]["at"] == "2026-11-26T10:03:00.000000Z", when
    for name, text in (("acts", "only words"), ("acts", "2026-11-26T10:03 | nobody-here | a | b"), ("from", "soon")):
        bad = typed.copy()
        bad[name] = text
        with pytest.raises(InvalidInput):
            outage_forms.outage(bad)
    web = client(hands[0])
    assert "Record an outage" in web.get(reverse("web:stops")).content.decode()


def test_a_record_with_wrong_lines_comes_back_as_it_was_typed_and_every_line_is_named(
    log: Log, hands: tuple[Person, Person]
) -> None:
    web, path = client(hands[0]), reverse("web:new-change", args=["outage"])
    right = "2026-11-26T10:03 | otto | web-1 | restarted nginx"
    typed = {"environment": "production", "from": "2026-11-26T10:00", "to": "2026-11-26T11:30", "cause": CAUSE}
    typed |= {"acts": f"{right}\nyesterday | otto | web-1 | looked\nrestarted\n{right.replace('otto', 'nobody')}"}
    answer = web.post(path, typed)
    page = html.unescape(answer.content.decode())
    assert answer.status_code == 422
    for said in (
        "Acts 2: 'yesterday' is no day and hour of UTC such as 2026-11-26T10:03",
        "Acts 3: a line is when | user name | where | what, such as 2026-11-26T10:03 | quinn",
        "Acts 4: there is nobody called 'nobody'",
    ):
        assert said in page
    assert typed["acts"] in page
    assert f'value="{CAUSE}"' in page
    assert "<details open>" in page
    ahead = moment(now() + HOUR)[:16]
    answer = web.post(path, typed | {"acts": right, "to": ahead})
    assert answer.status_code == 422, "what could never be recorded is refused before anybody signs it"
    assert "statement" not in answer.content.decode()
    page = web.post(path, typed | {"acts": right}).content.decode()
    assert f"2026-11-26T10:03 {hands[0]} on web-1: restarted nginx" in page
    assert "by: " not in page
    assert web.post(path, typed | {"acts": ""}).status_code == 200


def test_what_is_long_is_told_in_full_below_a_short_heading() -> None:
    made = {"environment": "production", "from": "2026-11-26T10:00", "to": "2026-11-26T11:30", "cause": "x" * 300 + "."}
    said = control_words.told("outage", made | {"could_not": [], "acts": []}, {})
    assert "x. Nothing was done by hand." in said
    assert "x.." not in said


def test_registers_are_files_with_what_to_judge_them_by(log: Log) -> None:
    web = client(log.world.mira)
    rows = web.get("/api/v1/evidence/registers/changes/").json()["results"]
    data = web.get("/api/v1/evidence/registers/changes/", {"as": "csv"})
    assert (
        len(b"".join(data).splitlines()) >= len(rows) + 1
        if data.streaming
        else data.content.count(b"\r\n") == len(rows) + 1
    )
    pdf = web.get("/api/v1/evidence/registers/changes/", {"as": "pdf"})
    assert pdf.content.startswith(b"%PDF-")
    assert web.get("/access/answers/changes/", {"as": "pdf"}).content.startswith(b"%PDF-")
    assert web.get("/api/v1/evidence/registers/changes/", {"as": "docx"}).status_code == 400
    reads = json.dumps(web.get("/api/v1/evidence/registers/reads/").json()["results"])
    assert "changes as csv" in reads
    assert "changes as pdf" in reads
