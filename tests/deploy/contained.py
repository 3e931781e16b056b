"""Runs a service of docker-compose.yml as the file describes it, without a container engine.

The image's own base cannot be had where tests run. What a container would be is made by bubblewrap: a root of bind
mounts that may not be written, this checkout at its place, fresh /tmp and /run, the volumes and secrets of the service
and no others, its user, no capability.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.deploy.composed import ENVIRONMENTS, ROOT, mounts, services
from tests.fixtures.counterparts import need

PLACE = "/opt/opsportal"
# Volumes of several roles → owner and mode of the image's folder, which a new volume takes; held by test_image.py.
SHARED = {"cards": (0, 0o3775), "backups": (0, 0o3775), "log-public": (10003, 0o755), "witness-policy": (10006, 0o755)}
SHARED |= {"door-web": (10007, 0o710)}
SHARED |= {f"door-{name}": (10021 + number, 0o710) for number, name in enumerate(ENVIRONMENTS)}
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc")


@dataclass(slots=True)
class Engine:
    """Volumes and secrets below `folder`, as an engine keeps them; `values` replace variables of the services."""

    folder: Path
    values: Mapping[str, str]
    binds: Sequence[Path] = ()
    started: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def volume(self, name: str, *, owner: int = 0, mode: int = 0o700) -> Path:
        """A volume; a new one takes owner and mode from the image's folder, as with an engine."""
        path = self.folder / "volumes" / name
        if not path.exists():
            path.mkdir(parents=True)
            os.chown(path, owner, 10000)
            path.chmod(mode)
        return path

    def argv(self, name: str, *command: str, **changed: Any) -> list[str]:
        """The command line of a service; `command` replaces its own, `changed` rows of its description."""
        row = services()[name] | changed
        user, _, group = row["user"].partition(":")
        words = [str(need("bwrap")), *self._root(), "--chdir", PLACE, "--clearenv"]
        for key, value in self._environ(row).items():
            words += ["--setenv", key, value]
        words += self._volumes(name, int(user)) + self._secrets(row)
        who = [
            "setpriv",
            f"--reuid={user}",
            f"--regid={group}",
            "--clear-groups",
            "--no-new-privs",
            "--bounding-set=-all",
        ]
        entry = [sys.executable, "-m", "opsportal.cli.main", *row.get("entrypoint", ["opsportal"])[1:]]
        return [*words, "--remount-ro", "/", "--", *who, "--", *(command or [*entry, *row.get("command", [])])]

    def run(self, name: str, *command: str, **changed: Any) -> subprocess.CompletedProcess[str]:
        """A service that ends by itself, or another command in its place."""
        argv = self.argv(name, *command, **changed)
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)

    def start(self, name: str, **changed: Any) -> subprocess.Popen[bytes]:
        """A service that stays."""
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(self.argv(name, **changed), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.started[name] = process
        return process

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def alive(self, name: str) -> bool:
        """What the image's health check says of a service."""
        return self.run(name, sys.executable, "-S", "-m", "opsportal.alive").returncode == 0

    def stop(self) -> None:
        """End every service as an engine would, last started first."""
        for process in reversed(self.started.values()):
            process.terminate()
        for process in self.started.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)

    def _root(self) -> list[str]:
        words = [
            "--unshare-pid",
            "--unshare-ipc",
            "--unshare-uts",
            "--die-with-parent",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
        ]
        for path in SYSTEM:
            words += ["--symlink", str(Path(path).readlink()), path] if Path(path).is_symlink() else []
            words += ["--ro-bind", path, path] if Path(path).is_dir() and not Path(path).is_symlink() else []
        for path in ("/tmp", "/var/tmp"):
            words += [*_open_way(Path(path)), "--perms", "1777", "--tmpfs", path]
        # As the image has them: whoever is in it reads Python and the packages, wherever they lie on this machine.
        for path in dict.fromkeys([sys.base_prefix, sys.prefix]):
            words += _bound("--ro-bind", path, path)
        for name in ("manage.py", "opsportal", "procedures", "runbooks", "pyproject.toml", "staticfiles"):
            source = self.folder / "image" / name if name == "staticfiles" else ROOT / name
            words += _bound("--ro-bind", source, f"{PLACE}/{name}")
        for path in self.binds:
            words += _bound("--bind", path, path)
        return words

    def _environ(self, row: Mapping[str, Any]) -> dict[str, str]:
        kept = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": PLACE,
            "PYTHONDONTWRITEBYTECODE": "1",
            "OPSPORTAL_NO_BOOTSTRAP": "1",
            "OPSPORTAL_PROFILE": "production",
            "OPSPORTAL_LOG_FORMAT": "json",
        }
        told = {key: str(value) for key, value in row.get("environment", {}).items()}
        return (
            kept | told | {key: value for key, value in self.values.items() if key in told or key == "OPSPORTAL_PORT"}
        )

    def _volumes(self, name: str, user: int) -> list[str]:
        words = []
        for volume, (place, writes) in mounts(name).items():
            if volume.startswith("./"):
                source = self.folder / "identity-providers"
                source.mkdir(exist_ok=True)
            else:
                owner, mode = SHARED.get(volume, (user, 0o700))
                source = self.volume(volume, owner=owner, mode=mode)
            words += _bound("--bind" if writes else "--ro-bind", source, place)
        beats = self.folder / "run" / name
        beats.mkdir(parents=True, exist_ok=True)
        beats.chmod(0o1777)
        return words + _bound("--bind", beats, "/run/opsportal")

    def _secrets(self, row: Mapping[str, Any]) -> list[str]:
        return [
            word
            for name in row.get("secrets", [])
            for word in _bound("--ro-bind", self.folder / "secrets" / name, f"/run/secrets/{name}")
        ]


def _bound(how: str, source: Path | str, place: Path | str) -> list[str]:
    return [*_open_way(Path(place)), how, str(source), str(place)]


def _open_way(path: Path) -> list[str]:
    """Folders on the way that others may pass, where the machine's own would keep them out."""
    ways = [part for part in reversed(path.parents) if str(part) not in {"/", *SYSTEM}]
    return [word for part in ways for word in ("--perms", "0755", "--dir", str(part))]
