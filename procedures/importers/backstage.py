"""Backstage's software templates: form, steps and output carried over; what has no counterpart is marked by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from procedures.definitions import guard, registry
from procedures.definitions.load import FILE, load
from procedures.domain.importing import Carried, Imported, ImportRefused
from procedures.domain.repositories import HOST
from procedures.importers import backstage_form, backstage_output, backstage_steps
from procedures.importers.backstage_expressions import Names
from procedures.importers.backstage_steps import CREDENTIAL, Carry, Steps
from procedures.importers.folder import Folder, harmless, is_plain, label, one_line
from procedures.importers.ledger import Ledger, Part
from procedures.importers.sources import documents

GROUP = "scaffolder.backstage.io/"
VERSION = f"{GROUP}v1beta3"
MAX_STEPS = 200
NOT_HERE = "A procedure does not know the key."
CHOSEN = "a procedure of moderate risk for development; raise or widen it in procedure.yaml"


def read(name: str, data: bytes) -> Carried:
    """A procedure per `kind: Template` of the file. Raises ImportRefused."""
    found = documents(data)
    source = [document.value for document in found]
    whole = source[0] if len(source) == 1 else source
    ledger = Ledger(whole)
    carried = Carried()
    for number, document in enumerate(found):
        place: tuple[Part, ...] = () if len(found) == 1 else (number,)
        value = document.value
        if isinstance(value, Mapping) and value.get("kind") == "Template":
            line = document.where("/spec")[0]
            made = _Template(value, ledger, place, line, {one.name for one in carried.procedures})
            carried.procedures.append(made.procedure())
        elif place:
            ledger.ignored(*place, why="It is no template.")
    if not carried.procedures:
        raise ImportRefused("The file holds no Backstage template (kind: Template).")
    carried.keys = ledger.keys()
    return carried


class _Template:
    def __init__(
        self, given: Mapping[str, Any], ledger: Ledger, place: tuple[Part, ...], line: int, taken: set[str]
    ) -> None:
        self.given, self.ledger, self.place, self.line = given, ledger, place, line
        if given.get("apiVersion") != VERSION:
            said = f"apiVersion is {one_line(str(given.get('apiVersion')))}; {VERSION} is read."
            raise ImportRefused(said, line=line)
        meta = given.get("metadata")
        self.meta: Mapping[str, Any] = meta if isinstance(meta, Mapping) else {}
        spec = given.get("spec")
        if not isinstance(spec, Mapping):
            raise ImportRefused("The template has no spec.", line=line)
        self.spec: Mapping[str, Any] = spec
        named = str(self.meta.get("name") or "")
        self.name = label(named, taken, fallback="template")
        self.title = one_line(str(self.meta.get("title") or "")) or one_line(named) or self.name

    def procedure(self) -> Imported:
        self.ledger.mapped(*self.place, "apiVersion", into="opsportal/v1")
        self.ledger.mapped(*self.place, "kind", into=CHOSEN)
        self.metadata()
        spec = self.about()
        pages = backstage_form.read(self.spec.get("parameters"), self.ledger, (*self.place, "spec", "parameters"))
        names = Names(pages.names, set(pages.secrets))
        steps = self.steps(names, pages)
        spec |= pages.spec()
        output = backstage_output.read(self.spec.get("output"), names, self.ledger, (*self.place, "spec", "output"))
        if output:
            spec["output"] = output
        return self.settled(spec, steps)

    def metadata(self) -> None:
        place = (*self.place, "metadata")
        if not isinstance(self.given.get("metadata"), Mapping) and "metadata" in self.given:
            self.ledger.reported(*place, why="This is no object.")
        for key in self.meta:
            if key in {"name", "title", "description", "tags"}:
                self.ledger.mapped(*place, key, into=f"metadata.{key}")
            elif key in {"annotations", "labels", "namespace", "links"}:
                self.ledger.ignored(*place, key, why="It is about the template's page in Backstage's catalogue.")
            else:
                self.ledger.reported(*place, key, why=NOT_HERE)

    def about(self) -> dict[str, Any]:
        """What of `spec` is neither form, steps nor output."""
        place = (*self.place, "spec")
        spec: dict[str, Any] = {"type": "scaffolding"}
        for key in self.spec:
            if key == "owner":
                spec["owner"] = one_line(str(self.spec[key])) or "group:default/imported"
                self.ledger.mapped(*place, key, into="spec.owner, which informs and gives no right")
            elif key == "type":
                self.ledger.mapped(*place, key, into="spec.type: scaffolding")
            elif key in {"system", "domain", "lifecycle", "presentation"}:
                self.ledger.ignored(*place, key, why="It is about the template's page in Backstage.")
            elif key not in {"parameters", "steps", "output"}:
                self.ledger.reported(*place, key, why=NOT_HERE)
        return spec

    def steps(self, names: Names, pages: backstage_form.Pages) -> Steps:
        place = (*self.place, "spec", "steps")
        given = self.spec.get("steps")
        if isinstance(given, list) and len(given) > MAX_STEPS:
            raise ImportRefused(f"The template has more than {MAX_STEPS} steps.", line=self.line)
        if not isinstance(given, list) or not given:
            if "steps" in self.spec:
                self.ledger.reported(*place, why="These are no steps.")
            return Steps([Carry("steps", "a template without steps", place, given, problems=["It has no steps."])])
        return backstage_steps.read(given, names, pages, self.ledger, place)

    def settled(self, spec: dict[str, Any], steps: Steps) -> Imported:
        """The folder, once lint has nothing to say of any step that is not marked. Raises ImportRefused."""
        for _ in range(len(steps.rows) + 1):
            folder = self.folder(spec, steps)
            made = folder.imported()
            errors = [row for row in load(made.files, registry.actions()).findings if row.severity == "error"]
            if not errors:
                made.beside.update({name: place for name, place in steps.beside.items() if _is_free(name, made)})
                self.fates(steps)
                return made
            if not self._mark(errors, made, steps):
                break
        said = f"The procedure would not be free of errors: {errors[0].message[:200]}"
        raise ImportRefused(said, line=self.line)

    @staticmethod
    def _mark(errors: list[Any], made: Imported, steps: Steps) -> bool:
        """Mark the steps that lint names; no if it names something else."""
        where = guard.load(made.files[FILE]).where
        begins = [where(f"/spec/steps/{number}")[0] for number in range(len(steps.rows))]
        found = False
        for error in errors:
            above = [number for number, line in enumerate(begins) if line <= error.line]
            if error.file == FILE and above and not steps.rows[above[-1]].is_marked:
                steps.rows[above[-1]].problems.append(error.message)
                found = True
        return found

    def folder(self, spec: dict[str, Any], steps: Steps) -> Folder:
        description = str(self.meta.get("description") or "")
        folder = Folder(self.name, self.title, description, dict(spec), tags=_tags(self.meta.get("tags")))
        publishing = any(not row.is_marked and "credentials" in row.step for row in steps.rows)
        if publishing:
            folder.spec["credentials"] = {CREDENTIAL: {"kind": "git", "ttl": "15m", **_host(steps.hosts)}}
        for row in steps.rows:
            if row.is_marked:
                more = {"name": row.step["name"]} if "name" in row.step else {}
                kept = yaml.safe_dump(row.original, sort_keys=False)
                folder.mark(row.id, row.was, " ".join(row.problems)[:2000], keep=kept, **more)
            else:
                folder.step(row.step)
        return folder

    def fates(self, steps: Steps) -> None:
        for row in steps.rows:
            if row.is_marked:
                why = harmless(" ".join(row.problems))[:500]
                self.ledger.reported(*row.place, why=f"The step is marked: {why}")
            else:
                self.ledger.mapped(*row.place, into=f"the step {row.id}")


def _is_free(folder: str, made: Imported) -> bool:
    """Whether the folder may be put into the bundle: nothing of ours lies there."""
    return not any(path == folder or path.startswith(f"{folder}/") for path in made.files)


def _host(hosts: set[str]) -> dict[str, str]:
    """The one host that is published to, if every step names it outright."""
    only = next(iter(hosts)) if len(hosts) == 1 else ""
    return {"host": only} if HOST.match(only) else {}


def _tags(given: Any) -> tuple[str, ...]:
    rows = given if isinstance(given, list) else []
    return tuple(dict.fromkeys(text for row in rows if (text := one_line(str(row))) and is_plain(text)))
