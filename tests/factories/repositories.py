"""Git repositories of this test: a bare one that is pushed to, and clones in which people work."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

PROCEDURE = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {{name: {name}}}
spec:
  owner: group:default/x
  type: diagnostic
  risk: low
  environments: [development]
  timeout: 1m
  steps:
    - {{id: one, action: 'local:command', timeout: 5s, input: {{argv: [echo, {word}]}}}}
"""


def git(folder: Path, *words: str, who: str = "ada", mail: str = "", more: tuple[str, ...] = ()) -> str:
    """Run git as somebody; what it printed."""
    mail = mail or f"{who}@example.com"
    environ = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_AUTHOR_NAME": who.title(),
        "GIT_AUTHOR_EMAIL": mail,
        "GIT_COMMITTER_NAME": who.title(),
        "GIT_COMMITTER_EMAIL": mail,
    }
    argv = ["git", "-c", "safe.directory=*", "-c", "protocol.file.allow=always", *more, *words]
    done = subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
    return done.stdout.strip()


@dataclass(slots=True)
class Remote:
    """A bare repository, and one clone of it that everybody shares."""

    bare: Path
    work: Path

    @classmethod
    def make(cls, folder: Path) -> Remote:
        bare, work = folder / "origin.git", folder / "work"
        folder.mkdir(parents=True, exist_ok=True)
        git(folder, "init", "-q", "--bare", "-b", "main", str(bare))
        git(folder, "clone", "-q", str(bare), str(work))
        return cls(bare, work)

    def write(self, name: str, word: str = "hello", **files: str) -> None:
        folder = self.work / "procedures" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "procedure.yaml").write_text(PROCEDURE.format(name=name, word=word))
        (folder / "README.md").write_text("Says something.\n")
        for path, content in files.items():
            (folder / path.replace("__", ".")).write_text(content)

    def commit(self, message: str = "change", *words: str, who: str = "ada", more: tuple[str, ...] = ()) -> str:
        git(self.work, "add", "-A", who=who)
        git(self.work, "commit", "-q", "-m", message, *words, who=who, more=more)
        return git(self.work, "rev-parse", "HEAD")

    def push(self, *words: str) -> None:
        git(self.work, "push", "-q", *words, "origin", "HEAD:main")
