"""Backstage: forms whole, built-in actions one to one, the rest marked by name, folders beside the template taken."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from opsportal.cli.importing import import_files
from procedures.definitions import registry
from procedures.definitions.load import load
from procedures.domain import parameters
from procedures.domain.errors import InvalidInput
from procedures.domain.importing import Carried, ImportRefused
from procedures.importers import backstage
from procedures.services.versions import read as read_version
from procedures.web import schema_form
from tests.importers import corpora
from tests.importers.contract import SAMPLES

HERE = SAMPLES / "backstage"
SKELETON = {"catalog-info.yaml": b"apiVersion: backstage.io/v1alpha1\n", "src/${{ values.name }}.go": b"package x\n"}


def read(name: str) -> Carried:
    return backstage.read(name, (HERE / name).read_bytes())


def spec(carried: Carried) -> Any:
    return yaml.safe_load(carried.procedures[0].files["procedure.yaml"])["spec"]


def steps(carried: Carried) -> Mapping[str, Any]:
    return {step["id"]: step for step in spec(carried)["steps"]}


def fates(carried: Carried) -> Mapping[str, tuple[str, str]]:
    return {key.at: (key.fate, key.said) for key in carried.keys}


def shown(name: str) -> str:
    """A template around a step, for one question at a time."""
    return (
        "apiVersion: scaffolder.backstage.io/v1beta3\nkind: Template\nmetadata: {name: t}\nspec:\n"
        "  owner: o\n  type: service\n  parameters: {properties: {a: {type: string}, l: {type: array}}}\n"
        f"  steps: [{{id: x, {name}}}]\n"
    )


def test_the_seeds_template_carries_over_but_for_one_step() -> None:
    carried = read("kubernetes-service.yaml")
    one = carried.procedures[0]
    assert one.marked == ["create-argocd-app"]
    assert one.beside == {"skeleton": "skeleton"}
    made = spec(carried)
    assert [step["action"] for step in made["steps"]] == [
        "fetch:template",
        "publish:github",
        "todo:replace",
        "catalog:register",
    ]
    assert made["steps"][2]["input"]["was"] == "argocd:create-application"
    assert made["credentials"] == {"git": {"kind": "git", "ttl": "15m", "host": "github.com"}}
    assert made["parameters"]["properties"]["owner"]["ui:options"] == {"allowedKinds": ["Group"]}
    assert made["parameters"]["required"] == ["name", "owner", "description"]
    assert made["output"]["values"] == {"Backstage-component": "${{ steps['register'].output.entityRef }}"}
    assert b"argoInstance: production" in one.files["kept/create-argocd-app.original"]
    assert not [key for key in carried.keys if key.fate == "reported" and "steps[2]" not in key.at]


def test_a_version_with_the_marked_step_cannot_be_submitted() -> None:
    one = read("kubernetes-service.yaml").procedures[0]
    bundle = {**one.files, **{f"skeleton/{path}": data for path, data in SKELETON.items()}}
    with pytest.raises(InvalidInput) as refused:
        read_version(bundle)
    assert [problem for _, problem in refused.value.problems if "argocd:create-application" in problem]
    assert len(refused.value.problems) == 1


def test_expressions_are_written_as_ours() -> None:
    values = steps(read("everything.yaml"))["template"]["input"]["values"]
    assert values == {
        "name": '${{ parameters.name | lower | replace(" ", "-") }}',
        "owner": "${{ parameters.owner or 'nobody' }}",
        "same": "${{ parameters.name == 'x'  and  parameters.ci != true }}",
        "url": "${{ 'https://' ~ parameters.name ~ '.example' }}",
        "repo": "${{ (parameters.repoUrl | parseRepoUrl).repo }}",
    }


def test_a_step_for_each_item_reads_the_item() -> None:
    step = steps(read("everything.yaml"))["loop"]
    assert step["each"] == "${{ parameters.ports }}"
    assert step["input"] == {"message": "${{ each }} and 'each.value'"}


def test_what_cannot_act_here_is_marked_and_says_why() -> None:
    carried = read("everything.yaml")
    marked = {step["id"]: step["input"] for step in spec(carried)["steps"] if step["action"] == "todo:replace"}
    assert sorted(marked) == sorted(carried.procedures[0].marked)
    for name, why in {
        "remote": "https://github.com/acme/skeleton is fetched at run time",
        "who": "user.entity.metadata.name",
        "hidden": "A secret stands in",
        "invisible": "cannot be seen",
        "badif": "no expression",
        "out": "not a path inside the workspace",
        "late": "may not be decided at run time",
        "other": "published can be registered",
        "argo": "no counterpart of argocd:create-resources",
        "call": "Call is not allowed",
        "nth": "number of an item",
        "late-loop": "that the form asks",
        "no-loop": "with `each` alone",
        "if-loop": "with `each` alone",
    }.items():
        assert why in marked[name]["hint"], name


def test_an_input_that_is_left_out_is_told() -> None:
    told = fates(read("everything.yaml"))
    assert told["spec.steps[15].input.token"] == ("mapped", "The step's credential takes its place.")
    assert told["spec.steps[15].input.protectDefaultBranch"][0] == "reported"
    assert "No form asks never" in told["spec.steps[0].input"][1]


def test_a_secret_goes_apart_and_its_default_stays_behind() -> None:
    carried = read("everything.yaml")
    made = spec(carried)
    assert made["secrets"]["schema"]["properties"] == {
        "token": {"type": "string", "title": "Token", "ui:field": "Secret"}
    }
    written = carried.procedures[0].files["procedure.yaml"]
    assert b"hunter2" not in written
    assert b"registryToken" not in written


def test_the_form_asks_what_counts() -> None:
    one = read("everything.yaml").procedures[0]
    form = load(one.files, registry.actions()).definition
    pages = schema_form.pages(form.pages, filled={"ci": True})
    assert "image" in [one_field.name for page in pages for one_field in page.fields]
    with pytest.raises(InvalidInput) as refused:
        parameters.resolve(form.parameters, {"name": "x", "repoUrl": "r", "ci": True})
    assert "image" in str(refused.value.problems)
    assert parameters.resolve(form.parameters, {"name": "x", "repoUrl": "r"})["ci"] is False


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ("action: 'debug:log', input: {message: '${{ a.b }}'}", "a run knows no such name"),
        ("action: 'debug:log', input: {message: '${{ parameters.nobody.x }}'}", "There is no parameter nobody"),
        ("action: 'debug:log', input: {message: '${{ steps.nobody.output.x }}'}", "There is no step nobody"),
        ("action: 'debug:log', input: {message: {'${{ parameters.a }}': 1}}", "An expression stands in a key"),
        ("action: 'debug:log', input: {message: '${{ parameters.a + 1 }}'}", "Add is not allowed"),
        ("action: 'debug:log', input: {message: '${{ parameters.a'}", "never closed"),
        ("action: 'debug:log', input: [1]", "no object"),
        ("action: 'fetch:template', input: {url: '${{ steps.x.output.y }}'}", "decided at run time"),
        ("action: 'fetch:template', input: {url: /etc}", "reviewed"),
        ("action: 'catalog:register', input: {repoContentsUrl: 'https://x/${{ steps.x.output.y }}'}", "of this run"),
        ("action: 'procedure:run', input: {procedure: other}", "There is no counterpart of procedure:run"),
    ],
)
def test_a_step_is_marked_when(step: str, why: str) -> None:
    carried = backstage.read("t.yaml", shown(step).encode())
    assert carried.procedures[0].marked == ["x"]
    assert why in spec(carried)["steps"][0]["input"]["hint"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("apiVersion: backstage.io/v1alpha1\nkind: Component\n", "no Backstage template"),
        (shown("action: 'debug:log'").replace("v1beta3", "v1beta2"), "v1beta2"),
        ("apiVersion: scaffolder.backstage.io/v1beta3\nkind: Template\nspec: 7\n", "no spec"),
    ],
)
def test_what_is_no_template_is_refused(text: str, why: str) -> None:
    with pytest.raises(ImportRefused, match=why):
        backstage.read("t.yaml", text.encode())


def imported(into: Path, *arguments: str | Path) -> Any:
    words = ["backstage", *map(str, arguments), "--into", str(into), "--json"]
    result = CliRunner().invoke(import_files, words)
    assert result.exit_code == 0, result.output
    return json.loads(result.output)["files"][0]["procedures"][0]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A checkout with the seed's template and its skeleton two folders down."""
    place = tmp_path / "checkout" / "templates" / "new-service"
    place.mkdir(parents=True)
    (place / "template.yaml").write_bytes((HERE / "kubernetes-service.yaml").read_bytes())
    for path, data in SKELETON.items():
        (place / "skeleton" / path).parent.mkdir(parents=True, exist_ok=True)
        (place / "skeleton" / path).write_bytes(data)
    return place


