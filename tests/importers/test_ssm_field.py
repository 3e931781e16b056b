"""What documents of the field showed: paths that look at every depth, and paths that nothing here can follow."""

from __future__ import annotations

import pytest

from procedures.importers.ssm_step import select
from tests.importers.ssm_documents import automation, fates, steps

ANSWER = {
    "Racks": [
        {"Name": "r1", "Hosts": [{"Name": "a", "Disks": [{"Id": 1}, {"Id": 2}]}, {"Name": "b", "Disks": []}]},
        {"Name": "r2", "Hosts": [{"Name": "c", "Disks": [{"Id": 3}]}]},
    ]
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$..Id", [1, 2, 3]),
        ("$.Racks..Hosts..Name", ["a", "b", "c"]),
        ("$.Racks..Name", ["r1", "a", "b", "r2", "c"]),
        ("$..Hosts[0].Name", ["a", "c"]),
        ("$..Nothing", []),
        ("$.Racks[1].Name", "r2"),
    ],
)
def test_a_path_with_two_dots_names_a_key_at_every_depth(path: str, found: object) -> None:
    assert select(path, ANSWER) == found


def _described(**inputs: object) -> dict[str, object]:
    return {"name": "look", "action": "aws:executeAwsApi", "inputs": {"Service": "ec2", "Api": "DescribeX", **inputs}}


def test_a_step_whose_output_lies_at_any_depth_is_carried_over() -> None:
    rows = [{"Name": "Ids", "Selector": "$.Racks..Hosts..Name", "Type": "StringList"}]
    found = automation({**_described(), "outputs": rows})
    assert found.procedures[0].marked == []
    assert steps(found)["look"]["action"] == "local:script"


@pytest.mark.parametrize("path", ["$.Racks[?(@.Name == 'r1')].Hosts", "$..*", "$.Racks[0:2]"])
def test_a_path_that_cannot_be_followed_marks_the_step_wherever_it_stands(path: str) -> None:
    asked = _described(PropertySelector=path, DesiredValues=["x"])
    found = automation({**asked, "action": "aws:waitForAwsResourceProperty"})
    assert found.procedures[0].marked == ["look"]
    assert "cannot be followed" in fates(found)["mainSteps[0].action"][1]
