"""Lint on folders as the command line reads them: links, other checkers, exit codes, formats."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from opsportal.cli.linting import lint as lint_command
from procedures.definitions import registry
from procedures.definitions.codes import TOOLS
from procedures.definitions.lint import tools
from procedures.definitions.load import load_folder
from tests.definitions.bundles import SCRIPT, bundle, lint

ROOT = Path(__file__).resolve().parents[2]


def laid_out(folder: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return folder


def typed(*words: str) -> Result:
    return CliRunner().invoke(lint_command, list(words))


def test_a_symlink_out_of_the_folder_is_found_and_not_followed(tmp_path: Path) -> None:
    folder = laid_out(tmp_path / "a", bundle())
    (folder / "passwd").symlink_to("/etc/passwd")
    found = load_folder(folder, registry.actions()).findings
    assert [(f.code, f.file, f.severity) for f in found] == [("symlink", "passwd", "error")]


def test_a_linked_folder_is_found_too(tmp_path: Path) -> None:
    folder = laid_out(tmp_path / "a", bundle())
    (folder / "etc").symlink_to("/etc")
    assert [f.code for f in load_folder(folder, registry.actions()).findings] == ["symlink"]


def test_yamllint_is_asked_and_its_rule_is_the_code() -> None:
    assert tools.program("yamllint"), "yamllint is in the test lock"
    found = lint(bundle(("[development]", "[development]   ")), tools=TOOLS)
    assert [(f.code, f.severity, f.line) for f in found] == [("yamllint-trailing-spaces", "warning", 8)]


def test_shellcheck_s_rows_become_warnings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """shellcheck itself is a Debian package that not every machine has; this program prints its gcc format."""
    fake = tmp_path / "shellcheck"
    fake.write_text(
        "#!/bin/sh\ngrep -n 'echo [$]' 0.sh | sed 's/:.*/:6: note: Double quote [x] [SC2086]/; s/^/0.sh:/'\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = lint(bundle(one__sh=SCRIPT + "echo $PARAM_WORD\n"), tools=TOOLS)
    assert [(f.code, f.severity, f.line, f.column) for f in found] == [("shellcheck-SC2086", "warning", 4, 6)]


def test_a_checker_is_asked_once_about_the_same_bytes_and_anew_when_they_or_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, asked = tmp_path / "shellcheck", tmp_path / "asked"

    def installed(code: str) -> None:
        fake.with_name("new").write_text(f"#!/bin/sh\necho >>{asked}\necho '0.sh:2:1: note: Odd [x] [{code}]'\n")
        fake.with_name("new").chmod(0o755)
        fake.with_name("new").replace(fake)

    def told(script: str) -> tuple[list[str], int]:
        found = lint(bundle(one__sh=SCRIPT + script), tools=TOOLS)
        return [f.code for f in found], len(asked.read_text())

    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    installed("SC1001")
    assert [told("echo a\n"), told("echo a\n"), told("echo b\n")] == [
        (["shellcheck-SC1001"], 1),
        (["shellcheck-SC1001"], 1),
        (["shellcheck-SC1001"], 2),
    ]
    installed("SC1002")
    assert told("echo a\n") == (["shellcheck-SC1002"], 3)
    fake.write_text(fake.read_text().replace("echo >>", f"[ -e {tmp_path}/slow ] && exec sleep 9; echo >>"))
    (tmp_path / "slow").touch()
    with pytest.MonkeyPatch.context() as impatient:
        impatient.setattr(tools, "SECONDS", 0.2)
        assert told("echo c\n") == ([], 3)
    (tmp_path / "slow").unlink()
    assert told("echo c\n") == (["shellcheck-SC1002"], 4), "no answer is none to remember"


def test_a_checker_that_hangs_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "SECONDS", 0.2)
    assert tools.said(["/bin/sleep", "5"], tmp_path) is None


def test_the_command_ends_as_compilers_do(tmp_path: Path) -> None:
    good, bad = laid_out(tmp_path / "good", bundle()), laid_out(tmp_path / "bad", bundle(("one.sh}", "two.sh}")))
    warned = laid_out(tmp_path / "warned", bundle(left__py="x"))
    assert typed(str(good)).exit_code == 0
    assert typed(str(bad)).exit_code == 1
    assert typed(str(warned)).exit_code == 0
    assert typed("--strict", str(warned)).exit_code == 1
    assert typed().exit_code == 2
    assert typed("--format", "xml", str(good)).exit_code == 2


def test_the_command_speaks_every_format_and_names_its_codes(tmp_path: Path) -> None:
    bad = laid_out(tmp_path / "bad", bundle(("one.sh}", "two.sh}")))
    assert json.loads(typed("--format", "json", str(bad)).stdout)[-1]["code"] == "input"
    assert json.loads(typed("--format", "sarif", str(bad)).stdout)["version"] == "2.1.0"
    assert "\n::error file=procedure.yaml,line=17," in typed("--format", "github", str(bad)).stdout
    assert len(json.loads(typed("--codes").stdout)) > 60


def seen_in_a_terminal(folder: Path, **environ: str) -> str:
    """What the command prints when its output is a terminal."""
    import pty

    ours, theirs = pty.openpty()
    given = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONPATH": str(ROOT), "TERM": "xterm", **environ}
    argv = [sys.executable, "-m", "opsportal.cli.main", "lint", str(folder)]
    subprocess.run(argv, cwd=ROOT, env=given, stdout=theirs, stderr=theirs, timeout=60, check=False)
    os.close(theirs)
    text = os.read(ours, 65536).decode()
    os.close(ours)
    return text


def test_colours_are_for_terminals_and_no_color_turns_them_off(tmp_path: Path) -> None:
    bad = laid_out(tmp_path / "bad", bundle(("one.sh}", "two.sh}")))
    assert "\x1b[31m" in seen_in_a_terminal(bad)
    assert "\x1b" not in seen_in_a_terminal(bad, NO_COLOR="1")