def test_the_skeleton_beside_a_template_goes_into_the_bundle(repository: Path, tmp_path: Path) -> None:
    made = imported(tmp_path / "out", repository / "template.yaml")
    assert made["folders"] == [{"folder": "skeleton", "from": "skeleton", "files": 2}]
    for path, data in SKELETON.items():
        assert (Path(made["folder"]) / "skeleton" / path).read_bytes() == data


def test_a_missing_skeleton_is_told_and_the_draft_lints(repository: Path, tmp_path: Path) -> None:
    lonely = tmp_path / "lonely.yaml"
    lonely.write_bytes((repository / "template.yaml").read_bytes())
    made = imported(tmp_path / "out", lonely)
    assert made["folders"] == [{"folder": "skeleton", "from": "skeleton", "problem": "It is not there."}]
    files = {
        p.relative_to(made["folder"]).as_posix(): p.read_bytes() for p in Path(made["folder"]).rglob("*") if p.is_file()
    }
    found = load(files, registry.actions()).findings
    assert not [finding for finding in found if finding.severity == "error"]
    assert [finding.code for finding in found if finding.code == "folder-missing"]
    told = CliRunner().invoke(import_files, ["backstage", str(lonely), "--into", str(tmp_path / "again")])
    assert "skeleton/ is missing in the bundle: It is not there." in told.output


