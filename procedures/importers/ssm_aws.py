"""The actions of SSM Automation that call AWS, each as AWS describes it. Travels in imported procedures as ssm_aws.py.

Values and outputs are the matter of ssm_step.py. Source: AWS, "Systems Manager Automation actions reference".
"""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
import time
from typing import Any, Callable

from procedures.importers.ssm_step import StepFailed, call, client, end, read, resolved, select, text, wait

STATES = {"running": "start_instances", "stopped": "stop_instances", "terminated": "terminate_instances"}
ENDED = {"Success", "Failed", "TimedOut", "Cancelled", "Cancelling", "Rejected", "CompletedWithFailure"}


def main(path: str) -> None:
    """Carry out the step of a JSON file beside this one."""
    step = read(path)
    end(step, lambda: ACTIONS[step["action"]](resolved(step["inputs"], step)))


def execute_api(inputs: Any) -> Any:
    given = dict(inputs)
    return call(given.pop("Service"), given.pop("Api"), given)


def _property(inputs: Any) -> tuple[bool, Any]:
    given = dict(inputs)
    selector, wanted = given.pop("PropertySelector"), given.pop("DesiredValues")
    found = select(selector, execute_api(given))
    every = found if isinstance(found, list) else [found]
    return bool(every) and all(any(same(item, one) for one in wanted) for item in every), found


def same(found: Any, wanted: Any) -> bool:
    if isinstance(found, bool) or isinstance(wanted, bool):
        return text(found).lower() == text(wanted).lower()
    return text(found) == text(wanted)


def assert_property(inputs: Any) -> Any:
    good, found = _property(inputs)
    if not good:
        raise StepFailed(f"{inputs['PropertySelector']} is {text(found)}, not one of {text(inputs['DesiredValues'])}.")
    return {}


def wait_property(inputs: Any) -> Any:
    return wait(lambda: {} if _property(inputs)[0] else None)


def change_instance_state(inputs: Any) -> Any:
    ids, wanted = inputs["InstanceIds"], inputs["DesiredState"]
    ids = ids if isinstance(ids, list) else [ids]
    if wanted not in STATES:
        raise StepFailed(f"There is no state {wanted}.")
    if str(inputs.get("CheckStateOnly", False)).lower() != "true":
        force = {"Force": True} if wanted == "stopped" and str(inputs.get("Force", False)).lower() == "true" else {}
        getattr(client("ec2"), STATES[wanted])(InstanceIds=ids, **force)

    def look() -> Any:
        answer = call("ec2", "DescribeInstances", {"InstanceIds": ids})
        states = select("$.Reservations[*].Instances[*].State.Name", answer)
        return {"InstanceStates": states} if states and all(state == wanted for state in states) else None

    return wait(look)


def _stack(name: str) -> Any:
    try:
        return call("cloudformation", "DescribeStacks", {"StackName": name})["Stacks"][0]
    except Exception as problem:
        if "does not exist" in str(problem):
            return None
        raise


def create_stack(inputs: Any) -> Any:
    stack = call("cloudformation", "CreateStack", inputs)["StackId"]

    def look() -> Any:
        status = _stack(stack)["StackStatus"]
        return None if status.endswith("_IN_PROGRESS") else status

    status = wait(look)
    if status != "CREATE_COMPLETE":
        raise StepFailed(f"The stack ended as {status}.")
    return {"StackId": stack, "StackStatus": status}


def delete_stack(inputs: Any) -> Any:
    stack = _stack(inputs["StackName"])
    if stack is None:
        return {}
    call("cloudformation", "DeleteStack", inputs)

    def look() -> Any:
        left = _stack(stack["StackId"])
        status = "DELETE_COMPLETE" if left is None else left["StackStatus"]
        return None if status.endswith("_IN_PROGRESS") else status

    status = wait(look)
    if status != "DELETE_COMPLETE":
        raise StepFailed(f"The stack ended as {status}.")
    return {}


def invoke_lambda(inputs: Any) -> Any:
    given = {key: value for key, value in inputs.items() if key != "InputPayload"}
    if "InputPayload" in inputs:
        given["Payload"] = json.dumps(inputs["InputPayload"])
    answer = call("lambda", "Invoke", given)
    if answer.get("FunctionError"):
        raise StepFailed(f"The function failed: {answer.get('Payload', '')}")
    return answer


