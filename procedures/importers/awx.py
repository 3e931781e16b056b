"""AWX and Automation Controller: surveys, job templates and workflows, from exports, variables and playbooks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from procedures.domain.importing import Carried, ImportRefused
from procedures.importers.awx_survey import survey
from procedures.importers.awx_templates import PLAYBOOK, job_template
from procedures.importers.awx_workflows import workflow
from procedures.importers.folder import Folder, label, one_line
from procedures.importers.form import Form
from procedures.importers.ledger import Ledger, Part
from procedures.importers.sources import documents

Place = tuple[Part, ...]
TEMPLATES = re.compile(r"^((controller|tower|aap|gateway)_)?(job_)?templates(_\w+)?$|^(.+[._])?job_template$")
WORKFLOWS = re.compile(r"^((controller|tower)_)?workflow(s|_job_templates)(_\w+)?$|^(.+[._])?workflow_job_template$")
MOST = 200
OTHER = "It holds no job template, workflow or survey; only those become procedures."
ASKED = {"name", "description", "spec"}


def read(name: str, data: bytes) -> Carried:
    """Procedures of every job template and workflow of a file, or of a bare survey. Raises ImportRefused."""
    found = documents(data)
    source = [document.value for document in found]
    whole = source[0] if len(source) == 1 else source
    ledger = Ledger(whole)
    if isinstance(whole, Mapping) and isinstance(whole.get("spec"), list) and not set(whole) - ASKED:
        folders = [_bare(whole, ledger, name)]
    else:
        folders = _all(whole, ledger)
    if not folders:
        raise ImportRefused("The file holds no job template, workflow or survey.")
    return Carried([folder.imported() for folder in folders], ledger.keys())


def _bare(spec: Mapping[str, Any], ledger: Ledger, name: str) -> Folder:
    form = Form()
    survey(spec, form, ledger, ())
    title = one_line(str(spec.get("name") or "")) or name.rpartition("/")[2].partition(".")[0] or "Survey"
    folder = Folder(label(title), title, str(spec.get("description") or ""), form.spec())
    folder.mark("job", PLAYBOOK, "The survey says nothing of the playbook that it asks for.")
    return folder


def _all(whole: Any, ledger: Ledger) -> list[Folder]:
    templates: list[tuple[Place, Mapping[str, Any]]] = []
    workflows: list[tuple[Place, Mapping[str, Any]]] = []
    for kind, place, row in _found(whole, ()):
        (templates if kind == "template" else workflows).append((place, row))
    if len(templates) + len(workflows) > MOST:
        raise ImportRefused(f"The file holds more than {MOST} templates; import it in parts.")
    folders: list[Folder] = []
    known: dict[str, tuple[str, Form]] = {}
    for place, row in templates:
        if _wanted(row, ledger, place):
            folder = job_template(row, ledger, place, {other.name for other in folders})
            asked = Form(properties=folder.spec.get("parameters", {}).get("properties", {}))
            known[str(row.get("name"))] = (folder.name, asked)
            folders.append(folder)
    for place, row in workflows:
        if _wanted(row, ledger, place):
            folders.append(workflow(row, ledger, place, {other.name for other in folders}, known))
    _others(whole, (), [place for place, _ in [*templates, *workflows]], ledger)
    return folders


def _wanted(row: Mapping[str, Any], ledger: Ledger, place: Place) -> bool:
    if row.get("state") == "absent":
        ledger.ignored(*place, why="It is to be deleted in AWX.")
        return False
    return True


def _found(value: Any, place: Place) -> Iterator[tuple[str, Place, Mapping[str, Any]]]:
    """(template or workflow, place, row), wherever they stand: export, variables, tasks of a playbook."""
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _found(item, (*place, number))
    if not isinstance(value, Mapping):
        return
    if "playbook" in value and "name" in value and ("project" in value or "inventory" in value):
        yield "template", place, value
        return
    for key, item in value.items():
        kind = "template" if TEMPLATES.match(key) else "workflow" if WORKFLOWS.match(key) else ""
        rows = item if isinstance(item, list) else [item]
        if kind and all(isinstance(row, Mapping) and isinstance(row.get("name"), str) for row in rows):
            for number, row in enumerate(rows):
                yield kind, (*place, key, number) if isinstance(item, list) else (*place, key), row
        else:
            yield from _found(item, (*place, key))


def _others(value: Any, place: Place, taken: list[Place], ledger: Ledger) -> None:
    """What is not on the way to a template is ignored, by name."""
    if place in taken:
        return
    below = (
        list(value.items()) if isinstance(value, Mapping) else list(enumerate(value)) if isinstance(value, list) else []
    )
    if place and not any(other[: len(place)] == place for other in taken):
        ledger.ignored(*place, why=OTHER)
        return
    for part, item in below:
        _others(item, (*place, part), taken, ledger)
