"""A run's dossier tells the story to anybody, shows erased values as erased, and is harmless whatever stands in it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed, NotFound
from procedures.domain.ids import uuid7
from procedures.evidence import paper, paper_pdf
from procedures.evidence.models import Disclosure, Event
from procedures.evidence.paper import Exact, Facts, Paper, Section, Table
from procedures.models import LegalHold
from procedures.queries import legal_holds
from procedures.queries.dossier import dossier
from procedures.services import dossiers
from tests.evidence.conftest import Log

pytestmark = pytest.mark.ordinary
UGLY = "</pre></style><script>alert(1)</script><img src=x onerror=alert(2)> \u202eevil\u202c \x1b[31m" + "x" * 5000
LISTED = (
    "The story", "What was odd", "The request", "The procedure", "Its text", "What changed from the version before",
    "Decisions of policies", "Approvals, and what the approvers were shown", "Values, targets and host keys",
    "Temporary credentials", "The runner", "What ran", "Human inputs on the way", "What came out",
    "Rights of those who asked and decided", "Values that were erased or held", "Controls that these facts support",
    "Who has viewed or exported it", "Proofs", "Every event of this run", "What this does not prove",
)  # fmt: skip


class Tags(HTMLParser):
    """Which tags and attributes a document has."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(data.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def words(data: bytes) -> str:
    return re.sub(r"<[^>]+>", "", data.decode())


def test_the_story_is_told_first_and_each_part_stands_after_it(log: Log) -> None:
    log.sequence()
    made = dossier(log.run, now())
    assert tuple(section.title for section in made.sections) == LISTED
    story = " ".join(str(block) for block in made.sections[0].blocks)
    for said in ("quinn", "asked through the portal", "read exactly these bytes", "through 1 step.", "It succeeded."):
        assert said in story
    assert not re.search("sha256|merkle|leaf|checkpoint", story, re.IGNORECASE), "no cryptography before the end"
    text = words(paper.as_html(made))
    seal = Event.objects.get(run=log.run.pk, kind="run.finished")
    for said in (
        log.run.digest,
        log.run.plan_digest,
        str(seal.pk),
        "c2sp.org/tlog-proof@v1",
        "procedure.yaml",
        "CC8.1",
    ):
        assert said in text


def test_a_run_that_is_not_in_the_log_yet_says_so_in_place_of_a_proof(log: Log) -> None:
    assert "The log has not taken this event yet." in words(paper.as_html(dossier(log.run, now())))


def test_an_erased_value_is_shown_as_erased_and_a_living_one_is_not(log: Log) -> None:
    request = Event.objects.get(run=log.run.pk, kind="run.requested")
    before = paper.as_html(dossier(log.run, now())).decode()
    assert "erased; the commitment" not in before
    Disclosure.objects.filter(event=request).update(sealed=None, erased_at=now())
    after = dossier(log.run, now())
    assert "erased; the commitment" in paper.as_html(after).decode()
    assert "Erased values: 1" in " ".join(map(str, after.sections[1].blocks))


def test_a_legal_hold_over_the_run_is_told(log: Log) -> None:
    assert "No legal hold covers it now." in words(paper.as_html(dossier(log.run, now())))
    mira = log.world.mira
    hold = LegalHold(
        id=uuid7(), run=log.run, basis="Art. 17(3)(e)", requested_by="T-9", placed_by=mira, placed_at=now()
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(legal_holds, "over_run", lambda _: [hold])
        assert "Art. 17(3)(e)" in words(paper.as_html(dossier(log.run, now())))


def ugly(text: str = UGLY) -> Paper:
    blocks = [text, Facts([(text, text)]), Table((text, "b"), [(text, text)] * 3, text), Exact(text, text)]
    return Paper(text, text, [Section(text, list(blocks)), Section("Empty", [Table(("a",), [], text), Facts([])])])


def test_a_document_of_hostile_text_holds_no_script_and_loads_nothing() -> None:
    made = paper.as_html(ugly())
    known = Tags(made)
    assert not known.tags & {"script", "img", "link", "iframe", "form", "object", "svg", "base"}
    assert not {name for name in known.attributes if name.startswith("on") or name in ("src", "srcset", "style")}
    assert b"default-src 'none'" in made
    assert "\u202e" not in made.decode()
    assert "\x1b" not in made.decode()


@pytest.mark.parametrize("text", [UGLY, "Żółć Ελλάδα Кириллица עברית العربية 漢字 🎉", "<b>&amp;</b>", "", "\n" * 400])
def test_a_pdf_is_made_of_whatever_stands_in_it(text: str) -> None:
    made = paper_pdf.as_pdf(ugly(text))
    assert made.startswith(b"%PDF-")
    assert b"/Outlines" in made
    assert b"/JavaScript" not in made
    assert paper_pdf.as_pdf(ugly(text)) == made, "the same document gives the same bytes"


@pytest.mark.parametrize("text", [UGLY, "because " * 90, "漢" * 900, "\U000f0000" * 700])
@pytest.mark.parametrize("columns", [1, 5, 16])
def test_a_table_of_many_columns_and_long_cells_fits_its_pages(columns: int, text: str) -> None:
    head = [f"column {number}" for number in range(columns)]
    row = [text if number % 5 == 0 else "2026-11-26" for number in range(columns)]
    made = paper_pdf.as_pdf(Paper("Wide", "", [Section("Rows", [Table(head, [row] * 3, "none")])]))
    sideways = re.search(rb"/MediaBox \[ 0 0 841\.\d+ 595\.\d+ \]", made)
    assert bool(sideways) == (columns > paper_pdf.UPRIGHT)


def test_no_word_of_a_head_is_broken_and_long_texts_get_the_room() -> None:
    table = Table(["environments", "reason"], [["production", "because " * 40]], "none")
    paper_pdf._font()
    narrow, wide = paper_pdf._widths(table, 495)
    assert paper_pdf._long("environments") < narrow < wide
    assert round(narrow + wide) == 495


def test_what_the_font_lacks_is_written_as_its_code_point() -> None:
    assert paper_pdf._letters("a\U000f0000") == "aU+F0000"


def test_a_long_table_is_cut_aloud() -> None:
    long = Paper("t", "u", [Section("s", [Table(("a",), [("x",)] * (paper.MOST_ROWS + 7), "")])])
    assert "7 more rows are in the log." in paper.as_html(long).decode()


def test_only_who_audits_there_gets_it_and_that_is_recorded(log: Log) -> None:
    stranger, asker = log.world.person("stranger"), log.run.requester
    with pytest.raises(NotFound):
        dossiers.run_dossier(actor=stranger, run=log.run.pk, form="html", at=now())
    with pytest.raises(NotAllowed):
        dossiers.run_dossier(actor=asker, run=log.run.pk, form="html", at=now())
    with pytest.raises(InvalidInput):
        dossiers.run_dossier(actor=log.world.mira, run=log.run.pk, form="exe", at=now())
    assert not Event.objects.filter(kind="evidence.read").exists()
    for form in ("html", "pdf"):
        _, name = dossiers.run_dossier(actor=log.world.mira, run=log.run.pk, form=form, at=now())
        assert name == f"run-{log.run.no}.{form}"
    read = Event.objects.filter(kind="evidence.read").order_by("id").last()
    assert read is not None
    assert json.loads(bytes(read.body))["run"] == str(log.run.pk)
    assert "dossier as pdf" in words(paper.as_html(dossier(log.run, now())))
