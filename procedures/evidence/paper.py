"""A document for people who read on paper or offline: sections of sentences, facts, tables and exact text; as HTML."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from procedures.domain.text import one_line, visible

MOST_ROWS = 2_000  # of one table; a document is for reading, the log has everything
MOST_TEXT = 200_000
STYLE = """
:root{color-scheme:light dark}
body{overflow-wrap:anywhere;font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;
 padding:1.5rem 1rem 4rem}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 .3rem}
h2{font-size:1.25rem;margin:2.2rem 0 .4rem;border-bottom:1px solid #8885}
dl{display:grid;grid-template-columns:minmax(9rem,max-content) 1fr;gap:.2rem 1rem;margin:.6rem 0}
dt{color:color-mix(in srgb,currentColor 65%,transparent)}dd{margin:0;overflow-wrap:anywhere}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.875rem}
th,td{text-align:left;vertical-align:top;
 padding:.3rem .7rem .3rem 0;border-bottom:1px solid #8883;overflow-wrap:anywhere}
pre{font:12px/1.45 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere;
 border:1px solid #8885;padding:.7rem}
nav ol{columns:2 16rem;padding-left:1.2rem}p{overflow-wrap:anywhere}
@media(max-width:40rem){dl{grid-template-columns:1fr}dd{margin-bottom:.4rem}}
@media print{body{max-width:none;font-size:11pt}h2{break-after:avoid}nav{display:none}}
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and what stands for each."""

    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows below a head; `none` is said where there are no rows."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    none: str


@dataclass(frozen=True, slots=True)
class Exact:
    """Text as it is, to the letter, but for what nobody could see."""

    text: str
    of: str = ""


Block = str | Facts | Table | Exact


@dataclass(slots=True)
class Section:
    title: str
    blocks: list[Block] = field(default_factory=list)


@dataclass(slots=True)
class Paper:
    """A whole document. `under` is the line below its title."""

    title: str
    under: str
    sections: list[Section]


def shown_rows(table: Table) -> tuple[Sequence[Sequence[str]], str]:
    """The rows of a table that fit, and what to say of the others."""
    left = len(table.rows) - MOST_ROWS
    return table.rows[:MOST_ROWS], f"{left:,} more rows are in the log." if left > 0 else ""


def shown_text(exact: Exact) -> str:
    """What of an exact text is shown: invisible characters as escapes, the end cut off aloud."""
    text = visible(exact.text[:MOST_TEXT])
    return text + (f"\n… {len(exact.text) - MOST_TEXT:,} more characters" if len(exact.text) > MOST_TEXT else "")


def as_html(paper: Paper) -> bytes:
    """One file without scripts, fonts, pictures or links to anywhere else."""
    return "".join(_html(paper)).encode()


def _html(paper: Paper) -> Iterator[str]:
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    yield '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">'
    yield f"<title>{html.escape(one_line(paper.title))}</title><style>{STYLE}</style></head><body><main>"
    yield f'<h1>{_safe(paper.title)}</h1><p>{_safe(paper.under)}</p><nav aria-label="Contents"><ol>'
    for number, section in enumerate(paper.sections):
        yield f'<li><a href="#s{number}">{_safe(section.title)}</a></li>'
    yield "</ol></nav>"
    for number, section in enumerate(paper.sections):
        yield f'<section aria-labelledby="s{number}"><h2 id="s{number}">{_safe(section.title)}</h2>'
        for block in section.blocks:
            yield from _block(block)
        yield "</section>"
    yield "</main></body></html>\n"


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, str):
        yield f"<p>{_safe(block)}</p>"
    elif isinstance(block, Facts):
        yield "<dl>"
        for name, said in block.rows:
            yield f"<dt>{_safe(name)}</dt><dd>{_safe(said)}</dd>"
        yield "</dl>"
    elif isinstance(block, Exact):
        yield f"<p>{_safe(block.of)}</p>" if block.of else ""
        yield f'<pre dir="ltr" tabindex="0">{html.escape(shown_text(block))}</pre>'
    else:
        yield from _table(block)


def _table(table: Table) -> Iterator[str]:
    if not table.rows:
        yield f"<p>{_safe(table.none)}</p>"
        return
    rows, more = shown_rows(table)
    yield '<div class="scroll" tabindex="0"><table><thead><tr>'
    yield "".join(f'<th scope="col">{_safe(cell)}</th>' for cell in table.head) + "</tr></thead><tbody>"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{_safe(cell)}</td>" for cell in row) + "</tr>"
    yield "</tbody></table></div>" + (f"<p>{more}</p>" if more else "")


def _safe(text: str) -> str:
    """Escaped, isolated from the direction of its neighbours, and with nothing in it that cannot be seen."""
    return f"<bdi>{html.escape(one_line(text))}</bdi>"
