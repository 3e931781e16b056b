"""The same document as PDF: page numbers, bookmarks, and letters of every script that a font of this machine has."""

from __future__ import annotations

import functools
import io
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from procedures.domain.text import one_line
from procedures.evidence.paper import Block, Exact, Facts, Paper, Table, shown_rows, shown_text

FONTS = (
    ("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf"),
    ("/usr/share/fonts/dejavu/DejaVuSans.ttf", "/usr/share/fonts/dejavu/DejaVuSans-Bold.ttf"),
    ("/usr/share/fonts/TTF/DejaVuSans.ttf", "/usr/share/fonts/TTF/DejaVuSans-Bold.ttf"),
    ("Vera.ttf", "VeraBd.ttf"),  # reportlab's own: Latin letters alone
)
CELL = 600  # characters of one cell
ROOM = 22  # lines that a cell's text would fill if no line broke early; twice as many fit on a page, on its side too
WIDEST = 260  # points that a column asks for at most
BESIDE = 120  # points that a heading needs below it on its page; a table that follows may go on overleaf
UPRIGHT = 8  # columns; a page with more lies on its side
LINE = 110  # characters of an exact line; longer ones go on below
LINES = 55  # exact lines of one block, which must fit on a page


@functools.cache
def _font() -> Any:
    """The font of this machine with the most letters, known to reportlab as `text` and `bold`."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    plain, bold = next(pair for pair in FONTS if Path(pair[0]).exists() or not pair[0].startswith("/"))
    pdfmetrics.registerFont(TTFont("bold", bold))
    pdfmetrics.registerFont(font := TTFont("text", plain))
    pdfmetrics.registerFontFamily("text", normal="text", bold="bold", italic="text", boldItalic="bold")
    return font


def as_pdf(paper: Paper) -> bytes:
    """A4. What the font has no letter for is written as its code point: nothing is left out."""
    from reportlab.lib.pagesizes import A4, landscape
    from reportlab.platypus import CondPageBreak, SimpleDocTemplate

    _font()
    raw = io.BytesIO()
    columns = [len(one.head) for section in paper.sections for one in section.blocks if isinstance(one, Table)]
    size = landscape(A4) if max(columns, default=0) > UPRIGHT else A4
    doc = SimpleDocTemplate(
        raw, pagesize=size, title=one_line(paper.title)[:200], author="OpsPortal", lang="en", invariant=1,
        leftMargin=50, rightMargin=50, topMargin=50, bottomMargin=55,
    )  # fmt: skip
    story = [_text(paper.title, "title"), _text(paper.under, "text")]
    for number, section in enumerate(paper.sections):
        story += [CondPageBreak(BESIDE), _heading(section.title, f"s{number}")]
        for block in section.blocks:
            story += _flow(block, size[0] - 100)
    doc.build(story, onFirstPage=_foot, onLaterPages=_foot, canvasmaker=_numbered())
    return raw.getvalue()


def _numbered() -> Any:
    """A canvas that knows at the end how many pages there are."""
    from reportlab.pdfgen.canvas import Canvas

    class Numbered(Canvas):  # type: ignore[misc]
        def __init__(self, *words: Any, **more: Any) -> None:
            super().__init__(*words, **more)
            self._pages: list[dict[str, Any]] = []
            self.showOutline()

        def showPage(self) -> None:  # noqa: N802 (reportlab's name)
            self._pages.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for page in self._pages:
                self.__dict__.update(page)
                self.setFont("text", 8)
                self.drawRightString(self._pagesize[0] - 50, 30, f"Page {self._pageNumber} of {len(self._pages)}")
                super().showPage()
            super().save()

    return Numbered


def _foot(canvas: Any, doc: Any) -> None:
    canvas.setFont("text", 8)
    canvas.drawString(50, 30, _letters(doc.title)[:90])


def _styles(name: str) -> Any:
    from reportlab.lib.styles import ParagraphStyle

    sizes = {
        "title": (17, 21, 6),
        "head": (12.5, 16, 4),
        "text": (9.5, 13.5, 5),
        "cell": (7.5, 9.5, 0),
        "exact": (7.5, 9.5, 7),
    }
    size, leading, after = sizes[name]
    font = "bold" if name in ("title", "head") else "text"
    before = 14 if name == "head" else 0
    return ParagraphStyle(
        name, fontName=font, fontSize=size, leading=leading, spaceAfter=after, spaceBefore=before, splitLongWords=1
    )


def _text(text: str, style: str, *, most: int = 8000) -> Any:
    from reportlab.platypus import Paragraph

    shown = one_line(text)
    return Paragraph(escape(_letters(shown[:most] + ("…" if len(shown) > most else ""))), _styles(style))


def _letters(text: str) -> str:
    """What the font cannot draw, as U+ and its number."""
    known = _font().face.charToGlyph
    return "".join(char if ord(char) in known or char in "\n\t" else f"U+{ord(char):04X}" for char in text)


def _heading(title: str, key: str) -> Any:
    found = _text(title, "head", most=150)
    drawn = found.draw

    def draw() -> None:
        found.canv.bookmarkPage(key)
        found.canv.addOutlineEntry(_letters(one_line(title))[:120], key, 0, closed=False)
        drawn()

    found.draw = draw
    return found


def _flow(block: Block, room: float) -> list[Any]:
    if isinstance(block, str):
        return [_text(block, "text")]
    if isinstance(block, Facts):
        return [_grid([[name, said] for name, said in block.rows], [120, room - 120])] if block.rows else []
    if isinstance(block, Exact):
        return [*([_text(block.of, "text")] if block.of else []), *_exact(block)]
    return _table(block, room)


def _table(table: Table, room: float) -> list[Any]:
    if not table.rows:
        return [_text(table.none, "text")]
    rows, more = shown_rows(table)
    grid = _grid([list(table.head), *[list(row) for row in rows]], _widths(table, room), head=True)
    return [grid, *([_text(more, "text")] if more else [])]


def _widths(table: Table, room: float) -> list[float]:
    """Columns by what stands in them: no word is broken that is not long, and long texts share what is left."""
    words = [{*head.split(), *_short_words(table, at)} for at, head in enumerate(table.head)]
    least = [max(map(_long, found), default=0) + 8 for found in words]
    asked = [
        min(max((_long(row[at][:CELL]) for row in table.rows[:200]), default=0), WIDEST)
        for at in range(len(table.head))
    ]
    more = [max(ask - low, 1) for ask, low in zip(asked, least, strict=True)]
    spare = room - sum(least)
    if spare < 0:
        return [room / len(least)] * len(least)
    return [low + spare * ask / sum(more) for low, ask in zip(least, more, strict=True)]


def _short_words(table: Table, at: int) -> set[str]:
    return {word for row in table.rows[:200] for word in row[at][:CELL].split() if len(word) <= len("installation")}


def _long(text: str) -> float:
    """How many points a text takes in one line of a cell."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    return float(stringWidth(_letters(one_line(text)), "text", _styles("cell").fontSize))