def create_tags(inputs: Any) -> Any:
    kind = inputs.get("ResourceType", "EC2")
    if kind == "EC2":
        return call("ec2", "CreateTags", {"Resources": inputs["ResourceIds"], "Tags": inputs["Tags"]})
    for one in inputs["ResourceIds"]:
        call("ssm", "AddTagsToResource", {"ResourceType": kind, "ResourceId": one, "Tags": inputs["Tags"]})
    return {}


def create_image(inputs: Any) -> Any:
    names = {"ImageName": "Name", "ImageDescription": "Description"}
    image = call("ec2", "CreateImage", {names.get(key, key): value for key, value in inputs.items()})["ImageId"]

    def look() -> Any:
        state = call("ec2", "DescribeImages", {"ImageIds": [image]})["Images"][0]["State"]
        return None if state == "pending" else state

    state = wait(look)
    if state != "available":
        raise StepFailed(f"The image ended as {state}.")
    return {"ImageId": image, "ImageState": state}


def delete_image(inputs: Any) -> Any:
    image = inputs["ImageId"]
    answer = call("ec2", "DescribeImages", {"ImageIds": [image]})
    call("ec2", "DeregisterImage", {"ImageId": image})
    for snapshot in select("$.Images[*].BlockDeviceMappings[*].Ebs.SnapshotId", answer):
        call("ec2", "DeleteSnapshot", {"SnapshotId": snapshot})
    return {}


def _lists(given: Any) -> Any:
    """Parameters as SSM's API takes them: lists of texts."""
    return {
        key: [text(item) for item in (value if isinstance(value, list) else [value])] for key, value in given.items()
    }


def run_command(inputs: Any) -> Any:
    given = {**inputs, "Parameters": _lists(inputs.get("Parameters") or {})}
    command = call("ssm", "SendCommand", given)["Command"]["CommandId"]

    def look() -> Any:
        rows = call("ssm", "ListCommandInvocations", {"CommandId": command, "Details": True})["CommandInvocations"]
        return rows if rows and all(row["Status"] in ENDED for row in rows) else None

    rows = wait(look)
    said = "\n".join(text(part.get("Output", "")) for row in rows for part in row.get("CommandPlugins", []))
    sys.stdout.write(said + "\n")
    if any(row["Status"] != "Success" for row in rows):
        raise StepFailed("The command ended as " + ", ".join(f"{row['InstanceId']} {row['Status']}" for row in rows))
    return {"CommandId": command, "Status": "Success", "ResponseCode": 0, "Output": said}


def execute_automation(inputs: Any) -> Any:
    given = {key: value for key, value in inputs.items() if key != "RuntimeParameters"}
    given["Parameters"] = _lists(inputs.get("RuntimeParameters") or {})
    execution = call("ssm", "StartAutomationExecution", given)["AutomationExecutionId"]

    def look() -> Any:
        found = call("ssm", "GetAutomationExecution", {"AutomationExecutionId": execution})["AutomationExecution"]
        return found if found["AutomationExecutionStatus"] in ENDED else None

    ended = wait(look)
    if ended["AutomationExecutionStatus"] != "Success":
        raise StepFailed(f"{inputs['DocumentName']} ended as {ended['AutomationExecutionStatus']}.")
    values = [value for row in (ended.get("Outputs") or {}).values() for value in row]
    return {"ExecutionId": execution, "Status": "Success", "Output": values}


def sleep(inputs: Any) -> Any:
    if "Timestamp" in inputs:
        until = dt.datetime.fromisoformat(str(inputs["Timestamp"]).replace("Z", "+00:00"))
        time.sleep(max(0.0, (until - dt.datetime.now(dt.timezone.utc)).total_seconds()))
        return {}
    match = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", str(inputs["Duration"]))
    if match is None:
        raise StepFailed(f"{inputs['Duration']!r} is no ISO 8601 duration.")
    days, hours, minutes, seconds = (int(count or 0) for count in match.groups())
    time.sleep(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
    return {}


ACTIONS: dict[str, Callable[[Any], Any]] = {
    "aws:executeAwsApi": execute_api,
    "aws:assertAwsResourceProperty": assert_property,
    "aws:waitForAwsResourceProperty": wait_property,
    "aws:changeInstanceState": change_instance_state,
    "aws:createStack": create_stack,
    "aws:deleteStack": delete_stack,
    "aws:invokeLambdaFunction": invoke_lambda,
    "aws:createTags": create_tags,
    "aws:createImage": create_image,
    "aws:deleteImage": delete_image,
    "aws:runCommand": run_command,
    "aws:executeAutomation": execute_automation,
    "aws:sleep": sleep,
}
