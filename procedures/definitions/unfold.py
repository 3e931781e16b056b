"""Other people's YAML, for importers: anchors unfolded within limits, YAML 1.1 scalars, every value with its line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from procedures.definitions.guard import Document, Mark
from procedures.domain.importing import ImportRefused

MAX_BYTES = 2 * 1024 * 1024
MAX_ALIASES = 100
MAX_EXPANSION = 1_000_000
MAX_DEPTH = 60
_STANDARD = "tag:yaml.org,2002:"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Tagged(str):
    """A scalar with a tag of its own, such as `!vault`; `tag` keeps it."""

    __slots__ = ("tag",)
    tag: str


def load_all(data: bytes) -> list[Document]:
    """Every document of a file that is not empty. Raises ImportRefused with the line."""
    if len(data) > MAX_BYTES:
        raise ImportRefused(f"The file is {len(data):,} bytes; the limit is {MAX_BYTES:,}.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data[: problem.start].count(b"\n") + 1
        raise ImportRefused("The file is not UTF-8.", line=line) from problem
    try:
        _count_aliases(text)
        nodes = [node for node in yaml.compose_all(text, Loader=_LOADER) if node is not None]
        return [_Unfold().document(node) for node in nodes]
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        said = getattr(problem, "problem", None) or "The YAML does not parse."
        line = min(mark.line + 1, text.count("\n") + 1) if mark else 1
        raise ImportRefused(str(said), line=line) from problem
    except RecursionError as problem:
        raise ImportRefused(f"The file is nested deeper than {MAX_DEPTH} levels.") from problem


def _count_aliases(text: str) -> None:
    """Refuse too many aliases and too deep a nesting event by event, before anything is built of the text."""
    count = depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        count += isinstance(event, yaml.AliasEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        line = event.start_mark.line + 1 if event.start_mark else 1
        if count > MAX_ALIASES:
            raise ImportRefused(f"The file has more than {MAX_ALIASES} aliases.", line=line)
        if depth > MAX_DEPTH + 1:
            raise ImportRefused(f"The file is nested deeper than {MAX_DEPTH} levels.", line=line)


class _Unfold:
    def __init__(self) -> None:
        self.marks: dict[str, Mark] = {}
        self.size = 0
        self.constructor = yaml.SafeLoader("")

    def document(self, node: yaml.Node) -> Document:
        return Document(self.value(node, "", ()), self.marks)

    def value(self, node: yaml.Node, path: str, above: tuple[int, ...]) -> Any:
        line = node.start_mark.line + 1
        if id(node) in above or len(above) > MAX_DEPTH:
            raise ImportRefused("An alias contains itself, or the file is nested too deep.", line=line)
        self.size += len(node.value) if isinstance(node.value, str) else 1
        if self.size > MAX_EXPANSION:
            raise ImportRefused("The file unfolds to more than 1 MB.", line=line)
        self.marks[path] = (line, node.start_mark.column + 1)
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node)
        below = (*above, id(node))
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, f"{path}/{number}", below) for number, item in enumerate(node.value)]
        if not isinstance(node, yaml.MappingNode):
            raise ImportRefused("A node of a kind that nobody knows.", line=line)
        return {key: self.value(item, f"{path}/{_escaped(key)}", below) for key, item in self.pairs(node, below)}

    def pairs(self, node: yaml.MappingNode, above: tuple[int, ...]) -> Iterator[tuple[str, yaml.Node]]:
        """Keys as text, merge keys unfolded; what stands in the mapping itself wins, the last of equal keys too."""
        found: dict[str, yaml.Node] = {}
        for key, item in node.value:
            if key.tag == f"{_STANDARD}merge":
                for source in item.value if isinstance(item, yaml.SequenceNode) else [item]:
                    if not isinstance(source, yaml.MappingNode) or id(source) in above:
                        raise ImportRefused("A merge key wants a mapping.", line=key.start_mark.line + 1)
                    for name, value in self.pairs(source, (*above, id(source))):
                        found.setdefault(name, value)
        for key, item in node.value:
            if key.tag != f"{_STANDARD}merge":
                if not isinstance(key, yaml.ScalarNode):
                    raise ImportRefused("A key must be plain text.", line=key.start_mark.line + 1)
                found[str(key.value)] = item
        yield from found.items()

    def scalar(self, node: yaml.ScalarNode) -> Any:
        if not node.tag.startswith(_STANDARD):
            tagged = Tagged(node.value)
            tagged.tag = node.tag
            return tagged
        try:
            return self.constructor.construct_object(node)
        except (ValueError, yaml.YAMLError) as problem:
            raise ImportRefused(f"{node.value!r} is no value.", line=node.start_mark.line + 1) from problem


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")
