"""A whole job as a procedure: what it is called, when it ran, whom it told, and what of that is only reported (H37)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from procedures.importers.rundeck import calls, nodes, options
from procedures.importers.rundeck.source import Ledger, Source, mapping, text, truth
from procedures.importers.rundeck.steps import Draft, Sequence, filter_told, filters_of
from procedures.importers.rundeck.variables import Known

OWNER = "group:default/imported"
WITHOUT_LIMIT = "24h"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
IGNORED = {
    "loglevel": "a run keeps all output",
    "loglimit": "output has the portal's own limit",
    "loglimitAction": "output has the portal's own limit",
    "loglimitStatus": "output has the portal's own limit",
    "defaultTab": "how Rundeck's page opened",
    "nodeFilterEditable": "a person may narrow the targets of a run, never widen them",
    "nodesSelectedByDefault": "a run takes every matching target unless it is narrowed",
    "scheduleEnabled": "nothing is scheduled by an import",
    "project": "Rundeck's project; here a procedure has an owner",
    "preserveOrder": "the order of the form is kept",
    "notifyAvgDurationThreshold": "it counted for a notification alone",
    "lastModifiedBy": "a version names its own author",
    "jobQueueSizeLimit": "a queue has no limit here",
    "context": "told by its parts",
}
ARMED = {
    "schedule": "a schedule, not armed",
    "schedules": "schedules, not armed",
    "timeZone": "of its schedule, not armed",
    "notification": "notifications, not armed",
    "orchestrator": "it chose or ordered nodes; all matching targets are taken, by name",
    "runnerSelector": "it ran on a runner of its own; an environment has its own runners",
    "plugins": "job plugins, not carried over",
    "maxMultipleExecutions": "how many may run at once; here one at a time, or any number",
}


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


def read_job(source: Source, siblings: calls.Siblings, own: calls.Sibling) -> Job:
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
    reading = Sequence(
        known, ledger, targets is not None, timeout, siblings, keepgoing=truth(sequence.get("keepgoing"))
    )
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
    _words(job, sequence, ledger)
    return Job(own.procedure, document, drafts, ledger, _readme(job), own)


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
    needs = dict(form.credentials)
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


def _words(job: Mapping[str, Any], sequence: Mapping[str, Any], ledger: Ledger) -> None:
    """The rest of the keys of a job, one by one."""
    if truth(sequence.get("keepgoing")):
        ledger.reported(
            ("sequence", "keepgoing"), "onFailure: continue; a run whose steps failed counts as succeeded here"
        )
    else:
        ledger.mapped(("sequence", "keepgoing"), "the first failed step ends the run")
    for key in ("uuid", "id"):
        if key in job:
            ledger.mapped((key,), "README.md")
    for key, why in IGNORED.items():
        if key in job and (key,) not in ledger.said:
            ledger.ignored((key,), why)
    for key, why in ARMED.items():
        if key in job:
            _armed(key, job[key], why, ledger)
    if "executionEnabled" in job:
        if truth(job["executionEnabled"]):
            ledger.ignored(("executionEnabled",), "a draft runs nowhere until it is accepted")
        else:
            ledger.reported(("executionEnabled",), "it was switched off there; ask why before it is submitted")
    _retry(job, ledger)


def _armed(key: str, value: Any, why: str, ledger: Ledger) -> None:
    shown = json.dumps(value, ensure_ascii=True, default=str, sort_keys=True)
    if key == "runnerSelector" and "LOCAL" in shown and "TAG" not in shown:
        ledger.ignored((key,), "the server's own runner")
    elif not _full(value):
        ledger.ignored((key,), "empty")
    elif key == "notification":
        for trigger, inner in mapping(value).items():
            kinds = ", ".join(mapping(inner)) or "something"
            ledger.reported(
                (key, trigger), f"notifies by {kinds[:80]} {trigger}; not armed: {json.dumps(inner, default=str)[:300]}"
            )
        if not isinstance(value, Mapping):
            ledger.reported((key,), why)
    else:
        ledger.reported((key,), f"{why}: {shown[:300]}")


def _full(value: Any) -> bool:
    """Whether anything stands in a setting."""
    if isinstance(value, Mapping):
        return any(_full(item) or key != "ExecutionLifecycle" for key, item in value.items())
    return bool(value)


def _retry(job: Mapping[str, Any], ledger: Ledger) -> None:
    if "retry" not in job:
        return
    given = mapping(job["retry"])
    count = text(given.get("retry") if given else job["retry"]).strip()
    if count in {"", "0"}:
        ledger.ignored(("retry",), "no retry")
    else:
        ledger.reported(("retry",), f"the whole job was tried again, {count[:40]} times; here a person runs it again")


def _readme(job: Mapping[str, Any]) -> str:
    title = " ".join(text(job["name"]).split())
    parts = [f"# {title}", text(job.get("description")).strip()]
    uuid = text(job.get("uuid") or job.get("id"))
    group = text(job.get("group")).strip("/ ")
    origin = (
        f"Imported from the Rundeck job {group + '/' if group else ''}{title}" + (f" ({uuid})" if uuid else "") + "."
    )
    parts.append(origin + " A draft: owner, environments, risk and credentials are for its author to set.")
    return "\n\n".join(part for part in parts if part) + "\n"
