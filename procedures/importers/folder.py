"""A procedure folder in the making: the importer puts steps and files in, lint's errors stay out."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from procedures.definitions import scripts
from procedures.domain.importing import MARKED, Imported
from procedures.domain.text import visible

KEPT = "kept"
ENVIRONMENTS = ("development",)
OWNER = "group:default/imported"


_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Plain(_DUMPER):  # type: ignore[misc, valid-type]
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text_node(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    lines = value.split("\n")
    block = len(lines) > 1 and all(line.isprintable() and line == line.rstrip() for line in lines)
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if block else None)


_Plain.add_representer(str, _text_node)


@dataclass(slots=True)
class Folder:
    """`spec` is what becomes spec of procedure.yaml; steps are added through `step` and `mark`."""

    name: str
    title: str
    description: str = ""
    spec: dict[str, Any] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    marked: list[str] = field(default_factory=list)
    notes: str = ""
    tags: tuple[str, ...] = ()

    def step(self, step: dict[str, Any]) -> None:
        self.steps.append(step)

    def file(self, path: str, text: str) -> str:
        """Put a file in. The reason why a reviewer could not let it pass comes back, or an empty text."""
        data = text.encode()
        errors = scripts.errors(path, text)
        if not errors:
            self.files[path] = data
        return errors[0].message if errors else ""

    def mark(self, step_id: str, was: str, hint: str, *, keep: str = "", **more: Any) -> None:
        """A step that stands for something unknown; `keep` is its original text, kept beside the definition."""
        if keep:
            path = f"{KEPT}/{step_id}.original"
            self.files[path] = visible(keep).encode()
            hint = f"{hint} The original stands in {path}."
        shown = {"was": one_line(was) or "something", "hint": harmless(hint)}
        self.steps.append({"id": step_id, "action": MARKED, "input": shown, "timeout": "1m", **more})
        self.marked.append(step_id)

    def imported(self) -> Imported:
        """The folder as files, procedure.yaml and README.md among them."""
        meta = {"name": self.name, "title": one_line(self.title) or self.name}
        if self.description:
            meta["description"] = harmless(self.description)[:20_000]
        if self.tags:
            meta["tags"] = list(self.tags)  # type: ignore[assignment]
        spec = {
            "owner": OWNER,
            "type": "operation",
            "risk": "moderate",
            "environments": list(ENVIRONMENTS),
            "timeout": "1h",
            **self.spec,
            "steps": self.steps,
        }
        whole = {"apiVersion": "opsportal/v1", "kind": "Procedure", "metadata": meta, "spec": spec}
        written = yaml.dump(whole, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)
        readme = f"# {one_line(self.title) or self.name}\n\n{harmless(self.description) or 'Imported.'}\n"
        readme += f"\n{harmless(self.notes)}\n" if self.notes else ""
        self.files |= {"procedure.yaml": written.encode(), "README.md": readme.encode()}
        return Imported(self.name, self.files, self.marked)


def harmless(text: str) -> str:
    """Words for people: nothing invisible, no expression, no trailing spaces, no command that a finding would name."""
    shown = visible(text).replace("\r", "").replace("${{", "$ {{")
    lines = [line.rstrip().replace("\t", "    ") for line in shown.split("\n")]
    return "\n".join(scripts.FETCH.sub("(a download that is run at once)", line) for line in lines).strip()


def one_line(text: str) -> str:
    """The same on one line of at most 200 characters."""
    return " ".join(harmless(text).split())[:200].strip()


def label(text: str, taken: Collection[str] = (), *, fallback: str = "imported") -> str:
    """A DNS label made of a title, not among those taken."""
    base = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:55].strip("-") or fallback
    return _free(base, taken)


def identifier(text: str, taken: Collection[str] = ()) -> str:
    """A step id made of a name, not among those taken."""
    base = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:55]
    base = base if re.match(r"^[A-Za-z]", base) else f"step-{base}".rstrip("-")
    return _free(base, taken)


def _free(base: str, taken: Collection[str]) -> str:
    number, found = 1, base
    while found in taken:
        number += 1
        found = f"{base}-{number}"
    return found


def is_plain(value: Any) -> bool:
    """Whether a value holds nothing that reads as an expression or hides from a reviewer."""
    if isinstance(value, str):
        return visible(value) == value and "${{" not in value and not scripts.errors("procedure.yaml", value)
    if isinstance(value, Mapping):
        return all(is_plain(str(key)) and is_plain(item) for key, item in value.items())
    return all(is_plain(item) for item in value) if isinstance(value, list) else True
