"""Makes the environment that a checkout runs in, so that one command works from nothing. Standard library only.

A stamp per set of packages remembers the lock and the Python that it was installed from. It is written last and
under a file lock: an interrupted installation is simply done again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from opsportal.editable import link_project

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {"run": "requirements.lock", "test": "requirements-test.lock", "lint": "requirements-lint.lock"}
NEEDS = {"test": "test", "demo": "test", "bench": "test", "pictures": "test", "lint": "lint"}


def prepare(argv: Sequence[str]) -> None:
    """Make or mend the environment that `argv` needs and go on inside it; returns only when it is there.

    `OPSPORTAL_NO_BOOTSTRAP=1` (images) leaves everything as it is; `OPSPORTAL_VENV` puts the environment elsewhere.
    """
    if os.environ.get("OPSPORTAL_NO_BOOTSTRAP") == "1":
        return
    environment = Environment(Path(os.environ.get("OPSPORTAL_VENV") or ROOT / ".venv").absolute())
    environment.require(NEEDS.get(argv[1] if len(argv) > 1 else "", "run"))
    environment.keep_bytecode()
    if Path(sys.prefix).resolve() != environment.path.resolve():
        sys.stdout.flush()
        os.execv(environment.python, [str(environment.python), str(ROOT / "manage.py"), *argv[1:]])


class Environment:
    """A virtual environment of this checkout."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.python = path / "bin" / "python"

    def require(self, packages: str) -> None:
        """Have one of `LOCKS` installed, and the project itself; cheap when it already is."""
        if self._is_fresh(packages):
            return
        with self._only_one():
            if not self._is_fresh(packages):
                self._install(packages)

    def keep_bytecode(self) -> None:
        """Keep compiled modules in the environment, for this process and all that it starts.

        Where PYTHONDONTWRITEBYTECODE is set each process would compile a thousand modules anew: seconds at every
        start. The checkout itself stays as clean as who set it wants it.
        """
        sys.dont_write_bytecode, sys.pycache_prefix = False, str(self.path / "bytecode")
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix

    def _stamp(self, packages: str) -> Path:
        return self.path / f".opsportal-{packages}"

    def _key(self, packages: str) -> str:
        digest = hashlib.sha256(f"{sys.version}\0{self.path}\0{ROOT}".encode())
        for name in (LOCKS[packages], "pyproject.toml"):
            digest.update((ROOT / name).read_bytes())
        return digest.hexdigest()

    def _is_fresh(self, packages: str) -> bool:
        """Whether the stamp fits. The test lock holds everything of the run lock, so either will do for running."""
        enough = ("run", "test", "lint") if packages == "run" else (packages,)
        return self.python.exists() and any(self._stamp_fits(name) for name in enough)

    def _stamp_fits(self, packages: str) -> bool:
        try:
            return self._stamp(packages).read_text() == self._key(packages)
        except OSError:
            return False

    @contextmanager
    def _only_one(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with Path(f"{self.path}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _install(self, packages: str) -> None:
        began = time.monotonic()
        _say(f"setting up {self.path.name} from {LOCKS[packages]} …")
        uv = _working_uv("uv")
        if not self._runs():
            _make(self.path, uv)
        uv = uv or self._fetched_uv()
        lock = str(ROOT / LOCKS[packages])
        if uv:
            _call([uv, "pip", "install", "-q", "--python", str(self.python), "--require-hashes", "-r", lock])
        else:
            _call([*self._pip(), "install", "-q", "--only-binary=:all:", "--require-hashes", "-r", lock])
        link_project(ROOT, self.python)
        self._stamp(packages).write_text(self._key(packages))
        _say(f"set up in {time.monotonic() - began:.0f} s.")

    def _runs(self) -> bool:
        """Whether there is an interpreter here, of the version that is running now."""
        if not self.python.exists():
            return False
        probe = "import sys; print(sys.version)"
        answer = subprocess.run([str(self.python), "-c", probe], capture_output=True, text=True, check=False)
        return answer.stdout.strip() == sys.version

    def _pip(self) -> list[str]:
        """How pip installs into this environment: its own, or the system's pointed here."""
        if _quiet([str(self.python), "-m", "pip", "--version"]):
            return [str(self.python), "-m", "pip"]
        if _quiet([sys.executable, "-m", "pip", "--version"]):
            return [sys.executable, "-m", "pip", "--python", str(self.python)]
        sys.exit("There is neither uv nor pip here. Install one (on Debian: apt-get install python3-venv), then again.")

    def _fetched_uv(self) -> str | None:
        """uv by pip, hash-checked, into the environment; None where it cannot be had (pip alone is then enough)."""
        fetched = str(self.path / "bin" / "uv")
        if not _working_uv(fetched):
            lock = str(ROOT / "requirements-bootstrap.lock")
            _quiet([*self._pip(), "install", "-q", "--only-binary=:all:", "--require-hashes", "-r", lock])
        return _working_uv(fetched)


def _make(path: Path, uv: str | None) -> None:
    """An empty environment: by uv, by venv, or by venv without pip where ensurepip is missing."""
    if uv and _quiet([uv, "venv", "-q", "--clear", "--python", sys.executable, str(path)]):
        return
    if _quiet([sys.executable, "-m", "venv", "--clear", str(path)]):
        return
    shutil.rmtree(path, ignore_errors=True)
    if not _quiet([sys.executable, "-m", "venv", "--without-pip", str(path)]):
        sys.exit("Python's venv module is missing. Install it (on Debian: apt-get install python3-venv), then again.")


def _working_uv(name: str) -> str | None:
    """The path of a uv that answers; a version manager's stub that leads nowhere does not count."""
    found = shutil.which(name)
    return found if found and _quiet([found, "--version"]) else None


def _quiet(argv: Sequence[str]) -> bool:
    return subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def _call(argv: Sequence[str]) -> None:
    """Run an installer; its own output says what went wrong."""
    ended = subprocess.run(argv, cwd=ROOT, check=False)
    if ended.returncode:
        sys.exit("The packages could not be installed (see above). Check the network and run the same command again.")


def _say(sentence: str) -> None:
    sys.stderr.write(f"opsportal: {sentence}\n")
    sys.stderr.flush()
