"""Which operations of a repository have a procedure that counts, told to people, programs and code hosts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from opsportal.cli import coverage
from tests.definitions.bundles import bundle

COMPONENT = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: checkout
  annotations: {opsportal.io/operations: "restart, deploy"}
spec: {type: service, lifecycle: production, owner: x}
"""


@pytest.fixture(autouse=True)
def no_portal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPSPORTAL_URL", raising=False)


def procedure(folder: Path, name: str, *swaps: tuple[str, str], drop: str = "", tags: str = "") -> None:
    head = f"{{name: {name}, title: Tidy{f', tags: [{tags}]' if tags else ''}}}"
    for path, content in bundle(("{name: tidy, title: Tidy}", head), *swaps).items():
        if path != drop:
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)


def typed(*words: str) -> Result:
    return CliRunner().invoke(coverage.check_coverage, list(words))


def judged(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(typed(str(folder), "--format", "json").stdout)
    return found


def test_what_a_component_asks_for_is_covered_by_name_or_tag(tmp_path: Path) -> None:
    (tmp_path / "catalog-info.yaml").write_text(COMPONENT)
    procedure(tmp_path / "ops" / "restart-checkout", "restart-checkout")
    assert judged(tmp_path)["share"] == 50
    assert judged(tmp_path)["components"][0]["missing"] == ["deploy"]
    procedure(tmp_path / "ops" / "ship", "ship", tags="deploy")
    assert judged(tmp_path)["share"] == 100


@pytest.mark.parametrize(
    ("lack", "word"),
    [
        ({"drop": "README.md"}, "README.md"),
        ({"drop": "tests/works.yaml"}, "tests"),
        ({"drop": "one.sh"}, "lint: input"),
    ],
    ids=["no README", "no tests", "an error"],
)
def test_a_procedure_that_lacks_something_does_not_count(tmp_path: Path, lack: dict[str, str], word: str) -> None:
    (tmp_path / "catalog-info.yaml").write_text(COMPONENT)
    procedure(tmp_path / "restart", "restart", **lack)
    found = judged(tmp_path)["components"][0]
    assert found["missing"] == ["restart", "deploy"]
    assert found["procedures"][0]["lacks"] == [word]


def test_a_test_that_expects_a_step_that_is_not_there_does_not_count(tmp_path: Path) -> None:
    procedure(tmp_path / "restart", "restart")
    (tmp_path / "restart" / "tests" / "works.yaml").write_text("parameters: {word: a}\nexpect: {order: [gone]}\n")
    assert judged(tmp_path)["components"][0]["procedures"][0]["lacks"] == ["tests/works.yaml: no step gone"]


def test_each_component_has_the_procedures_of_its_own_folder(tmp_path: Path) -> None:
    for name in ("checkout", "search"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "catalog-info.yaml").write_text(COMPONENT.replace("checkout", name))
    procedure(tmp_path / "search" / "ops" / "restart", "restart")
    rows = {one["name"]: one["missing"] for one in judged(tmp_path)["components"]}
    assert rows == {"checkout": ["restart", "deploy"], "search": ["deploy"]}


def test_a_repository_without_a_catalogue_wants_the_standard_operations(tmp_path: Path) -> None:
    found = judged(tmp_path)
    assert (found["share"], found["components"][0]["missing"]) == (0, list(coverage.STANDARD))


def test_below_the_least_share_it_ends_one(tmp_path: Path) -> None:
    (tmp_path / "catalog-info.yaml").write_text(COMPONENT)
    procedure(tmp_path / "restart", "restart")
    assert typed(str(tmp_path), "--min", "50").exit_code == 0
    assert typed(str(tmp_path), "--min", "51").exit_code == 1
    assert "::warning file=" in typed(str(tmp_path), "--format", "github").stdout


def test_the_badge_is_svg_that_says_the_share(tmp_path: Path) -> None:
    (tmp_path / "catalog-info.yaml").write_text(COMPONENT)
    typed(str(tmp_path), "--badge", str(tmp_path / "badge.svg"))
    root = ET.fromstring((tmp_path / "badge.svg").read_text())  # noqa: S314 - written a moment ago by us
    assert root.attrib["aria-label"] == "procedures: 0 %"
