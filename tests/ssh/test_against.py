"""`opsportal test --against`: a folder's tests meet a real sshd, with the author's own key and nothing of a portal."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from opsportal.demo.hosts import Host
from procedures.domain.sshkeys import fingerprint
from tests.fixtures.counterparts import need
from tests.house import tree

PROCEDURE = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: mark, title: Mark, description: Leaves a mark on a host.}
spec:
  owner: group:default/x
  type: operation
  risk: moderate
  environments: [staging]
  timeout: 1m
  parameters: {required: [text], properties: {text: {type: string, title: T, description: A text., maxLength: 99}}}
  targets: {filter: "role=web", strategy: {mode: rolling, batch: 100%, maxFailures: 0}}
  credentials: {deploy: {kind: ssh, ttl: 5m}}
  steps:
    - {id: put, action: ssh:copy, credentials: [deploy], timeout: 20s, input: {file: mark.txt, to: /PLACE/mark.txt}}
    - id: read
      action: ssh:script
      credentials: [deploy]
      timeout: 20s
      input: {script: read.sh, env: {PLACE: /PLACE}}
      onFailure: rollback
    - id: say
      action: ssh:command
      credentials: [deploy]
      timeout: 20s
      input: {argv: [test, "${{ steps.read.output.seen }}", "=", marked]}
  rollback:
    - {id: undo, action: ssh:command, credentials: [deploy], timeout: 20s, input: {argv: [touch, /PLACE/undone]}}
  always:
    - {id: tidy, action: ssh:command, credentials: [deploy], timeout: 20s, input: {argv: [touch, /PLACE/tidied]}}
"""
READ = """\
#!/bin/sh
echo "host says $PARAM_TEXT"
[ "$PARAM_TEXT" = bad ] && exit 7
echo "seen=$(cat "$PLACE/mark.txt")" >>"$OPSPORTAL_OUTPUT"
"""
GIVEN = "parameters: {text: fine}\nenvironment: staging\ntargets: [{name: web-01}]\n"
GOOD = GIVEN + "expect: {outcome: succeeded, steps: {read: {exit: 0, output: {seen: marked}}}}\n"
BAD = GIVEN.replace("fine", "bad")


@dataclass(slots=True)
class Desk:
    """An author's folder, home and keys, and the host that the author may enter."""

    host: Host
    home: Path

    @property
    def known(self) -> str:
        return f"[127.0.0.1]:{self.host.port} {self.host.host_key}\n"

    @property
    def at(self) -> str:
        return f"{self.host.account}@127.0.0.1:{self.host.port}"

    def marks(self) -> set[str]:
        """What steps left on the host, taken away for the next look."""
        found = {path.name for path in (self.host.home / "work").iterdir()}
        for name in found:
            (self.host.home / "work" / name).unlink()
        return found

    def knows(self, text: str) -> None:
        (self.home / ".ssh" / "known_hosts").write_text(text)

    def type(self, test: str, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """One `opsportal test` over the folder with this one test."""
        (self.home / "mark" / "tests" / "one.yaml").write_text(test)
        env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "PYTHONPATH": str(tree.ROOT), **environ}
        argv = [sys.executable, "-m", "opsportal.cli.main", "test", "mark", *words]
        return subprocess.run(argv, cwd=self.home, env=env, capture_output=True, text=True, timeout=90, check=False)

    def against(self, test: str, *more: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return self.type(test, "--against", f"web-01={self.at}", "--key", str(self.home / "own"), *more, **environ)


@pytest.fixture(scope="module")
def place(host_number: int) -> Iterator[Desk]:
    need("sshd")
    with tempfile.TemporaryDirectory(prefix="opsportal-against-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        host = Host("web-01", folder / "web-01", 204 + host_number)
        host.start()
        home = folder / "author"
        for part in (".ssh", "mark/tests"):
            (home / part).mkdir(parents=True)
        for key in ("own", "other"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / key)], check=True)
        host.trust(keys=(home / "own.pub").read_text())
        work = host.home / "work"
        work.mkdir()
        os.chown(work, host.uid, -1)
        procedure = PROCEDURE.replace("/PLACE", str(work))
        files = {"procedure.yaml": procedure, "read.sh": READ, "mark.txt": "marked\n", "README.md": "# Mark\n"}
        for path, text in files.items():
            (home / "mark" / path).write_text(text)
        try:
            yield Desk(host, home)
        finally:
            host.stop()


