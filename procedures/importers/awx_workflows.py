"""An AWX workflow as a procedure that calls the procedures of its job templates, one after another."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from procedures.importers import awx_templates
from procedures.importers.folder import Folder, identifier, label, one_line
from procedures.importers.form import Form
from procedures.importers.ledger import Ledger, Part

Place = tuple[Part, ...]
NODES = ("simplified_workflow_nodes", "workflow_nodes", "schema")
ALIKE = {"extra_vars", "limit", "inventory", "scm_branch", "job_tags", "skip_tags", "timeout"}
LINKS = {"success_nodes", "failure_nodes", "always_nodes"}
APPROVAL = ("workflow_approval", "approval_node", "create_approval_template")


def workflow(
    row: Mapping[str, Any], ledger: Ledger, place: Place, taken: Collection[str], known: Mapping[str, tuple[str, Form]]
) -> Folder:
    """One workflow. `known` has the label and form of each job template of the same file, by its name."""
    return _Workflow(row, ledger, place, taken, known).folder()


class _Workflow:
    def __init__(
        self,
        row: Mapping[str, Any],
        ledger: Ledger,
        place: Place,
        taken: Collection[str],
        known: Mapping[str, tuple[str, Form]],
    ) -> None:
        self.row, self.ledger, self.place, self.taken, self.known = row, ledger, place, taken, known
        self.form = Form()

    def folder(self) -> Folder:
        title, description = awx_templates.texts(self.row, self.ledger, self.place)
        tags = awx_templates.tags(self.row, self.ledger, self.place)
        folder = Folder(label(title, self.taken), title, description, tags=tags)
        awx_templates.account(self.row, self.ledger, self.place)
        self.form = awx_templates.questions(self.row, self.ledger, self.place)
        folder.spec = {**self.form.spec(), **awx_templates.concurrency(self.row, self.ledger, self.place)}
        for key in ALIKE & set(self.row):
            if self.row[key] in awx_templates.EMPTY:
                self.ledger.ignored(*self.place, key, why="It is empty.")
            else:
                self.ledger.reported(*self.place, key, why="Each called procedure says this for itself.")
        for where, nodes in self.nodes():
            _Nodes(self, folder, where, nodes).add()
        if not folder.steps:
            folder.mark("workflow", "a workflow without nodes", "Add the steps.")
        return folder

    def nodes(self) -> list[tuple[Place, list[Any]]]:
        found: list[tuple[Place, list[Any]]] = []
        related = self.row.get("related")
        inner: Mapping[str, Any] = related if isinstance(related, Mapping) else {}
        for holder, place in ((self.row, self.place), (inner, (*self.place, "related"))):
            for key, value in holder.items():
                if key in NODES and isinstance(value, list) and value:
                    found.append(((*place, key), value))
                elif holder is inner and key not in awx_templates.SURVEYS:
                    self.ledger.ignored(*place, key, why="It leads to other things of AWX.")
        if "destroy_current_nodes" in self.row:
            self.ledger.ignored(*self.place, "destroy_current_nodes", why="A procedure is always written whole.")
        return found


class _Nodes:
    """The nodes of a workflow in an order in which each comes after those that lead to it."""

    def __init__(self, whole: _Workflow, folder: Folder, place: Place, nodes: list[Any]) -> None:
        self.whole, self.folder, self.place, self.ledger = whole, folder, place, whole.ledger
        self.rows = {number: node for number, node in enumerate(nodes) if isinstance(node, Mapping)}
        self.names = {str(node.get("identifier", number)): number for number, node in self.rows.items()}

    def add(self) -> None:
        before: dict[int, set[int]] = {number: set() for number in self.rows}
        for number, node in self.rows.items():
            for other in self.links(node):
                before[other].add(number)
        while before:
            free = [number for number, waits in before.items() if not waits & set(before)]
            for number in free or list(before):
                self.node(number, self.rows[number])
                before.pop(number)

    def links(self, node: Mapping[str, Any], kinds: Collection[str] = LINKS) -> list[int]:
        holders = [node, node.get("related")]
        found = []
        for holder in holders:
            for kind in kinds:
                rows = holder.get(kind) if isinstance(holder, Mapping) else None
                for row in rows if isinstance(rows, list) else []:
                    name = row.get("identifier") if isinstance(row, Mapping) else row
                    if str(name) in self.names:
                        found.append(self.names[str(name)])
        return found

    def node(self, number: int, node: Mapping[str, Any]) -> None:
        here = (*self.place, number)
        name = str(node.get("identifier") or f"node-{number + 1}")
        step_id = identifier(name, {step["id"] for step in self.folder.steps})
        self.ledger.mapped(*here, into=f"the step {step_id}")
        problem = self.links_problem(node, here)
        approval = _approval(node)
        template = _template(node)
        if approval is not None and not problem:
            message = one_line(str(approval.get("description") or approval.get("name") or name)) or name
            self.folder.step({"id": step_id, "action": "gate:approval", "input": {"message": message}})
        elif template and not problem:
            self.call(step_id, template, node, here)
        else:
            was = template or "a workflow node"
            hint = problem or "It is neither a job template nor an approval."
            self.folder.mark(step_id, was, hint, keep=json.dumps(node, indent=2, ensure_ascii=False) + "\n")

    def links_problem(self, node: Mapping[str, Any], here: Place) -> str:
        problem = ""
        for holder, place in ((node, here), (node.get("related"), (*here, "related"))):
            for key in (LINKS - {"success_nodes"}) & set(holder if isinstance(holder, Mapping) else ()):
                if self.links(node, [key]):
                    problem = "What follows upon its failure, or in any case, has no counterpart yet."
                    self.ledger.reported(*place, key, why=problem)
        if node.get("all_parents_must_converge") and len(self.rows) > 1:
            self.ledger.ignored(*here, "all_parents_must_converge", why="Steps follow one another here in any case.")
        return problem

    def call(self, step_id: str, template: str, node: Mapping[str, Any], here: Place) -> None:
        name, form = self.whole.known.get(template, ("", None))
        given = {"procedure": name or label(template)}
        shared = [key for key in (form.properties if form else {}) if key in self.whole.form.properties]
        handed = {key: f"${{{{ parameters.{key} }}}}" for key in shared if key.isidentifier() and key[0] != "_"}
        step = {
            "id": step_id,
            "action": "procedure:run",
            "input": {**given, **({"parameters": handed} if handed else {})},
        }
        self.folder.step({**step, "timeout": "1h"})
        if not name:
            why = f"It calls {template}, which is not in this file; import that too."
            self.ledger.reported(*here, why=why)
        for key in {"extra_data", "limit", "inventory", "job_tags", "credentials"} & set(node):
            if node[key] not in awx_templates.EMPTY:
                self.ledger.reported(*here, key, why="Hand it over under input.parameters of the step.")


def _approval(node: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What a node asks a person, if it is an approval."""
    related = node.get("related")
    holders = [node, related if isinstance(related, Mapping) else {}]
    found = [holder[key] for holder in holders for key in APPROVAL if isinstance(holder.get(key), Mapping)]
    starts = node.get("unified_job_template")
    if isinstance(starts, Mapping) and str(starts.get("type")).startswith("workflow_approval"):
        found.append(starts)
    return found[0] if found else None


def _template(node: Mapping[str, Any]) -> str:
    """The name of what a node starts; an empty text if it starts no job template or workflow."""
    found = node.get("unified_job_template")
    if isinstance(found, Mapping):
        found = found.get("name") if found.get("type") in {None, "job_template", "workflow_job_template"} else None
    return str(found) if isinstance(found, str) else ""