@pytest.mark.parametrize("how", ["link", "link inside", "above", "huge"])
def test_no_file_from_elsewhere_gets_into_a_bundle(repository: Path, tmp_path: Path, how: str) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "id_ed25519").write_text("PRIVATE")
    template = repository / "template.yaml"
    if how == "link":
        (repository / "linked").symlink_to(secret)
        template.write_text(template.read_text().replace("./skeleton", "./linked"))
    elif how == "link inside":
        (repository / "skeleton" / "key").symlink_to(secret / "id_ed25519")
    elif how == "above":
        template.write_text(template.read_text().replace("./skeleton", "../../../secret"))
    else:
        (repository / "skeleton" / "big").write_bytes(b"x" * (6 * 1024 * 1024))
    made = imported(tmp_path / "out", template)
    assert made["folders"][0]["problem"]
    held = b"".join(p.read_bytes() for p in Path(made["folder"]).rglob("*") if p.is_file())
    assert b"PRIVATE" not in held
    assert len(held) < 100_000


def test_a_folder_above_is_taken_within_the_root_that_is_said(repository: Path, tmp_path: Path) -> None:
    shared = tmp_path / "checkout" / "skeletons" / "go"
    shared.mkdir(parents=True)
    (shared / "main.go").write_text("package main\n")
    template = repository / "template.yaml"
    template.write_text(template.read_text().replace("./skeleton", "../../skeletons/go/"))
    assert "problem" in imported(tmp_path / "one", template)["folders"][0]
    made = imported(tmp_path / "two", template, "--root", tmp_path / "checkout")
    assert made["folders"] == [{"folder": "skeletons/go", "from": "../../skeletons/go", "files": 1}]
    assert (Path(made["folder"]) / "skeletons" / "go" / "main.go").exists()


def test_public_templates_give_forms_that_show() -> None:
    """Over the files that OPSPORTAL_CORPORA names: none is refused, each question has its field, at once."""
    counts = Counter(corpora.outcome("backstage", place) for place in corpora.files("backstage-template"))
    assert set(counts) <= {"imported", "marked"}, counts
    for place in corpora.files("backstage-template"):
        carried = backstage.read(place.name, place.read_bytes())
        form = load(carried.procedures[0].files, registry.actions()).definition
        assert not parameters.check_schema(form.parameters)
        asked = yaml.safe_load(place.read_bytes())["spec"]["parameters"]
        pages = asked if isinstance(asked, list) else [asked]
        fields = [one.name for page in schema_form.pages(form.pages) for one in (*page.fields, *page.hidden)]
        wanted = {name for page in pages for name in page.get("properties") or {}}
        assert wanted <= {*fields, *form.secrets.get("properties", {})}, place.name
