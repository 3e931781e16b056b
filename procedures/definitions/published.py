"""The JSON Schema that editors complete and check with: the format's own, and what each action takes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from procedures.definitions.schema import procedure_schema
from procedures.domain.definition import PHASES
from procedures.domain.ports import Action

ID = "https://opsportal.example/schema/procedure.v1.json"
PLACE = "/schema/procedure.v1.json"
NOT_TEXT = ("integer", "boolean", "number")
EXPRESSION = {"type": "string", "pattern": r"\$\{\{"}
# Where in the document → what an editor shows there.
SAYS = {
    "apiVersion": "The version of this format.",
    "metadata": "What people see of the procedure.",
    "metadata/name": "A DNS label, unique in the portal.",
    "metadata/title": "A few words; shown in lists.",
    "metadata/description": "One sentence: what it does, and to what.",
    "metadata/tags": "Words to find it by; they confer nothing.",
    "spec/owner": "A catalogue reference such as group:default/team-payments.",
    "spec/type": "operation, provisioning, scaffolding or diagnostic.",
    "spec/risk": "What the author thinks; bindings and actions raise it, nothing lowers it.",
    "spec/environments": "Where it may run.",
    "spec/parameters": "One JSON Schema object, or a list of them: pages of the form.",
    "spec/narrowed": "What was taken out of earlier versions, since no run was seen to use it; it decides nothing.",
    "spec/secrets": "Parameters that are never stored in clear; they reach steps in env and stdin alone.",
    "spec/targets": "Which targets it acts on.",
    "spec/targets/filter": 'Tags: role=web service=${{ parameters.service }}. Side by side means "and".',
    "spec/targets/narrow": "Whether a requester may name some of the targets that match; not unless true.",
    "spec/targets/unreachable": "Targets are contacted before the first step; one away is left out or fails the run.",
    "spec/targets/strategy": "How many targets at once, and how many may fail.",
    "spec/credentials": "Names that steps refer to; the environment binds each to a provider.",
    "spec/targets/lock": "Whether others may act on them meanwhile: exclusive, shared or none; see the handbook.",
    "spec/concurrency": "Runs of one group do not overlap.",
    "spec/concurrency/group": "Its name within this procedure, such as of/${{ parameters.service }}.",
    "spec/concurrency/onConflict": "queue (default), reject, or cancel-running: what the next one does.",
    "spec/concurrency/limit": "How many runs of the group at once; 1 unless said.",
    "spec/concurrency/shared": "A group with other procedures, which the environment's rules must list.",
    "spec/sandbox": "What the sandbox of local steps must be able to hold.",
    "spec/sandbox/minTier": "The weakest that may take a run: A (strongest), B or C; a runner reports its own.",
    "spec/timeout": "How long a run may take: 15m.",
    "spec/steps": "What is done, in this order.",
    "spec/rollback": "What is done when a step with onFailure: rollback fails.",
    "spec/onCancel": "What is done when somebody cancels it after a step began, before `always`.",
    "spec/always": "What is done at the end, whatever happened.",
    "spec/output": "Links and values that the requester gets.",
    "spec/evidence": "Controls and retention, declared by the author; retention may only lengthen.",
    "spec/callableBy": "Procedures that may call this one with procedure:run.",
}
STEP_SAYS = {
    "id": "Unique in the procedure; steps.<id>.output reads what it made.",
    "name": "What people see while it runs.",
    "action": "What the step does; `opsportal actions` lists them.",
    "input": "What the action takes.",
    "credentials": "A name declared under spec.credentials.",
    "if": "One ${{ … }} expression; a gate's may use environment alone.",
    "each": "One ${{ … }} expression that gives a list, such as ${{ targets }}.",
    "timeout": "How long each attempt may take: 2m.",
    "retry": "Attempts, delay between them, and by what the delay grows.",
    "idempotent": "Whether doing it twice does no harm.",
    "onFailure": "fail (default), continue or rollback.",
    "safeAfterStop": "Whether it still runs after a stop or a revocation.",
    "makesSecrets": "Whether lines ::secret::VALUE of its output have VALUE masked from then on.",
    "sensitive": "Outputs that are masked, kept nowhere, and read by no expression.",
}
UI = {
    "ui:field": {"type": "string", "description": "EntityPicker, RepoUrlPicker, …; an unknown one is a text box."},
    "ui:widget": {"type": "string", "description": "textarea, radio, password, hidden."},
    "ui:options": {"type": "object"},
    "ui:help": {"type": "string"},
    "ui:placeholder": {"type": "string"},
    "ui:autofocus": {"type": "boolean"},
    "ui:enumNames": {"type": ["array", "object"]},
    "ui:order": {"type": "array", "items": {"type": "string"}},
}


def published(actions: Mapping[str, Action]) -> dict[str, Any]:
    """The whole schema (draft 2020-12), published at PLACE."""
    schema = copy.deepcopy(procedure_schema())
    root: dict[str, Any] = {"$schema": schema.pop("$schema"), "$id": ID, **schema}
    for place, text in SAYS.items():
        _at(root, place.split("/"))["description"] = text
    spec = root["properties"]["spec"]["properties"]
    step = copy.deepcopy(spec["steps"]["items"])
    root["$defs"] = {"step": _step(step, actions), "property": _property()}
    for phase in PHASES:
        spec[phase]["items"] = {"$ref": "#/$defs/step"}
    forms = (spec["parameters"]["anyOf"][0], spec["parameters"]["anyOf"][1]["items"], _at(spec["secrets"], ["schema"]))
    for form in forms:
        form["properties"]["properties"] = {"type": "object", "additionalProperties": {"$ref": "#/$defs/property"}}
    return root


def _at(schema: dict[str, Any], path: list[str]) -> dict[str, Any]:
    for name in path:
        schema = schema["properties"][name]
    return schema


def _step(step: dict[str, Any], actions: Mapping[str, Action]) -> dict[str, Any]:
    for name, text in STEP_SAYS.items():
        step["properties"][name] = {**step["properties"][name], "description": text}
    step["properties"]["action"] = {
        "description": STEP_SAYS["action"],
        "oneOf": [{"const": id, "title": id, "description": a.summary} for id, a in sorted(actions.items())],
    }
    step["allOf"] = [_takes(id, action) for id, action in sorted(actions.items())]
    return step


def _takes(id: str, action: Action) -> dict[str, Any]:
    """What holds for a step whose action is this one; an input that has needs cannot be left out."""
    then: dict[str, Any] = {"properties": {"input": loose(action.input_schema)}}
    if action.input_schema.get("required"):
        then["required"] = ["input"]
    return {"if": {"properties": {"action": {"const": id}}, "required": ["action"]}, "then": then}


def loose(schema: Mapping[str, Any]) -> dict[str, Any]:
    """An action's input schema in which any value may also be an expression."""
    properties = {
        key: {"anyOf": [dict(value), EXPRESSION]} if "enum" in value or value.get("type") in NOT_TEXT else value
        for key, value in schema.get("properties", {}).items()
    }
    return {**schema, "properties": properties}


def _property() -> dict[str, Any]:
    """One parameter: any JSON Schema, with the hints that forms know."""
    said = {"title": "What the requester reads.", "description": "What to give, in a sentence."}
    texts = {name: {"type": "string", "description": text} for name, text in said.items()}
    return {"type": ["object", "boolean"], "properties": {**texts, **UI}}
