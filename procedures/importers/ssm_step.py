"""A step of an SSM document as its JSON file says: values come as data, and nothing is pasted into programs.

This file travels in imported procedures as ssm_step.py and is read and run alone, without us. It needs Python 3.8,
and boto3 for steps that call AWS.
"""

from __future__ import annotations

import datetime as dt
import importlib
import json
import os
import re
import sys
import time
from typing import Any, Callable

POLL_S = float(os.environ.get("SSM_POLL_S", "5"))
REFERENCE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
SELECTOR = re.compile(r"(\.\.?)([A-Za-z_][\w-]*)|\['([^']+)'\]|\[(-?\d+|\*)\]")


class StepFailed(Exception):
    """What was asked for did not come true."""


def script(path: str, handler: Callable[[Any, Any], Any]) -> None:
    """Call a handler with the step's input as its events; what it returns is the step's Payload."""
    step = read(path)
    events = resolved(step["inputs"].get("InputPayload") or {}, step)
    end(step, lambda: {"Payload": handler(events, {})})


def read(path: str) -> Any:
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), path), encoding="utf-8") as file:
        return json.load(file)


def end(step: Any, act: Callable[[], Any]) -> None:
    try:
        found = act()
    except StepFailed as problem:
        sys.exit(str(problem))
    plain = json.loads(json.dumps(found, default=_plain))
    output = {key: value for key, value in plain.items() if len(json.dumps(value)) < 60_000}
    for row in step["outputs"]:
        output[row["Name"]] = typed(select(row["Selector"], plain), row.get("Type", "String"))
    with open(os.environ["OPSPORTAL_OUTPUT"], "a", encoding="utf-8") as file:
        file.write(json.dumps({**output, "Succeeded": True}) + "\n")


def _plain(value: Any) -> Any:
    if hasattr(value, "read"):
        value = value.read()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def resolved(value: Any, step: Any) -> Any:
    """A value with every {{ name }} in it as what it names; a text that is one name keeps the type."""
    if isinstance(value, dict):
        return {key: resolved(item, step) for key, item in value.items()}
    if isinstance(value, list):
        return [resolved(item, step) for item in value]
    if not isinstance(value, str):
        return value
    whole = REFERENCE.fullmatch(value)
    if whole:
        return named(whole[1], step, value)
    inner = _json(value) if REFERENCE.search(value) else None
    if isinstance(inner, (dict, list)):
        return json.dumps(resolved(inner, step))
    return REFERENCE.sub(lambda match: text(named(match[1], step, match[0])), value)


def _json(value: str) -> Any:
    """What a text holds if it is JSON: a value in it then stays inside its place."""
    try:
        return json.loads(value)
    except ValueError:
        return None


def named(name: str, step: Any, otherwise: Any) -> Any:
    """The value of a parameter, an earlier step's output or a variable of the run."""
    if name in step["values"]:
        place = step["values"][name]
        return typed(os.environ.get(place["env"], ""), place["type"])
    now = dt.datetime.now(dt.timezone.utc)
    known: dict[str, Callable[[], Any]] = {
        "automation:EXECUTION_ID": lambda: os.environ["OPSPORTAL_RUN"],
        "global:DATE": lambda: now.strftime("%Y-%m-%d"),
        "global:DATE_TIME": lambda: now.strftime("%Y-%m-%d_%H.%M.%S"),
        "global:REGION": lambda: os.environ["AWS_REGION"],
        "global:AWS_PARTITION": lambda: call("sts", "GetCallerIdentity", {})["Arn"].split(":")[1],
        "global:ACCOUNT_ID": lambda: call("sts", "GetCallerIdentity", {})["Account"],
    }
    return known[name]() if name in known else otherwise


def text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=_plain)


def typed(value: Any, kind: str) -> Any:
    """A value as the type that the document declares."""
    if kind == "String":
        return "" if value is None else text(value)
    if value == "":
        return {"StringList": [], "MapList": [], "StringMap": {}}.get(kind)
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return [value] if kind == "StringList" else value
    return value


def select(selector: str, value: Any) -> Any:
    """What a path such as $.Reservations[0].Instances[*].InstanceId names; None where there is nothing.

    `$.Reservations..InstanceId` names that key at every depth. Such a path, and one with [*], gives a list.
    """
    found, many = [value], False
    for match in SELECTOR.finditer(selector[1:]):
        name, step, below = match[2] or match[3], match[4], []
        many = many or step == "*" or match[1] == ".."
        for item in found:
            if match[1] == "..":
                below += everywhere(name, item)
            elif name is not None and isinstance(item, dict) and name in item:
                below.append(item[name])
            elif step == "*" and isinstance(item, (list, dict)):
                below += list(item.values()) if isinstance(item, dict) else item
            elif step not in {None, "*"} and isinstance(item, list) and -len(item) <= int(step) < len(item):
                below.append(item[int(step)])
        found = below
    return found if many else found[0] if found else None


def everywhere(name: str, value: Any) -> list[Any]:
    """What stands under a key at any depth, in the order of the answer."""
    if not isinstance(value, (list, dict)):
        return []
    own = [value[name]] if isinstance(value, dict) and name in value else []
    inner = value.values() if isinstance(value, dict) else value
    return own + [found for item in inner for found in everywhere(name, item)]


def client(service: str) -> Any:
    try:
        boto3 = importlib.import_module("boto3")
    except ImportError:
        sys.exit("This step calls AWS and needs boto3 on the runner.")
    return boto3.client(service.lower(), region_name=os.environ["AWS_REGION"])


def call(service: str, api: str, given: Any) -> Any:
    """One call of an AWS API by its own name, such as DescribeInstances."""
    method = getattr(client(service), importlib.import_module("botocore").xform_name(api))
    answer = method(**given)
    answer.pop("ResponseMetadata", None)
    return json.loads(json.dumps(answer, default=_plain))


def wait(look: Callable[[], Any]) -> Any:
    """Ask until there is an answer; the step's own timeout ends it otherwise."""
    while True:
        found = look()
        if found is not None:
            return found
        time.sleep(POLL_S)
