"""AWX: surveys become forms, job templates become procedures whose playbook is a marked step, workflows call them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from procedures.definitions import registry
from procedures.domain import parameters
from procedures.domain.errors import InvalidInput
from procedures.domain.importing import Carried, Imported
from procedures.importers import awx
from tests.importers import corpora
from tests.importers.contract import SAMPLES


def read(name: str) -> Carried:
    return awx.read(name, (SAMPLES / "awx" / name).read_bytes())


def spec(one: Imported) -> Any:
    return yaml.safe_load(one.files["procedure.yaml"])["spec"]


def fates(carried: Carried) -> dict[str, tuple[str, str]]:
    return {key.at: (key.fate, key.said) for key in carried.keys}


def test_every_type_of_question_becomes_its_schema() -> None:
    carried = read("survey.json")
    form = spec(carried.procedures[0])
    asked = form["parameters"]["properties"]
    assert asked["who"] == {
        "title": "Who?",
        "description": "Whose account",
        "type": "string",
        "minLength": 1,
        "maxLength": 32,
    }
    assert asked["text"]["ui:widget"] == "textarea"
    assert asked["count"] == {"title": "How many", "type": "integer", "minimum": 1, "maximum": 9, "default": 3}
    assert asked["share"]["type"] == "number"
    assert asked["size"] == {"title": "Size", "type": "string", "enum": ["small", "large"], "default": "small"}
    assert asked["parts"]["items"] == {"type": "string", "enum": ["web", "db"]}
    assert asked["parts"]["default"] == ["web", "db"]
    assert form["parameters"]["required"] == ["who", "count", "size", "strange"]


def test_a_password_is_a_secret_and_its_default_stays_behind() -> None:
    carried = read("survey.json")
    one = carried.procedures[0]
    assert spec(one)["secrets"]["schema"]["properties"]["pass_word"]["minLength"] == 8
    assert "pass_word" not in spec(one)["parameters"]["properties"]
    assert fates(carried)["spec[1].default"][0] == "reported"
    assert b"encrypted" not in b"".join(one.files.values())


def test_what_a_survey_refuses_the_form_refuses() -> None:
    form = spec(read("survey.json").procedures[0])["parameters"]
    good = {"who": "me", "count": 3, "size": "small", "strange": "x"}
    assert parameters.resolve(form, good)["parts"] == ["web", "db"]
    for wrong in ({"who": ""}, {"who": "x" * 33}, {"count": 10}, {"size": "huge"}, {"parts": ["cache"]}):
        with pytest.raises(InvalidInput):
            parameters.resolve(form, good | wrong)


def test_a_job_template_names_its_playbook_in_a_marked_step() -> None:
    patch, workflow = read("export.json").procedures
    found = spec(patch)
    assert patch.marked == ["job"]
    assert found["timeout"] == "900s"
    assert "concurrency" not in found
    assert found["steps"][0]["action"] == "todo:replace"
    assert "patch.yml" in found["steps"][0]["input"]["hint"]
    assert b'"limit": "web*"' in patch.files["kept/job.original"]
    assert workflow.marked == ["patch"]


def test_nothing_secret_and_nothing_armed_comes_along() -> None:
    carried = read("export.json")
    told = fates(carried)
    everything = b"".join(data for one in carried.procedures for data in one.files.values())
    assert b"not-for-you" not in everything
    assert b"FREQ" not in everything
    assert told["job_templates[0].extra_vars.api_token"][0] == "reported"
    assert told["job_templates[0].related.schedules"] == ("ignored", "Nothing is scheduled by an import.")
    assert told["job_templates[0].related.credentials"][0] == "reported"
    assert told["projects"][0] == "ignored"


def test_a_workflow_calls_the_procedures_of_its_templates_in_their_order() -> None:
    web, workflow = read("variables.yml").procedures
    steps = spec(workflow)["steps"]
    assert not workflow.marked
    assert [step["action"] for step in steps] == ["gate:approval", "procedure:run"]
    assert steps[1]["input"]["procedure"] == web.name


def test_a_template_that_is_to_be_deleted_is_left_out() -> None:
    carried = read("variables.yml")
    assert [one.name for one in carried.procedures] == ["web-restart", "restart-everything"]
    assert fates(carried)["controller_templates[1]"] == ("ignored", "It is to be deleted in AWX.")


def test_templates_are_found_in_the_tasks_of_a_playbook() -> None:
    carried = read("playbook.yml")
    assert [one.name for one in carried.procedures] == ["make-a-bucket"]
    told = fates(carried)
    assert told["[0].tasks[0]"] if "[0].tasks[0]" in told else told["[0].hosts"]
    assert told['[0].tasks[0]["awx.awx.job_template"].survey_spec'][0] == "reported"
    assert told['[0].tasks[0]["awx.awx.job_template"].timeout'][0] == "reported"


def test_awx_is_a_kind_that_the_registry_knows() -> None:
    assert registry.importer("awx") is awx.read


@pytest.mark.parametrize("place", corpora.files("awx-survey"), ids=lambda place: place.name[-60:])
def test_a_public_file_is_imported(place: Path) -> None:
    assert corpora.outcome("awx", place) in {"imported", "marked"}
