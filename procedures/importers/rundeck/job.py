"""A whole job as a procedure: what it is called, when it ran, whom it told, and what of that is only reported (H37)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from procedures.importers.nearby import Nearby
from procedures.importers.rundeck import calls, nodes, options
from procedures.importers.rundeck.commands import filter_told, filters_of
from procedures.importers.rundeck.job_settings import settings
from procedures.importers.rundeck.source import Ledger, Source, mapping, text, truth
from procedures.importers.rundeck.steps import Draft, Sequence
from procedures.importers.rundeck.variables import Known

OWNER = "group:default/imported"
WITHOUT_LIMIT = "24h"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}


@dataclass(slots=True)
class Job:
    """A job read: the procedure's document, its steps, and where its words came from."""

    name: str
    document: dict[str, Any]
    drafts: list[Draft]
    ledger: Ledger
    readme: str
    sibling: calls.Sibling
    extra: dict[str, bytes] = field(default_factory=dict)


def sibling_of(source: Source) -> calls.Sibling:
    """What other jobs of the file may know of this one."""
    known = Known()
    options.form(source.job, known, Ledger([]))
    plain = {name: option.name for name, option in known.options.items() if not option.secret}
    hidden = {name: option.name for name, option in known.options.items() if option.secret and option.exposed}
    group, name = text(source.job.get("group")).strip("/ "), text(source.job.get("name")).strip()
    return calls.Sibling(calls.procedure_name(group, name), plain, hidden)


def read_job(source: Source, siblings: calls.Siblings, own: calls.Sibling, nearby: Nearby | None = None) -> Job:
    """Everything about one job but the check by lint. Its `sibling` learns later who calls it."""
    job, ledger = source.job, Ledger(source.rows)
    known = Known()
    siblings.caller = own.procedure
    form = options.form(job, known, ledger)
    sequence = mapping(job.get("sequence"))
    strategy = _strategy_of(sequence, ledger)
    targets = nodes.targets(job, known, ledger, strategy)
    _known_job(job, known)
    timeout = _timeout(job, ledger)
    keepgoing = truth(sequence.get("keepgoing"))
    reading = Sequence(known, ledger, targets is not None, timeout, siblings, keepgoing=keepgoing, nearby=nearby)
    reading.general = _general(sequence, ledger)
    commands = sequence.get("commands")
    drafts = reading.drafts(commands if isinstance(commands, list) else [])
    if not drafts:
        drafts = [reading.marked("step1", "Nothing was left", "a job without steps", {}, (), "Write its steps.")]
    spec = _spec(job, own.procedure, form, known, targets, timeout, drafts)
    document = {
        "apiVersion": "opsportal/v1",
        "kind": "Procedure",
        "metadata": _metadata(job, own, ledger),
        "spec": spec,
    }
    _concurrency(job, own.procedure, spec, ledger)
    settings(job, sequence, ledger)
    return Job(own.procedure, document, drafts, ledger, _readme(job, form), own)


def _metadata(job: Mapping[str, Any], own: calls.Sibling, ledger: Ledger) -> dict[str, Any]:
    title = " ".join(text(job["name"]).split())[:200] or own.procedure
    ledger.mapped(("name",), f"metadata.title, and the procedure {own.procedure}")
    found: dict[str, Any] = {"name": own.procedure, "title": title}
    first = text(job.get("description")).strip().split("\n")[0].strip()
    if first:
        found["description"] = first[:20_000]
    if "description" in job:
        ledger.mapped(("description",), "the first line is metadata.description, all of it stands in README.md")
    given = job.get("tags")
    words = given if isinstance(given, list) else text(given).split(",")
    tags = [text(word).strip()[:200] for word in [*text(job.get("group")).split("/"), *words] if text(word).strip()]
    if tags:
        found["tags"] = list(dict.fromkeys(tags))
    for key in ("group", "tags"):
        if key in job:
            ledger.mapped((key,), "metadata.tags" + (", and part of the name" if key == "group" else ""))
    return found


def _known_job(job: Mapping[str, Any], known: Known) -> None:
    """What Rundeck told its steps about the job, as far as the file says it."""
    known.job |= {
        "name": text(job.get("name")).strip(),
        "group": text(job.get("group")).strip("/ "),
        "loglevel": text(job.get("loglevel")) or "INFO",
        "wasRetry": "false",
        "retryAttempt": "0",
        "executionType": "user",
    }
    known.job.setdefault("threadcount", "1")
    if text(job.get("project")).strip():
        known.job["project"] = text(job["project"]).strip()
    if text(job.get("uuid")) or text(job.get("id")):
        known.job["id"] = text(job.get("uuid") or job.get("id"))