@pytest.fixture
def desk(place: Desk) -> Desk:
    place.knows(place.known)
    place.marks()
    return place


def test_every_ssh_step_runs_on_the_named_host_and_is_called_real(desk: Desk) -> None:
    done = desk.against(GOOD)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "real targets answered put (web-01), read (web-01), say (web-01), tidy (web-01)" in done.stdout
    assert done.stderr.count("no evidence; with your own rights there") == 1
    assert desk.marks() == {"mark.txt", "tidied"}
    without = desk.type(GIVEN + "expect: {order: [put, read, say, tidy]}\nrecorded: {read: {output: {seen: marked}}}\n")
    assert (without.returncode, "real" in without.stdout, desk.marks()) == (0, False, set()), without.stdout


def test_what_is_expected_meets_what_the_host_really_answered(desk: Desk) -> None:
    wrong = desk.against(GOOD.replace("seen: marked", "seen: other"))
    assert (wrong.returncode, "read on web-01 (real) gave seen = 'marked', expected was 'other'" in wrong.stdout) == (
        1,
        True,
    ), wrong.stdout
    assert desk.marks() == {"mark.txt", "tidied"}, "the host is left as a run would leave it"
    foreseen = desk.against(
        BAD + "expect: {outcome: failed, order: [put, read, undo, tidy], steps: {read: {exit: 7}}}\n"
    )
    assert (foreseen.returncode, desk.marks()) == (0, {"mark.txt", "undone", "tidied"}), foreseen.stdout


def test_a_failure_that_no_test_expects_is_told_with_the_hosts_words_and_still_undone(desk: Desk) -> None:
    for test in (BAD + "expect: {order: [put, read, undo, tidy]}\n", BAD + "expect: {steps: {read: {exit: 0}}}\n"):
        done = desk.against(test)
        assert (done.returncode, "read on web-01 (real) ended 7" in done.stdout) == (1, True), done.stdout
        assert "host says bad" in done.stdout
        assert desk.marks() == {"mark.txt", "undone", "tidied"}


def test_a_target_that_is_not_named_stays_recorded(desk: Desk) -> None:
    both = GIVEN.replace("[{name: web-01}]", "[{name: web-01}, {name: web-02}]")
    answers = "".join(f"  {step}: {{web-02: {{}}}}\n" for step in ("put", "say", "tidy"))
    answers += "  read: {web-02: {output: {seen: marked}}}\n"
    done = desk.against(f"{both}recorded:\n{answers}expect: {{outcome: succeeded}}\n")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "recorded answers stood for put, read, say, tidy; real targets answered put (web-01)" in done.stdout
    assert desk.marks() == {"mark.txt", "tidied"}


def test_a_test_that_gets_stuck_halfway_still_does_on_the_host_what_is_always_done(desk: Desk) -> None:
    both = GIVEN.replace("[{name: web-01}]", "[{name: web-01}, {name: web-02}]")
    done = desk.against(f"{both}recorded: {{read: {{web-03: {{}}}}}}\nexpect: {{order: [put, read, say, tidy]}}\n")
    assert (done.returncode, "records no answer of web-02 to read" in done.stdout) == (1, True), done.stdout
    assert desk.marks() == {"mark.txt", "tidied"}


def test_an_unknown_host_is_refused_with_its_fingerprint_and_the_line_that_accepts_it(desk: Desk) -> None:
    for known in (
        "",
        desk.known.replace("[127.0.0.1]", "[127.0.0.2]"),
        f"@revoked * {desk.host.host_key}\n{desk.known}",
    ):
        desk.knows(known)
        seen = desk.host.log.count("Accepted publickey")
        done = desk.against(GOOD)
        assert (done.returncode, done.stdout) == (1, ""), done.stdout
        assert fingerprint(desk.host.host_key) in done.stderr
        assert desk.known in done.stderr
        assert (desk.home / ".ssh" / "known_hosts").read_text() == known, "nothing is accepted by itself"
        assert (desk.host.log.count("Accepted publickey"), desk.marks()) == (seen, set())
    (desk.home / "elsewhere").write_text(desk.known)
    assert desk.against(GOOD, "--known-hosts", "elsewhere").returncode == 0


def test_a_host_with_another_key_than_the_known_one_is_not_entered(desk: Desk) -> None:
    other = " ".join((desk.home / "other.pub").read_text().split()[:2])
    desk.knows(f"[127.0.0.1]:{desk.host.port} {other}\n")
    seen = desk.host.log.count("Accepted publickey")
    done = desk.against(GOOD)
    assert (done.returncode, "shows another host key" in done.stderr) == (1, True), done.stderr
    assert (desk.host.log.count("Accepted publickey"), desk.marks()) == (seen, set())


