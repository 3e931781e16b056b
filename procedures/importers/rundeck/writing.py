"""A procedure folder out of a job that was read; what lint would refuse becomes a marked step that keeps its text."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from procedures.definitions import registry, scripts
from procedures.definitions.findings import Finding
from procedures.definitions.load import FILE, load
from procedures.definitions.scripts import EVAL, INVISIBLE
from procedures.domain.importing import MARKED, Imported, ImportRefused
from procedures.domain.text import visible
from procedures.importers.rundeck.commands import tell_marked
from procedures.importers.rundeck.job import Job
from procedures.importers.rundeck.source import plain
from procedures.importers.rundeck.steps import Draft

READ_AS_OTHER = re.compile(r"|true|false|null|~|[-+]?[0-9][0-9.eE+-]*|<<")
ORIGINAL = "original"


class _Dumper(yaml.SafeDumper):
    """Block style, no aliases, and quotes around every text that a reader could take for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value and not re.search(r"[ \t]\n|[^\x20-\x7e\n\u00a0-\ud7ff]|\A\s|\n\Z", value) else None
    if READ_AS_OTHER.fullmatch(value):
        style = "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def dumped(document: Any) -> bytes:
    text: str = yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=120, allow_unicode=True
    )
    if INVISIBLE.search(text):
        text = yaml.dump(document, Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=120)
    return text.encode()


def written(job: Job) -> Imported:
    """The folder of a job. Raises ImportRefused if no procedure can be made of it."""
    for _ in range(len(job.drafts) + 3):
        files = _files(job)
        errors = [one for one in load(files, registry.actions()).findings if one.severity == "error"]
        if not errors:
            marked = [draft.step["id"] for draft in _all(job.drafts) if draft.step["action"] == MARKED]
            return Imported(job.name, files, marked)
        _mend(job, files, errors)
    raise ImportRefused(f"The job {job.name} cannot be written as a procedure: {errors[0].message}"[:300])


def _all(drafts: list[Draft]) -> list[Draft]:
    return [*drafts, *(inner for draft in drafts for inner in draft.rollback)]


def _files(job: Job) -> dict[str, bytes]:
    spec = dict(job.document["spec"])
    spec["steps"] = [draft.step for draft in job.drafts]
    rollback = [inner.step for draft in job.drafts for inner in draft.rollback]
    if rollback:
        spec["rollback"] = rollback
    if job.sibling.callers:
        spec["callableBy"] = sorted(set(job.sibling.callers))[:100]
    files = {FILE: dumped({**job.document, "spec": spec}), "README.md": INVISIBLE.sub("", job.readme).encode()}
    for draft in job.drafts:
        files |= draft.files
        for inner in draft.rollback:
            files |= inner.files
    return files


def _mend(job: Job, files: dict[str, bytes], errors: list[Finding]) -> None:
    """Mark each step that an error stands in; where the error is elsewhere, keep texts of marked steps in files."""
    places = _lines(files[FILE].decode())
    mended = False
    for error in errors:
        draft = _draft_of(job, error, places)
        if draft is not None and error.file == FILE and _harmful(draft.step["name"]):
            _unnamed(job, draft)
            mended = True
        elif draft is not None and draft.step["action"] != MARKED:
            _mark(job, draft, error)
            mended = True
    if mended:
        return
    for draft in _all(job.drafts):
        if draft.step["action"] == MARKED and "file" not in draft.step["input"].get("input", {}):
            _apart(draft)
            mended = True
    if not mended:
        _without_words(job)


def _unnamed(job: Job, draft: Draft) -> None:
    """Lint reads a step's name as it reads a program; one that it refuses is no reason to give the program up."""
    draft.step["name"] = draft.step["id"]
    if dict(draft.original or {}).get("description"):
        job.ledger.reported((*draft.path, "description"), "lint refuses it as a name; the step is called by its id")


