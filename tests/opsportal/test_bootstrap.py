"""A checkout makes its own environment, mends a broken one, and tells an old Python what is missing."""

from __future__ import annotations

import ast
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from opsportal import bootstrap
from opsportal.bootstrap import Environment
from opsportal.editable import link_project

MANAGE = bootstrap.ROOT / "manage.py"
PROJECT = """
[project]
name = "sample"
version = "2.5"
[project.scripts]
greet = "greeting:main"
[project.entry-points."sample.plugins"]
one = "greeting:main"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose locks are empty, so that nothing is fetched."""
    root = checkout(tmp_path / "checkout")
    monkeypatch.setattr(bootstrap, "ROOT", root)
    return root


def checkout(root: Path) -> Path:
    root.mkdir()
    (root / "pyproject.toml").write_text(PROJECT)
    (root / "greeting.py").write_text("def main():\n    print('good morning')\n    return 0\n")
    for lock in bootstrap.LOCKS.values():
        (root / lock).write_text("")
    return root


@dataclass(frozen=True, slots=True)
class Place:
    """A checkout and its environment, which each test leaves as sound as it found it: making one takes seconds."""

    root: Path
    path: Path

    @property
    def environment(self) -> Environment:
        return Environment(self.path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("shared")
    return Place(checkout(folder / "checkout"), folder / "venv")


@pytest.fixture
def place(shared: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(bootstrap, "ROOT", shared.root)
    shared.environment.require("run")
    return shared


def run(*argv: str | Path) -> str:
    return subprocess.run(list(map(str, argv)), capture_output=True, text=True, check=True).stdout.strip()


def test_old_python_is_told_in_one_sentence() -> None:
    program = f"import sys; sys.version_info = (3, 8, 0); exec(open({str(MANAGE)!r}).read())"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "OpsPortal needs Python 3.11 or newer; this is 3.8. Run the same command with a newer one.\n"


def test_manage_parses_on_any_python_three() -> None:
    module = ast.parse(MANAGE.read_text(), feature_version=(3, 0))
    modern = (ast.JoinedStr, ast.NamedExpr, ast.AnnAssign, ast.AsyncFunctionDef, ast.Match)
    assert not [node for node in ast.walk(module) if isinstance(node, modern)]


def test_environment_is_made_and_knows_the_project(place: Place) -> None:
    assert run(place.path / "bin/greet") == "good morning"
    question = "from importlib.metadata import entry_points, version; print(version('sample'), len(entry_points(group='sample.plugins')))"  # noqa: E501
    assert run(place.environment.python, "-c", question) == "2.5 1"


def test_environment_that_fits_is_left_alone(place: Place) -> None:
    place.environment.require("test")
    (place.path / ".opsportal-run").unlink()
    stamp = place.path / ".opsportal-test"
    before = stamp.stat().st_mtime_ns
    place.environment.require("test")
    place.environment.require("run")
    assert stamp.stat().st_mtime_ns == before
    assert not (place.path / ".opsportal-run").exists()
    stamp.unlink()


def test_interrupted_installation_is_done_again(place: Place) -> None:
    (place.path / ".opsportal-run").unlink()
    (place.path / "bin/greet").unlink()
    place.environment.require("run")
    assert run(place.path / "bin/greet") == "good morning"


def test_changed_lock_is_installed_again(place: Place) -> None:
    former = (place.path / ".opsportal-run").read_text()
    (place.root / "requirements.lock").write_text("# another\n")
    place.environment.require("run")
    assert (place.path / ".opsportal-run").read_text() != former


def test_broken_environment_is_made_anew_and_by_three_starts_at_once_only_once(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.environment.python.unlink()
    place.environment.python.symlink_to("/nowhere/python")
    starts = [threading.Thread(target=place.environment.require, args=("run",)) for _ in range(3)]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    assert capsys.readouterr().err.count("setting up") == 1
    assert run(place.environment.python, "-c", "print('mended')") == "mended"


def test_project_can_be_linked_without_pip(project: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare")
    link_project(project, tmp_path / "bare/bin/python")
    link_project(project, tmp_path / "bare/bin/python")
    assert run(tmp_path / "bare/bin/python", "-c", "import greeting; greeting.main()") == "good morning"


def test_no_bootstrap_leaves_everything_as_it_is(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSPORTAL_NO_BOOTSTRAP", "1")
    monkeypatch.setenv("OPSPORTAL_VENV", str(tmp_path / "venv"))
    bootstrap.prepare(["manage.py", "check"])
    assert not (tmp_path / "venv").exists()


def test_compiled_modules_are_kept_in_the_environment_and_never_beside_the_sources(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", "")
    monkeypatch.setenv("PYTHONPATH", str(project))
    Environment(tmp_path / "venv").keep_bytecode()
    run(sys.executable, "-c", "import greeting")
    assert [path.name for path in (tmp_path / "venv/bytecode").rglob("greeting.*.pyc")]
    assert not (project / "__pycache__").exists()
