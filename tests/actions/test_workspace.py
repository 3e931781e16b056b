"""`fetch:template`, `fetch:plain`, `fs:*` and `debug:log` in a real folder, with names that try to leave it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from procedures.actions import fetch, workspace
from procedures.actions.fetch import FetchPlain, FetchTemplate
from procedures.actions.files import DebugLog, FsDelete, FsRename
from procedures.domain.ports import Action, ActionResult, NoWorkspace, Workspace
from tests.actions.calls import Collected, call

SKELETON: Mapping[str, bytes] = {
    "skeleton/README.md": b"# ${{ values.name }}\n",
    "skeleton/src/${{ values.package }}/main.go": b"package ${{ values.name }}\n",
    "skeleton/${{ 'go.mod' if values.go }}": b"module x\n",
    "skeleton/.github/workflows/ci.yaml": b"run: ${{ github.sha }}\n",
    "skeleton/chart/values.yaml": b"image: {{ .Values.image }}\n",
    "skeleton/logo.png": b"\x89PNG\x00${{ values.name }}",
    "procedure.yaml": b"",
}
VALUES = {"name": "pay", "package": "com/acme/pay", "go": True}


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    found = Workspace(tmp_path / "files", tmp_path / "published")
    found.files.mkdir()
    return found


def act(
    action: Action, space: Workspace, given: Mapping[str, Any], files: Mapping[str, bytes] = SKELETON
) -> ActionResult:
    return action.run(call(input=given, files=files, workspace=space), Collected())


def held(space: Workspace) -> dict[str, bytes]:
    return {path: place.read_bytes() for path, place in workspace.listed(space.files)}


def test_a_skeleton_is_filled_in_names_and_all(space: Workspace) -> None:
    given = {"url": "./skeleton", "values": VALUES, "copyWithoutTemplating": [".github/workflows/*"]}
    result = act(FetchTemplate(), space, given)
    assert result.outcome == "succeeded", result.message
    assert held(space) == {
        ".github/workflows/ci.yaml": b"run: ${{ github.sha }}\n",
        "README.md": b"# pay\n",
        "chart/values.yaml": b"image: {{ .Values.image }}\n",
        "go.mod": b"module x\n",
        "logo.png": b"\x89PNG\x00${{ values.name }}",
        "src/com/acme/pay/main.go": b"package pay\n",
    }


def test_a_name_that_becomes_empty_leaves_the_file_out(space: Workspace) -> None:
    act(FetchTemplate(), space, {"url": "./skeleton", "values": {**VALUES, "go": False}, "targetPath": "./below"})
    assert "below/README.md" in held(space)
    assert "below/go.mod" not in held(space)


def test_what_stands_is_kept_unless_replace_is_said(space: Workspace) -> None:
    (space.files / "README.md").write_text("mine")
    act(FetchTemplate(), space, {"url": "./skeleton", "values": VALUES})
    assert held(space)["README.md"] == b"mine"
    act(FetchTemplate(), space, {"url": "./skeleton", "values": VALUES, "replace": True})
    assert held(space)["README.md"] == b"# pay\n"


def test_an_ending_marks_the_templates(space: Workspace) -> None:
    files = {"t/a.txt.njk": b"${{ values.name }}", "t/b.txt": b"${{ values.name }}"}
    act(FetchTemplate(), space, {"url": "./t", "values": VALUES, "templateFileExtension": True}, files)
    assert held(space) == {"a.txt": b"pay", "b.txt": b"${{ values.name }}"}


def test_cookiecutter_files_are_read_as_such(space: Workspace) -> None:
    files = {"t/{{ cookiecutter.name }}.txt": b"{{ cookiecutter.name }} ${{ values.name }}"}
    act(FetchTemplate(), space, {"url": "./t", "values": VALUES, "cookiecutterCompat": True}, files)
    assert held(space) == {"pay.txt": b"pay $pay"}


@pytest.mark.parametrize(
    "name", ["../../escape", "/etc/x", "a/../../x", ".git/hooks/x", ".GIT/config", "a\nb", "a\\b", "x" * 300, "git~1/x"]
)
def test_a_value_leads_no_file_out_of_the_workspace(space: Workspace, name: str) -> None:
    files = {"t/${{ values.name }}": b"owned"}
    result = act(FetchTemplate(), space, {"url": "./t", "values": {"name": name}}, files)
    assert result.facts == {"refused": "workspace.path-refused"}
    below = act(FetchTemplate(), space, {"url": "./t", "targetPath": name, "values": {"name": "ok"}}, files)
    assert below.facts == {"refused": "workspace.path-refused"}
    assert held(space) == {}


def test_nothing_passes_through_a_link(space: Workspace, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (space.files / "a").symlink_to(tmp_path / "outside")
    files = {"t/a/x": b"owned"}
    assert act(FetchPlain(), space, {"url": "./t"}, files).facts["refused"] == "workspace.path-refused"
    assert not list((tmp_path / "outside").iterdir())


def test_a_template_that_reaches_out_fails_and_says_where(space: Workspace) -> None:
    result = act(FetchTemplate(), space, {"url": "./t"}, {"t/a": b"x\n${{ values.__class__ }}"})
    assert result.outcome == "failed"
    assert result.message.startswith("a, ")
    assert held(space) == {}


def test_a_heap_of_slow_templates_ends(space: Workspace, monkeypatch: Any) -> None:
    monkeypatch.setattr(fetch, "SECONDS", 0.0)
    result = act(FetchTemplate(), space, {"url": "./skeleton", "values": VALUES})
    assert "longer than" in result.message


def test_a_workspace_has_room_for_so_much(space: Workspace, monkeypatch: Any) -> None:
    monkeypatch.setattr(workspace, "MAX_BYTES", 10)
    assert act(FetchPlain(), space, {"url": "./t"}, {"t/a": b"x" * 11}).outcome == "failed"


@pytest.mark.parametrize(
    "url", ["https://github.com/x/y", "git@github.com:x/y", "/etc", ".", "a/../../b", "https://${{ parameters.h }}/x"]
)
def test_nothing_is_fetched_that_nobody_reviewed(space: Workspace, url: str) -> None:
    for action in (FetchTemplate(), FetchPlain()):
        assert action.check({"url": url}, {})
        if "parameters" not in url:
            assert act(action, space, {"url": url}).outcome == "failed"
    assert not FetchPlain().check({"url": "${{ parameters.kind }}"}, {})
    assert FetchPlain().check({"url": "${{ steps.a.output.kind }}"}, {})


def test_a_plan_names_every_file_by_its_hash() -> None:
    given = {"url": "./skeleton", "values": VALUES}
    plan = FetchTemplate().plan(call(input=given, files=SKELETON))
    assert [row[0] for row in plan["files"]] == sorted(row[0] for row in plan["files"])
    other = FetchTemplate().plan(call(input={**given, "values": {**VALUES, "name": "other"}}, files=SKELETON))
    assert plan["files"] != other["files"]


def test_files_are_renamed_and_deleted(space: Workspace) -> None:
    for path in ("a/one.txt", "a/two.md", "b/three.txt", "four"):
        workspace.write(space.files, path, path.encode())
    assert act(FsRename(), space, {"files": [{"from": "a", "to": "c/d"}]}).outcome == "succeeded"
    assert act(FsRename(), space, {"files": [{"from": "four", "to": "b/three.txt"}]}).outcome == "failed"
    assert (
        act(FsRename(), space, {"files": [{"from": "four", "to": "b/three.txt", "overwrite": True}]}).outcome
        == "succeeded"
    )
    assert act(FsRename(), space, {"files": [{"from": "../x", "to": "y"}]}).outcome == "failed"
    assert act(FsRename(), space, {"files": [{"from": "c", "to": "c/d/e"}]}).outcome == "failed"
    assert sorted(held(space)) == ["b/three.txt", "c/d/one.txt", "c/d/two.md"]
    assert act(FsDelete(), space, {"files": ["c/**/*.md", "b"]}).outcome == "succeeded"
    assert sorted(held(space)) == ["c/d/one.txt"]
    assert act(FsDelete(), space, {"files": ["../**"]}).outcome == "failed"


def test_the_log_shows_what_the_workspace_holds(space: Workspace) -> None:
    workspace.write(space.files, "a/b", b"held")
    io = Collected()
    DebugLog().run(call(input={"message": "here", "listWorkspace": "with-contents"}, workspace=space), io)
    assert io.text == "here\na/b, 4 bytes\nheld\n"


def test_outside_a_run_there_is_no_workspace() -> None:
    with pytest.raises(NoWorkspace):
        call().shared()
