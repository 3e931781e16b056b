"""An author's first minutes without a portal: a new folder, lint, and a try in the sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import SAY, YAML

pytestmark = pytest.mark.once


def typed(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "OPSPORTAL_URL": "http://localhost:9"}
    environ["PYTHONPATH"] = str(Path(__file__).resolve().parent.parent.parent)
    argv = [sys.executable, "-m", "opsportal.cli.main", *words]
    return subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("more", [(), ("--ssh",)])
def test_a_new_folder_lints_clean(tmp_path: Path, more: tuple[str, ...]) -> None:
    made = typed(tmp_path, "new", "free-space", *more)
    assert made.returncode == 0, made.stderr
    done = typed(tmp_path, "lint", "free-space")
    assert (done.returncode, done.stdout.strip()) == (0, "No findings.")
    again = typed(tmp_path, "new", "free-space")
    assert (again.returncode, "nothing was written" in again.stderr) == (1, True)
    assert typed(tmp_path, "new", "Free Space").returncode == 2


def test_a_new_procedure_runs_here_at_once(tmp_path: Path) -> None:
    typed(tmp_path, "new", "free-space")
    done = typed(tmp_path, "run", "--local", "free-space", "--service", "checkout")
    assert (done.returncode, done.stdout) == (0, "working on checkout\n"), done.stderr
    assert "no evidence" in done.stderr
    bad = typed(tmp_path, "run", "--local", "free-space", "--service", "CHECKOUT")
    assert (bad.returncode, "/parameters/service" in bad.stderr) == (2, True)
    assert typed(tmp_path, "run", "--local", "nowhere").returncode == 2


def test_what_needs_a_credential_is_named_and_not_run(tmp_path: Path) -> None:
    typed(tmp_path, "new", "restart", "--ssh")
    done = typed(tmp_path, "run", "--local", "restart", "--service", "checkout")
    assert (done.returncode, done.stdout) == (1, "")
    assert "work: not run, ssh:script needs a portal" in done.stderr


def test_secrets_are_masked_and_failures_told_here_too(tmp_path: Path) -> None:
    folder = tmp_path / "greet"
    folder.mkdir()
    for name, text in {"procedure.yaml": YAML, "say.sh": SAY, "README.md": "x"}.items():
        (folder / name).write_text(text)
    (tmp_path / "token").write_text("s3cret-t0ken-value\n")
    words = ["run", "--local", "greet", "--who", "Ada", "--secret", "token=@token"]
    done = typed(tmp_path, *words)
    assert (done.returncode, "token is ***" in done.stdout) == (0, True), done.stdout + done.stderr
    assert "s3cret" not in done.stdout + done.stderr
    failed = typed(tmp_path, "run", "--local", "greet", "--who", "nobody")
    assert (failed.returncode, "exit status 3" in failed.stderr) == (1, True)


RUNBOOKS = Path(__file__).resolve().parent.parent.parent / "runbooks"


@pytest.mark.parametrize("name", sorted(path.name for path in RUNBOOKS.iterdir()))
def test_every_shipped_runbook_passes_its_own_tests(tmp_path: Path, name: str) -> None:
    done = typed(tmp_path, "test", str(RUNBOOKS / name))
    assert (done.returncode, "ok  " in done.stdout) == (0, True), done.stdout + done.stderr


def test_a_new_procedure_s_test_passes_and_fails_when_its_script_changes(tmp_path: Path) -> None:
    typed(tmp_path, "new", "restart", "--ssh")
    good = typed(tmp_path, "test", "restart")
    assert (good.returncode, "ran work in the sandbox" in good.stdout) == (0, True), good.stdout + good.stderr
    script = tmp_path / "restart" / "work.sh"
    script.write_text(script.read_text().replace("service=$PARAM_SERVICE", "service=other"))
    bad = typed(tmp_path, "test", "restart", "--json")
    assert (bad.returncode, "gave service = 'other'" in bad.stdout) == (1, True), bad.stdout


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("expect: {}", "expects nothing"),
        ("expect: {order: [x]}\nparameters: {service: checkout}", "the order is work"),
        ("expect: {steps: {nothing: {exit: 0}}}\nparameters: {service: checkout}", "the step nothing"),
        ("expect: {order: [work]}\nparameters: {}", "the parameters are refused"),
        ("expect: {refused: [/parameters/service]}\nparameters: {service: checkout}", "were to be refused"),
        ("expect: {order: [work]}\nparamters: {}", "the key paramters"),
        ("[: :", "is not YAML"),
    ],
)
def test_a_test_that_does_not_hold_says_what_differs(tmp_path: Path, text: str, told: str) -> None:
    typed(tmp_path, "new", "one")
    (tmp_path / "one" / "tests" / "works.yaml").write_text(text)
    done = typed(tmp_path, "test", "one")
    assert (done.returncode, told in done.stdout) == (1, True), done.stdout + done.stderr


def test_run_local_has_neither_issuer_nor_database_nor_portal_in_reach(tmp_path: Path) -> None:
    """What is not in the process cannot be asked (H15)."""
    typed(tmp_path, "new", "free-space")
    program = (
        "import sys\nfrom opsportal.cli.main import main\n"
        "sys.argv = ['opsportal', 'run', '--local', 'free-space', '--service', 'checkout']\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    print('ended', ended.code)\n"
        "known = ('procedures.issuer', 'procedures.services', 'procedures.models', 'procedures.runner', 'django')\n"
        "print([name for name in known if name in sys.modules])"
    )
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(RUNBOOKS.parent)}
    argv = [sys.executable, "-c", program]
    done = subprocess.run(argv, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip().endswith("[]"), done.stdout + done.stderr
    assert "no evidence" in done.stderr


@pytest.mark.parametrize("words", [("submit",), ("test",), ("run", "--local"), ("lint",)])
def test_a_folder_too_big_is_refused_in_words_whatever_is_done_with_it(tmp_path: Path, words: tuple[str, ...]) -> None:
    typed(tmp_path, "new", "free-space")
    (tmp_path / "free-space" / "data.bin").write_bytes(bytes(5_300_000))
    done = typed(tmp_path, *words, "free-space")
    said = done.stdout + done.stderr
    assert (done.returncode, "Traceback" in said, "more than 5 MiB" in said) == (1, False, True), said


def test_a_broken_file_of_parameters_is_named_with_its_place(tmp_path: Path) -> None:
    typed(tmp_path, "new", "free-space")
    for text, why in (("{bad", "line 1 column 2"), ("[1]", "holds no JSON object"), ("\udcff", "is no JSON")):
        (tmp_path / "p.json").write_bytes(text.encode(errors="surrogateescape"))
        done = typed(tmp_path, "run", "--local", "free-space", "--parameters", "p.json")
        assert (done.returncode, "Traceback" in done.stderr, why in done.stderr) == (2, False, True), done.stderr


def test_what_is_wrong_and_how_to_mend_it_are_two_sentences(tmp_path: Path) -> None:
    typed(tmp_path, "new", "free-space")
    with (tmp_path / "free-space" / "procedure.yaml").open("a") as file:
        file.write("  : [unclosed\n")
    for form in ("text", "github", "sarif"):
        done = typed(tmp_path, "lint", "free-space", "--format", form)
        assert "did not find expected key. Write plain YAML" in done.stdout, done.stdout