def _strategy_of(sequence: Mapping[str, Any], ledger: Ledger) -> str:
    given = text(sequence.get("strategy")) or "node-first"
    path = ("sequence", "strategy")
    if given == "node-first":
        ledger.mapped(path, "all steps on a batch of targets, then the next batch")
        return given
    if given in {"step-first", "sequential"}:
        ledger.mapped(path, "each step on all targets, then the next step")
    else:
        ledger.reported(
            path, f"the strategy {given[:60]!r} is not known here; the steps go in their order, each on all targets"
        )
    return "step-first"


def _general(sequence: Mapping[str, Any], ledger: Ledger) -> list[Any]:
    """Captures of log filters that count for every step."""
    given = mapping(sequence.get("pluginConfig"))
    rows = filters_of(given, ("sequence", "pluginConfig"))
    found = [filter_told(row, path, ledger) for row, path in rows]
    for key in given:
        if key == "WorkflowStrategy":
            inner = mapping(given[key])
            if any(mapping(value) for value in inner.values()):
                ledger.reported(
                    ("sequence", "pluginConfig", key), "settings of its strategy: look at what they decided"
                )
            else:
                ledger.ignored(("sequence", "pluginConfig", key), "the strategy is told by itself")
    if "pluginConfig" in sequence and not given:
        ledger.ignored(("sequence", "pluginConfig"), "empty")
    return [one for one in found if one]


def _timeout(job: Mapping[str, Any], ledger: Ledger) -> str:
    given = text(job.get("timeout")).strip()
    if not given:
        if "timeout" in job:
            ledger.ignored(("timeout",), "empty")
        return WITHOUT_LIMIT
    seconds = int(given) if given.isdigit() and len(given) < 9 else 0
    for number, unit in re.findall(r"([0-9]{1,8})\s*([smhdwy])", given) if not given.isdigit() else ():
        seconds += int(number) * UNITS[unit]
    if "${" in given or not 0 < seconds < 10**9:
        ledger.reported(("timeout",), f"the limit {given[:60]} is not known before a run; it is {WITHOUT_LIMIT} here")
        return WITHOUT_LIMIT
    ledger.mapped(("timeout",), f"timeout: {seconds}s")
    return f"{seconds}s"


def _spec(
    job: Mapping[str, Any],
    name: str,
    form: options.Form,
    known: Known,
    targets: dict[str, Any] | None,
    timeout: str,
    drafts: list[Draft],
) -> dict[str, Any]:
    for asked, about in known.asked.items():
        form.properties.setdefault(asked, {"type": "string", "title": asked, "description": about})
        form.required += [asked] if asked not in form.required else []
    for asked, about in known.files.items():
        shape = {"type": "string", "format": "data-url", "title": asked, "description": about}
        form.properties.setdefault(asked, shape)
        form.required += [asked] if asked not in form.required else []
    spec: dict[str, Any] = {"owner": OWNER, "type": "operation", "risk": "moderate", "environments": ["development"]}
    if form.properties:
        required = {"required": form.required} if form.required else {}
        spec["parameters"] = {**required, "properties": form.properties}
    if form.secrets:
        required = {"required": form.secrets_required} if form.secrets_required else {}
        spec["secrets"] = {"schema": {**required, "properties": form.secrets}}
    if targets:
        spec["targets"] = targets
    needs: dict[str, Any] = {credential: {"kind": "secret"} for credential in form.credentials}
    if any(draft.step.get("credentials") for draft in drafts):
        needs = {"ssh": {"kind": "ssh", "account": "rundeck"}, **needs}
    if needs:
        spec["credentials"] = needs
    spec["timeout"] = timeout
    return spec


def _concurrency(job: Mapping[str, Any], name: str, spec: dict[str, Any], ledger: Ledger) -> None:
    queued = truth(job.get("jobQueueEnabled"))
    if truth(job.get("multipleExecutions")):
        ledger.mapped(("multipleExecutions",), "no concurrency group: runs go side by side")
    else:
        spec["concurrency"] = {"group": f"rundeck/{name}", "onConflict": "queue" if queued else "reject"}
        ledger.mapped(("multipleExecutions",), f"concurrency: {spec['concurrency']}")
    ledger.mapped(("jobQueueEnabled",), "concurrency.onConflict")


def _readme(job: Mapping[str, Any], form: options.Form) -> str:
    title = " ".join(text(job["name"]).split())
    parts = [f"# {title}", text(job.get("description")).strip()]
    uuid = text(job.get("uuid") or job.get("id"))
    group = text(job.get("group")).strip("/ ")
    origin = (
        f"Imported from the Rundeck job {group + '/' if group else ''}{title}" + (f" ({uuid})" if uuid else "") + "."
    )
    parts.append(origin + " A draft: owner, environments, risk and credentials are for its author to set.")
    if form.credentials:
        rows = [f"- `{name}`: {' '.join(place.split())}" for name, place in form.credentials.items()]
        parts.append("Rundeck's key storage held what these credentials stand for:\n\n" + "\n".join(rows))
    return "\n\n".join(part for part in parts if part) + "\n"
