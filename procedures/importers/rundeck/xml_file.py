"""An XML file within limits, by a parser that reads no document type and no entity; and its keys, one by one."""

from __future__ import annotations

from collections import Counter
from xml.etree.ElementTree import Element, ParseError  # types alone: defusedxml parses

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from procedures.definitions.unfold import MAX_BYTES
from procedures.domain.importing import ImportRefused
from procedures.importers.rundeck.source import MAX_DEPTH, MAX_KEYS, Path, Row


def root_of(data: bytes) -> Element:
    if len(data) > MAX_BYTES:
        raise ImportRefused(f"The file is {len(data):,} bytes; the limit is {MAX_BYTES:,}.")
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except DefusedXmlException as problem:
        line = data[: max(data.find(b"<!"), 0)].count(b"\n") + 1
        raise ImportRefused(
            "The file declares a document type or entities, which are not read.", line=line
        ) from problem
    except ParseError as problem:
        raise ImportRefused(f"The XML does not parse: {problem}"[:200], line=problem.position[0]) from problem
    except (ValueError, LookupError) as problem:
        raise ImportRefused(f"The XML cannot be read: {problem}"[:200]) from problem
    _limits(root)
    return root


def _limits(root: Element) -> None:
    count, level = 0, [root]
    for _ in range(MAX_DEPTH):
        count += len(level)
        if count > MAX_KEYS:
            raise ImportRefused(f"The file has more than {MAX_KEYS:,} elements.")
        level = [child for element in level for child in element]
    if level:
        raise ImportRefused(f"The file is nested deeper than {MAX_DEPTH} levels.")


def rows_of(element: Element, place: str, origin: dict[tuple[int, str], Path]) -> list[Row]:
    """A row for each attribute and element below, whether the reading took it or not."""
    rows = [Row(f"{place}@{name}", origin.get((id(element), f"@{name}"))) for name in element.attrib]
    counts = Counter(str(child.tag) for child in element)
    seen: Counter[str] = Counter()
    for child in element:
        tag = str(child.tag)
        here = f"{place}.{tag}" + (f"[{seen[tag]}]" if counts[tag] > 1 else "")
        seen[tag] += 1
        rows.append(Row(here, origin.get((id(child), ""))))
        rows += rows_of(child, here, origin)
    return rows