def _fitting(text: str, width: float) -> str:
    """What of a cell's text fits: a cell goes on one page, however narrow its column is."""
    shown = one_line(text)[:CELL]
    while _long(shown) > ROOM * width:
        shown = shown[: len(shown) * 4 // 5]
    return shown if len(shown) == len(one_line(text)) else f"{shown}…"


def _grid(rows: list[list[str]], widths: list[float], *, head: bool = False) -> Any:
    from reportlab.lib.colors import Color
    from reportlab.platypus import LongTable

    cells = [[_text(_fitting(cell, width), "cell") for cell, width in zip(row, widths, strict=True)] for row in rows]
    grid = LongTable(cells, colWidths=widths, repeatRows=1 if head else 0, spaceAfter=6, hAlign="LEFT")
    line = Color(0.75, 0.75, 0.75)
    style: list[tuple[Any, ...]] = [("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)]
    style += [("LINEBELOW", (0, 0), (-1, -1), 0.4, line), ("FONTNAME", (0, 0), (-1, -1), "text")]
    grid.setStyle(style)
    return grid


def _exact(exact: Exact) -> list[Any]:
    from reportlab.platypus import Preformatted

    text = _letters(shown_text(exact).expandtabs(4))
    lines = [line[at : at + LINE] for line in text.split("\n") for at in range(0, max(len(line), 1), LINE)]
    style = _styles("exact")
    return [Preformatted("\n".join(lines[at : at + LINES]), style) for at in range(0, len(lines), LINES)]
