"""Rundeck's XML: the same jobs, read by a parser that knows no entities, and told in the words of the YAML form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element  # types alone: defusedxml parses

from procedures.domain.importing import ImportRefused
from procedures.importers.rundeck.source import Path, Source, truth
from procedures.importers.rundeck.xml_file import root_of, rows_of

WHOLE = frozenset({"script", "exec", "description"})  # texts whose blanks count
OPTION = {"enforcedvalues": "enforced"}
COMMAND = {"scriptargs": "args", "scriptinterpreter": "scriptInterpreter"}
LOGGING = {"limit": "loglimit", "limitAction": "loglimitAction", "status": "loglimitStatus"}
MERE = frozenset({"preserveOrder", "data"})


def read(data: bytes) -> list[Source]:
    """Every job of a joblist. Raises ImportRefused with the line."""
    root = root_of(data)
    jobs = [root] if root.tag == "job" else [child for child in root if child.tag == "job"]
    if not jobs or root.tag not in {"job", "joblist"}:
        raise ImportRefused(f"The root element is {str(root.tag)[:40]!r}, not a joblist with jobs.")
    found = []
    for number, element in enumerate(jobs):
        reading = _Reading()
        job = reading.job(element)
        if not job.get("name") or not job.get("sequence"):
            raise ImportRefused(f"Job {number + 1} has no name or no sequence.")
        found.append(Source(job, rows_of(element, f"job[{number}]", reading.origin)))
    return found


class _Reading:
    """Turns elements into the YAML form and remembers where each came from."""

    def __init__(self) -> None:
        self.origin: dict[tuple[int, str], Path] = {}

    def at(self, element: Element, path: Path, attribute: str = "") -> None:
        self.origin[id(element), attribute] = path

    def text(self, element: Element, path: Path) -> str:
        self.at(element, path)
        found = "".join(element.itertext()).replace("\r\n", "\n")
        return found if element.tag in WHOLE else found.strip()

    def job(self, element: Element) -> dict[str, Any]:
        job: dict[str, Any] = {}
        special: dict[str, Callable[[Element, dict[str, Any]], None]] = {
            "context": self.context,
            "dispatch": self.dispatch,
            "nodefilters": self.nodefilters,
            "sequence": self.sequence,
            "logging": self.logging,
            "retry": self.retry,
        }
        for child in element:
            tag = str(child.tag)
            if tag in special:
                special[tag](child, job)
            else:
                job[tag] = self.anything(child, (tag,))
        return job

    def context(self, element: Element, job: dict[str, Any]) -> None:
        for child in element:
            if child.tag == "options":
                self.at(child, ("options",))
                job["options"] = [self.option(o, ("options", n)) for n, o in enumerate(child)]
            else:
                job[str(child.tag)] = self.anything(child, (str(child.tag),))

    def option(self, element: Element, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in element.attrib.items():
            key = OPTION.get(name, name)
            self.at(element, (*path, key), f"@{name}")
            found[key] = value
        if "values" in found:
            found["values"] = str(found["values"]).split(found.get("valuesListDelimiter") or ",")
        for child in element:
            found[str(child.tag)] = self.anything(child, (*path, str(child.tag)))
        return found

    def dispatch(self, element: Element, job: dict[str, Any]) -> None:
        path: Path = ("nodefilters", "dispatch")
        self.at(element, path)
        filters = job.setdefault("nodefilters", {})
        filters["dispatch"] = {str(c.tag): self.text(c, (*path, str(c.tag))) for c in element}

    def nodefilters(self, element: Element, job: dict[str, Any]) -> None:
        self.at(element, ("nodefilters",))
        filters = job.setdefault("nodefilters", {})
        for name, value in element.attrib.items():
            self.at(element, ("nodefilters", name), f"@{name}")
            filters[name] = value
        for child in element:
            filters[str(child.tag)] = self.anything(child, ("nodefilters", str(child.tag)))

    def logging(self, element: Element, job: dict[str, Any]) -> None:
        for name, value in element.attrib.items():
            key = LOGGING.get(name, name)
            self.at(element, (key,), f"@{name}")
            job[key] = value

    def retry(self, element: Element, job: dict[str, Any]) -> None:
        count = self.text(element, ("retry", "retry"))
        job["retry"] = {"retry": count}
        for name, value in element.attrib.items():
            self.at(element, ("retry", name), f"@{name}")
            job["retry"][name] = value

    def sequence(self, element: Element, job: dict[str, Any]) -> None:
        self.at(element, ("sequence",))
        sequence: dict[str, Any] = {"commands": []}
        for name, value in element.attrib.items():
            self.at(element, ("sequence", name), f"@{name}")
            sequence[name] = value
        for child in element:
            if child.tag == "command":
                path: Path = ("sequence", "commands", len(sequence["commands"]))
                self.at(child, path)
                sequence["commands"].append(self.command(child, path))
            else:
                sequence[str(child.tag)] = self.anything(child, ("sequence", str(child.tag)))
        job["sequence"] = sequence

    def command(self, element: Element, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in element.attrib.items():
            self.at(element, (*path, name), f"@{name}")
            found[name] = value
        for child in element:
            tag = str(child.tag)
            if tag == "errorhandler":
                self.at(child, (*path, tag))
                found[tag] = self.command(child, (*path, tag))
            elif tag == "jobref":
                self.at(child, (*path, tag))
                found[tag] = self.jobref(child, (*path, tag))
            elif tag in {"node-step-plugin", "step-plugin"}:
                self.plugin(child, path, found)
            elif tag == "scriptinterpreter":
                self.interpreter(child, path, found)
            elif tag == "plugins":
                self.at(child, (*path, tag))
                found[tag] = self.log_filters(child, (*path, tag))
            else:
                key = COMMAND.get(tag, tag)
                found[key] = self.anything(child, (*path, key))
        return found

    def plugin(self, element: Element, path: Path, found: dict[str, Any]) -> None:
        self.at(element, (*path, "nodeStep"))
        found["nodeStep"] = element.tag == "node-step-plugin"
        for name, value in element.attrib.items():
            self.at(element, (*path, name), f"@{name}")
            found[name] = value
        for child in element:
            found[str(child.tag)] = self.anything(child, (*path, str(child.tag)))

    def interpreter(self, element: Element, path: Path, found: dict[str, Any]) -> None:
        found["scriptInterpreter"] = self.text(element, (*path, "scriptInterpreter"))
        for name, value in element.attrib.items():
            key = "interpreterArgsQuoted" if name == "argsquoted" else name
            self.at(element, (*path, key), f"@{name}")
            found[key] = value

    def jobref(self, element: Element, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in element.attrib.items():
            self.at(element, (*path, name), f"@{name}")
            found[name] = value
        for child in element:
            tag = str(child.tag)
            if tag == "arg":
                self.at(child, (*path, "args"))
                self.at(child, (*path, "args"), "@line")
                found["args"] = child.attrib.get("line", "")
            elif tag == "dispatch":
                self.at(child, (*path, "nodefilters", "dispatch"))
                inner = {str(c.tag): self.text(c, (*path, "nodefilters", "dispatch", str(c.tag))) for c in child}
                found.setdefault("nodefilters", {})["dispatch"] = inner
            elif tag == "nodefilters":
                self.at(child, (*path, "nodefilters"))
                inner = {str(c.tag): self.anything(c, (*path, "nodefilters", str(c.tag))) for c in child}
                found.setdefault("nodefilters", {}).update(inner)
            else:
                found[tag] = self.anything(child, (*path, tag))
        return found

    def log_filters(self, element: Element, path: Path) -> dict[str, Any]:
        """`<LogFilter type=…><config>…</config></LogFilter>` as a list by the name of the service."""
        found: dict[str, Any] = {}
        for child in element:
            rows = found.setdefault(str(child.tag), [])
            here = (*path, str(child.tag), len(rows))
            self.at(child, here)
            rows.append(self.anything(child, here))
        return found

    def anything(self, element: Element, path: Path) -> Any:
        """Text where there is nothing else; else a mapping; `entry` rows and generic data as they mean."""
        if str(element.tag) == "plugins":
            self.at(element, path)
            return self.log_filters(element, path)
        attributes = {k: v for k, v in element.attrib.items() if k not in MERE}
        if not len(element) and not attributes:
            return self.text(element, path) or None if element.tag not in WHOLE else self.text(element, path)
        self.at(element, path)
        if len(element) and all(child.tag == "entry" for child in element):
            return self.entries(element, path)
        if truth(element.attrib.get("data", "")) and len(element) == 1:
            return self.data(element[0], path)
        found: dict[str, Any] = {}
        for name, value in attributes.items():
            self.at(element, (*path, name), f"@{name}")
            found[name] = value
        for child in element:
            self.several(child, path, found)
        return found

    def several(self, child: Element, path: Path, found: dict[str, Any]) -> None:
        tag = str(child.tag)
        if tag not in found:
            found[tag] = self.anything(child, (*path, tag))
            return
        if not isinstance(found[tag], list):
            found[tag] = [found[tag]]
        found[tag].append(self.anything(child, (*path, tag, len(found[tag]))))

    def entries(self, element: Element, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for child in element:
            key = child.attrib.get("key", "")
            self.at(child, (*path, key))
            for name in child.attrib:
                self.at(child, (*path, key), f"@{name}")
            found[key] = child.attrib.get("value", "".join(child.itertext()))
        return found

    def data(self, element: Element, path: Path) -> Any:
        """Rundeck's generic data: map, list, set and string."""
        self.at(element, path)
        if element.tag == "map":
            found = {}
            for child in element:
                key = child.attrib.get("key", "")
                self.at(child, (*path, key), "@key")
                found[key] = self.data(child, (*path, key))
            return found
        if element.tag in {"list", "set"}:
            return [self.data(child, (*path, number)) for number, child in enumerate(element)]
        return "".join(element.itertext())