def _draft_of(job: Job, error: Finding, places: list[str]) -> Draft | None:
    """The step that a finding is about: the one that owns the file, or in whose lines it stands."""
    for draft in _all(job.drafts):
        if error.file in draft.files:
            return draft
    if error.file != FILE:
        return None
    step_id = places[min(error.line, len(places)) - 1]
    return next((draft for draft in _all(job.drafts) if draft.step["id"] == step_id), None)


def _lines(text: str) -> list[str]:
    """For each line of a written procedure the id of the step that it belongs to, or an empty text."""
    found, current = [], ""
    for line in text.split("\n"):
        match = re.match(r"  - id: '?([\w-]+)'?$", line)
        if match:
            current = match[1]
        elif re.match(r" {0,2}[A-Za-z]", line):
            current = ""
        found.append(current)
    return found


def _mark(job: Job, draft: Draft, error: Finding) -> None:
    kept = plain({key: value for key, value in dict(draft.original or {}).items() if key != "errorhandler"})
    draft.step = {
        "id": draft.step["id"],
        "name": draft.step["name"],
        "action": MARKED,
        "input": {
            "was": draft.was[:200] or "a step",
            "input": kept,
            "hint": f"Lint refuses it ({error.code}): {error.message} {error.mend}".strip()[:1000],
        },
        **({"onFailure": draft.step["onFailure"]} if "onFailure" in draft.step else {}),
    }
    draft.files = {}
    why = f"lint refuses it ({error.code}): {error.message}"
    tell_marked(job.ledger, draft.path, dict(draft.original or {}), draft.step["id"], why)
    if any(map(_unreadable, (dumped(kept).decode(), draft.step["input"]["was"], draft.step["name"]))):
        _apart(draft)


def _unreadable(text: str) -> bool:
    return "${{" in text or _harmful(text)


def _apart(draft: Draft) -> None:
    """Keep what a step was in a file that is evidence alone, since lint reads every text of a procedure as one."""
    place = f"{ORIGINAL}/{draft.step['id']}.rundeck"
    whole = plain(draft.original if draft.original is not None else draft.step["input"])
    text = json.dumps(whole, indent=2, ensure_ascii=False)
    text = text if visible(text) == text else json.dumps(whole, indent=2)
    draft.files = {place: f"{text}\n".encode("utf-8", "replace")}
    was = draft.step["input"]["was"]
    name = draft.step["name"]
    draft.step["input"]["input"] = {"file": place}
    draft.step["input"]["was"] = f"a step that {place} keeps" if _unreadable(was) else was
    draft.step["name"] = draft.step["id"] if _unreadable(name) else name
    hint = draft.step["input"].get("hint", "")
    draft.step["input"]["hint"] = f"{place} keeps it." if _unreadable(hint) else hint


def _without_words(job: Job) -> None:
    """The last resort: words of the document that lint refuses are left out and told; README.md has the description."""
    job.document["metadata"]["title"] = job.name
    for place in (job.document["metadata"], job.document["spec"]):
        for key, value in list(place.items()):
            place[key] = _readable(value)
    if _harmful(job.document["metadata"].get("description", "")):
        del job.document["metadata"]["description"]
    for draft in _all(job.drafts):
        draft.step["name"] = draft.step["id"]
    job.ledger.reported(
        ("name",), "texts that lint refuses are left out of title, description or form; read the source"
    )


def _readable(value: Any) -> Any:
    """The value without texts that lint refuses."""
    if isinstance(value, dict):
        return {key: _readable(item) for key, item in value.items() if not _harmful(item)}
    return [_readable(item) for item in value if not _harmful(item)] if isinstance(value, list) else value


def _harmful(value: Any) -> bool:
    """Whether lint would refuse a text wherever it stands in a procedure: it reads names and words as programs too."""
    if not isinstance(value, str):
        return False
    return bool(EVAL.search(value) or INVISIBLE.search(value) or scripts.errors("words.yaml", value))
