"""Steps of an SSM automation as steps of ours: what runs, with which inputs, and what cannot run and is marked."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from procedures.importers.folder import Folder, label, one_line
from procedures.importers.form import whole_number
from procedures.importers.ssm_aws import ACTIONS
from procedures.importers.ssm_step import SELECTOR
from procedures.importers.ssm_text import OF_AWS, REFERENCE, Names, references

HERE = Path(__file__).parent
SECRETS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
NETWORK = re.compile(r"\b(boto3|botocore|urllib|requests|socket|http|smtplib|ftplib|subprocess|urllib3|ssl)\b")
ELSEWHERE = re.compile(r"%%SCRIPT=([^%]+)%%")
AWS = re.compile(r"\b(boto3|botocore)\b")
ALIASES = {"aws:executeAPI": "aws:executeAwsApi"}
OUTPUTS: Mapping[str, Mapping[str, str]] = {
    "aws:executeScript": {"Payload": "StringMap", "OutputPayload": "StringMap"},
    "aws:createStack": {"StackId": "String", "StackStatus": "String"},
    "aws:changeInstanceState": {"InstanceStates": "StringList"},
    "aws:invokeLambdaFunction": {"StatusCode": "String", "LogResult": "String", "Payload": "String"},
    "aws:createImage": {"ImageId": "String", "ImageState": "String"},
    "aws:runCommand": {"CommandId": "String", "Status": "String", "ResponseCode": "Integer", "Output": "String"},
    "aws:executeAutomation": {"ExecutionId": "String", "Status": "String", "Output": "StringList"},
}
NEEDED: Mapping[str, tuple[str, ...]] = {
    "aws:executeAwsApi": ("Service", "Api"),
    "aws:assertAwsResourceProperty": ("Service", "Api", "PropertySelector", "DesiredValues"),
    "aws:waitForAwsResourceProperty": ("Service", "Api", "PropertySelector", "DesiredValues"),
    "aws:changeInstanceState": ("InstanceIds", "DesiredState"),
    "aws:createStack": ("StackName",),
    "aws:deleteStack": ("StackName",),
    "aws:invokeLambdaFunction": ("FunctionName",),
    "aws:createTags": ("ResourceIds", "Tags"),
    "aws:createImage": ("InstanceId", "ImageName"),
    "aws:deleteImage": ("ImageId",),
    "aws:runCommand": ("DocumentName",),
    "aws:executeAutomation": ("DocumentName",),
    "aws:executeScript": ("Script", "Handler", "Runtime"),
    "aws:sleep": (),
}
USED: Mapping[str, frozenset[str]] = {
    "aws:changeInstanceState": frozenset({"InstanceIds", "DesiredState", "CheckStateOnly", "Force"}),
    "aws:createTags": frozenset({"ResourceType", "ResourceIds", "Tags"}),
    "aws:deleteImage": frozenset({"ImageId"}),
    "aws:executeScript": frozenset({"Runtime", "Handler", "Script", "InputPayload"}),
    "aws:approve": frozenset({"Message", "MinRequiredApprovals", "Approvers", "NotificationArn"}),
    "aws:sleep": frozenset({"Duration", "Timestamp"}),
    "aws:branch": frozenset({"Choices", "Default"}),
}
OWN_DOCUMENT = re.compile(r"^AWS[A-Za-z]*-[\w-]+$")
PROGRAMS = {"AWS-RunShellScript", "AWS-RunPowerShellScript", "AWS-RunRemoteScript", "AWS-RunSaltState"}
DURATION = re.compile(r"^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$")
NOT_FOLLOWED = "The selector {} cannot be followed."
FULL_SELECTOR = re.compile(rf"^\$(?:{SELECTOR.pattern.replace('(', '(?:')})*$")


@dataclass(slots=True)
class Made:
    """A step as far as it is known. `problem` says why it must be marked; `told` reports keys of inputs."""

    step: dict[str, Any] = field(default_factory=dict)
    problem: str = ""
    told: dict[str, str] = field(default_factory=dict)
    needs_aws: bool = False
    tells_success: bool = False


def step_of(action: str, inputs: Mapping[str, Any], step_id: str, names: Names, outputs: list[Any]) -> Made | str:
    """What runs for an action, or why nothing can."""
    if problem := _lacking(action, inputs):
        return problem
    if action == "aws:approve":
        return _approve(inputs, names)
    if action == "aws:sleep" and (found := _sleep(inputs)):
        return found
    if action == "aws:executeAutomation" and not OWN_DOCUMENT.match(str(inputs["DocumentName"])):
        return _call(inputs, names)
    if action == "aws:runCommand" and (problem := _command_problem(inputs)):
        return problem
    if action == "aws:executeScript":
        return _script(inputs, step_id, names, outputs)
    if action not in ACTIONS:
        return f"There is no counterpart of {one_line(action)} yet."
    return _aws(action, inputs, step_id, names, outputs)


def _lacking(action: str, inputs: Mapping[str, Any]) -> str:
    """What an action needs and does not have: an input, or one that can be followed."""
    for key in NEEDED.get(action, ()):
        if key not in inputs:
            return f"Its input {key} is missing."
        if key == "PropertySelector" and not FULL_SELECTOR.match(str(inputs[key])):
            return NOT_FOLLOWED.format(one_line(str(inputs[key])))
    return ""


def declared(rows: Any) -> tuple[list[Any], str]:
    """(outputs, problem): each with Name, Selector and Type, as the runtime reads them."""
    found = []
    for row in rows if isinstance(rows, list) else []:
        if not isinstance(row, Mapping) or not isinstance(row.get("Name"), str):
            return [], "One of its outputs has no name."
        selector = str(row.get("Selector", "$"))
        if not FULL_SELECTOR.match(selector):
            return [], NOT_FOLLOWED.format(one_line(selector))
        found.append({"Name": row["Name"], "Selector": selector, "Type": str(row.get("Type", "String"))})
    return found, ""


def _runtime(action: str, inputs: Any, step_id: str, names: Names, outputs: list[Any]) -> tuple[Made, str, str]:
    """(step, its Python file, its JSON text)"""
    env, values = names.variables(inputs)
    path = f"step_{step_id}"
    made = Made(tells_success=True)
    step_input: dict[str, Any] = {"script": f"{path}.py"}
    made.step = {"action": "local:script", "input": step_input}
    if env:
        step_input["env"] = env
    told = {"name": step_id, "action": action, "inputs": inputs, "outputs": outputs, "values": values}
    return made, path, json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def _aws(action: str, inputs: Mapping[str, Any], step_id: str, names: Names, outputs: list[Any]) -> Made | str:
    if problem := names.problem(inputs):
        return problem
    made, path, told = _runtime(action, inputs, step_id, names, outputs)
    made.step["files"] = {
        f"{path}.json": told,
        f"{path}.py": f'#!/usr/bin/env python3\n"""{action}, as {path}.json says; ssm_aws.py does it."""\n\n'
        f'import ssm_aws\n\nssm_aws.main("{path}.json")\n',
    }
    if action != "aws:sleep":
        reach_aws(made)
    if action == "aws:executeAutomation":
        made.told["DocumentName"] = "AWS keeps this document and may change it; what it does is not reviewed here."
    if action == "aws:runCommand":
        made.told["DocumentName"] = "The command runs through SSM on the instances, not over our own connections."
    return made


def reach_aws(made: Made) -> None:
    """Let a step call AWS: the network, the region, and keys that are handed over for this one run."""
    made.needs_aws = True
    made.step["input"]["network"] = True
    env = made.step["input"].setdefault("env", {})
    env |= {name.upper(): f"${{{{ secrets.{name} }}}}" for name in SECRETS}


def _script(inputs: Mapping[str, Any], step_id: str, names: Names, outputs: list[Any]) -> Made | str:
    text, handler, runtime = (str(inputs[key]) for key in ("Script", "Handler", "Runtime"))
    if not runtime.lower().startswith("python"):
        return f"Only Python runs here, not {one_line(runtime)}."
    if "Attachment" in inputs:
        return "Its script lies in an attachment, which is not in the document."
    pasted = [name for name in references(text) if names.expression(name) is not None]
    if pasted:
        return f"{one_line(pasted[0])} is pasted into the program; hand it over in InputPayload."
    if problem := names.problem(inputs.get("InputPayload")) or _program_problem(text, handler):
        return problem
    payload = {"InputPayload": inputs.get("InputPayload") or {}}
    made, path, told = _runtime("aws:executeScript", payload, step_id, names, outputs)
    first = "" if text.startswith("#!") else "#!/usr/bin/env python3\n"
    call = (
        "\n\n# Added by the import: ssm_step.py gives the handler the step's inputs as data.\n"
        f'if __name__ == "__main__":\n    import ssm_step\n\n    ssm_step.script("{path}.json", {handler})\n'
    )
    made.step["files"] = {f"{path}.json": told, f"{path}.py": first + text.rstrip() + call}
    if AWS.search(text) or OF_AWS & set(references(payload)):
        reach_aws(made)
    elif NETWORK.search(text):
        made.step["input"]["network"] = True
    return made


def _program_problem(text: str, handler: str) -> str:
    if elsewhere := ELSEWHERE.search(text):
        return f"Its script is put in when the document is built, from {one_line(elsewhere[1])}."
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "Its script is no Python 3."
    if not any(isinstance(node, ast.FunctionDef) and node.name == handler for node in tree.body):
        return f"Its script has no function {one_line(handler)}."
    return "Its script does more than define its handler when it is run." if "__main__" in text else ""


def _approve(inputs: Mapping[str, Any], names: Names) -> Made | str:
    message = names.text(str(inputs.get("Message") or "Go on?"))
    if message is None:
        return "Its message names something that is not here."
    count = whole_number(inputs.get("MinRequiredApprovals", 1))
    if count is None or not 1 <= count <= 9:
        return "From one to nine people can be asked to approve."
    made = Made({"action": "gate:approval", "input": {"message": message[:2000], "approvers": {"operations": count}}})
    made.told["Approvers"] = "Who may approve is said by duty and by grants here; the count was kept."
    return made


def _sleep(inputs: Mapping[str, Any]) -> Made | None:
    match = DURATION.match(str(inputs.get("Duration", "")))
    if match is None:
        return None
    seconds = sum(int(count or 0) * unit for count, unit in zip(match.groups(), (86400, 3600, 60, 1), strict=True))
    return Made({"action": "gate:wait", "input": {"for": f"{seconds}s"}}) if 0 < seconds < 10**9 else None


def _call(inputs: Mapping[str, Any], names: Names) -> Made | str:
    name = str(inputs["DocumentName"])
    if REFERENCE.search(name) or "/" in name or ":" in name:
        return "Which document it runs is decided at run time, or lies in another account."
    if more := set(inputs) - {"DocumentName", "RuntimeParameters"}:
        return f"It says {one_line(', '.join(sorted(more)))}, which a call of a procedure cannot."
    made = Made(told={"DocumentName": f"It calls the procedure {label(name)}; import that document too."})
    given = {}
    rows = inputs.get("RuntimeParameters")
    for key, value in (rows if isinstance(rows, Mapping) else {}).items():
        alone = value[0] if isinstance(value, list) and len(value) == 1 else value
        if alone is not value:
            made.told["RuntimeParameters"] = "A single value in a list is handed over without the list."
        written = _written(alone, names)
        if written is None:
            return "It hands over what is only known while the run goes on."
        given[key] = written
    made.step = {
        "action": "procedure:run",
        "input": {"procedure": label(name), **({"parameters": given} if given else {})},
    }
    return made


def _written(value: Any, names: Names) -> Any:
    """A value with expressions that are known when the plan is made, or None."""
    if isinstance(value, list):
        rows = [_written(item, names) for item in value]
        return None if None in rows else rows
    if isinstance(value, str):
        if any(name not in names.parameters for name in references(value)):
            return None
        return names.text(value)
    return value if isinstance(value, bool | int | float) else None


def _command_problem(inputs: Mapping[str, Any]) -> str:
    name = str(inputs["DocumentName"])
    if REFERENCE.search(name):
        return "Which document it runs is decided at run time."
    if name in PROGRAMS and any(references(inputs.get("Parameters"))):
        return "Values are pasted into the program that it runs; make it a script that reads them as variables."
    return ""


def runtime_files() -> Mapping[str, str]:
    """The files that carry out steps, as they travel in a bundle."""
    return {
        "ssm_step.py": (HERE / "ssm_step.py").read_text(),
        "ssm_aws.py": (HERE / "ssm_aws.py").read_text().replace("from procedures.importers.ssm_step", "from ssm_step"),
    }


def put(made: Made, folder: Folder) -> str:
    """Put a step's files into the folder; why they may not be there, or an empty text."""
    for path, text in made.step.pop("files", {}).items():
        if problem := folder.file(path, text):
            folder.files = {name: data for name, data in folder.files.items() if name != path}
            return problem
    return ""