def test_a_key_that_opens_nothing_and_a_host_that_is_not_there_end_before_any_step(desk: Desk) -> None:
    done = desk.type(GOOD, "--against", f"web-01={desk.at}", "--key", "other")
    assert (done.returncode, "does not let" in done.stderr, "Nothing was run" in done.stderr) == (1, True, True)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        away = desk.at.replace(str(desk.host.port), str(port))
        for known in ("", desk.known.replace(str(desk.host.port), str(port))):
            desk.knows(known)
            done = desk.type(GOOD, "--against", f"web-01={away}", "--key", "own")
            assert (done.returncode, "does not answer" in done.stderr) == (1, True), done.stderr
    assert desk.marks() == set()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--against", "web-09=deploy@127.0.0.1", "--key", "own"), "No test names a target web-09; they name web-01."),
        (("--against", "web-01=127.0.0.1", "--key", "own"), "is not NAME=USER@HOST[:PORT]"),
        (("--against", "web-01=-oProxyCommand=x@127.0.0.1", "--key", "own"), "is not NAME=USER@HOST[:PORT]"),
        (("--against", "web-01=a@h:0", "--key", "own"), "is not NAME=USER@HOST[:PORT]"),
        (("--against", "web-01=a@h", "--against", "web-01=a@i", "--key", "own"), "web-01 is named twice"),
        (("--against", "web-01=a@h"), "needs --key"),
        (("--against", "web-01=a@h", "--key", "mark/README.md"), "holds no OpenSSH private key"),
        (("--against", "web-01=a@h", "--key", "nowhere"), "does not exist"),
        (("--key", "own"), "go with --against alone"),
    ],
)
def test_words_that_cannot_be_meant_end_2(desk: Desk, words: tuple[str, ...], told: str) -> None:
    done = desk.type(GOOD, *words)
    assert (done.returncode, told in " ".join(done.stderr.split())) == (2, True), done.stderr


def test_an_agent_signs_for_a_public_key_and_one_that_it_does_not_hold_is_named(desk: Desk) -> None:
    need("ssh")
    place = desk.home / "agent.sock"
    started = subprocess.run(["ssh-agent", "-a", str(place)], capture_output=True, text=True, check=True)
    pid = int(started.stdout.split("SSH_AGENT_PID=")[1].split(";")[0])
    try:
        env = {"SSH_AUTH_SOCK": str(place)}
        subprocess.run(["ssh-add", "-q", "own"], cwd=desk.home, env={**os.environ, **env}, check=True)
        words = ("--against", f"web-01={desk.at}", "--key")
        done = desk.type(GOOD, *words, "own.pub", **env)
        assert (done.returncode, desk.marks()) == (0, {"mark.txt", "tidied"}), done.stdout + done.stderr
        for more in ({"key": "other.pub", **env}, {"key": "own.pub"}):
            done = desk.type(GOOD, *words, more.pop("key"), **more)
            assert (done.returncode, "agent does not hold this key" in done.stderr) == (1, True), done.stderr
    finally:
        os.kill(pid, signal.SIGTERM)


def test_it_knows_neither_django_nor_issuer_and_shows_no_key(desk: Desk) -> None:
    """What is not in the process cannot be asked (H15)."""
    program = (
        "import sys\nfrom opsportal.cli.main import main\n"
        f"sys.argv = ['opsportal', 'test', 'mark', '--against', 'web-01={desk.at}', '--key', 'own', '--json']\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    print('ended', ended.code, file=sys.stderr)\n"
        "known = ('procedures.issuer', 'procedures.services', 'procedures.models', 'procedures.runner', 'django')\n"
        "print([name for name in known if name in sys.modules], file=sys.stderr)"
    )
    (desk.home / "mark" / "tests" / "one.yaml").write_text(GOOD)
    env = {"PATH": os.environ["PATH"], "HOME": str(desk.home), "PYTHONPATH": str(tree.ROOT)}
    argv = [sys.executable, "-c", program]
    done = subprocess.run(argv, cwd=desk.home, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr.strip().endswith("[]"), done.stderr
    [row] = json.loads(done.stdout)
    assert (row["ok"], "real targets answered" in row["told"]) == (True, True)
    body = (desk.home / "own").read_text().splitlines()[1]
    assert body not in done.stdout + done.stderr
