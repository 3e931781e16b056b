"""Job references as calls of procedures, whose names follow from group and name of the job alone."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from procedures.domain.importing import Fate
from procedures.importers.rundeck.source import mapping, text, truth
from procedures.importers.rundeck.variables import IN_COMMAND, Known, NotCarried, joined, literal, parameter, wrapped

TOLD: dict[str, tuple[Fate, str]] = {
    "name": ("mapped", "the name of the procedure"),
    "group": ("mapped", "the name of the procedure"),
    "uuid": ("mapped", "the procedure is found by it where the job is in the same file"),
    "args": ("mapped", "the call's parameters and secrets"),
    "importOptions": ("mapped", "options of the same name are handed over"),
    "nodeStep": ("mapped", "called once"),
    "project": ("ignored", "a portal has no projects"),
    "nodefilters": ("ignored", "empty"),
    "dispatch": ("ignored", "a called procedure keeps its own"),
    "useName": ("ignored", "the procedure is found by name either way"),
    "childNodes": ("ignored", "a called procedure keeps its own targets"),
    "failOnDisable": ("ignored", "a procedure that may not run ends the run"),
    "ignoreNotifications": ("ignored", "nothing is notified by an import"),
    "description": ("ignored", "empty"),
}


@dataclass(slots=True)
class Sibling:
    """Another job of the same file: its procedure, its parameters by Rundeck's name, and who calls it."""

    procedure: str
    parameters: dict[str, str]
    secrets: dict[str, str]
    callers: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Siblings:
    caller: str = ""
    by_name: dict[tuple[str, str], Sibling] = field(default_factory=dict)
    by_uuid: dict[str, Sibling] = field(default_factory=dict)


def procedure_name(group: str, name: str) -> str:
    """The name of the procedure that a job becomes: a DNS label, the same from every file that names the job."""
    words = re.sub(r"[^a-z0-9]+", "-", f"{group}/{name}".lower()).strip("-")
    plain = re.sub(r"[a-z0-9]", "", f"{group}/{name}".lower().strip("/")) in {"", "/", "-"}
    if words and len(words) <= 63 and (plain or name.isascii()):
        return words
    mark = hashlib.sha256(f"{group}/{name}".encode()).hexdigest()[:6]
    return f"{words[:56].strip('-') or 'job'}-{mark}"


def call(
    asked: Mapping[str, Any], known: Known, siblings: Siblings, *, on_targets: bool
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The input of a `procedure:run`, and (key, what a person should know). Raises NotCarried."""
    name, group = text(asked.get("name")).strip(), text(asked.get("group")).strip()
    if text(mapping(asked.get("nodefilters")).get("filter")).strip():
        raise NotCarried("it calls a job on other nodes than its own; a called procedure keeps its own targets")
    if truth(asked.get("nodeStep")) and on_targets:
        raise NotCarried("it calls a job once for each node; a procedure is called once")
    found = siblings.by_uuid.get(text(asked.get("uuid"))) if not truth(asked.get("useName")) else None
    found = found or siblings.by_name.get((group, name))
    if not name and found is None:
        raise NotCarried(f"it calls a job by the id {text(asked.get('uuid'))[:60]} alone, which is not in the file")
    notes: list[tuple[str, str]] = []
    told = "name" if "name" in asked else "uuid"
    if found:
        found.callers.append(siblings.caller)
    else:
        notes.append(
            (told, "the called job is in another file; accept its procedure first, naming this one in callableBy")
        )
    given: dict[str, Any] = {"procedure": found.procedure if found else procedure_name(group, name)}
    values, secrets = _arguments(text(asked.get("args")), known, found)
    if truth(asked.get("importOptions")):
        notes += _imported(known, found, values, secrets)
    if text(asked.get("project")).strip():
        notes.append(("project", f"it named the project {text(asked['project'])[:80]}"))
    if mapping(asked.get("nodefilters")):
        notes.append(("nodefilters", "a called procedure keeps its own order and number of targets"))
    given |= {key: rows for key, rows in (("parameters", values), ("secrets", secrets)) if rows}
    return given, notes


def _arguments(line: str, known: Known, found: Sibling | None) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        words = shlex.split(line)
    except ValueError as problem:
        raise NotCarried(f"its arguments cannot be read: {problem}") from problem
    values: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    index = 0
    while index < len(words):
        option = words[index].lstrip("-")
        if not words[index].startswith("-") or not option or index + 1 >= len(words):
            raise NotCarried(f"its arguments are not pairs of -option and value: {line[:80]}")
        _argument(option, words[index + 1], known, found, values, secrets)
        index += 2
    return values, secrets


def _argument(
    option: str, value: str, known: Known, found: Sibling | None, values: dict[str, Any], secrets: dict[str, str]
) -> None:
    whole = IN_COMMAND.fullmatch(value)
    if whole and whole["group"] in {"option", "unquotedoption"}:
        own = known.options.get(whole["name"])
        if own and own.secret:
            secrets[(found.secrets.get(option) if found else None) or option] = own.name
            return
    name = (found.parameters.get(option) if found else None) or option
    values[name] = IN_COMMAND.sub(lambda match: _expression(match, known), literal(value))


def _expression(match: re.Match[str], known: Known) -> str:
    if match["group"] in {"option", "unquotedoption"}:
        own = known.options.get(match["name"])
        if own is None:
            return ""
        if own.secret:
            raise NotCarried("it puts a secret into a longer argument")
        return joined(own.name, own.delimiter) if own.delimiter else wrapped(parameter(own.name))
    if match["group"] == "job" and match["name"] in known.job:
        return literal(known.job[match["name"]])
    raise NotCarried(f"it hands over {match[0]}, which is not known when a plan is made")


def _imported(
    known: Known, found: Sibling | None, values: dict[str, Any], secrets: dict[str, str]
) -> list[tuple[str, str]]:
    """Hand over this job's own options as far as the called one takes them."""
    if found is None:
        return [("importOptions", "name the parameters to hand over, since the called job is not in the file")]
    for name, own in known.options.items():
        if own.secret and name in found.secrets:
            secrets.setdefault(found.secrets[name], own.name)
        elif not own.secret and name in found.parameters and not own.delimiter:
            values.setdefault(found.parameters[name], wrapped(parameter(own.name)))
    return []
