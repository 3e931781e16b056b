"""The settings of a job that an import ignores, or reports and never arms (H37)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from procedures.importers.rundeck.source import Ledger, mapping, text, truth

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


def settings(job: Mapping[str, Any], sequence: Mapping[str, Any], ledger: Ledger) -> None:
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
            kinds = _kinds(inner)
            ledger.reported(
                (key, trigger), f"notifies by {kinds[:80]} {trigger}; not armed: {json.dumps(inner, default=str)[:300]}"
            )
        if not isinstance(value, Mapping):
            ledger.reported((key,), why)
    else:
        ledger.reported((key,), f"{why}: {shown[:300]}")


def _kinds(inner: Any) -> str:
    """By what a trigger notifies: the keys of a mapping, or the types in a list of them."""
    rows = [mapping(row) for row in (inner if isinstance(inner, list) else [inner])]
    kinds = [text(row["type"]) if "type" in row else ", ".join(row) for row in rows]
    return ", ".join(dict.fromkeys(kind for kind in kinds if kind)) or "something"


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
