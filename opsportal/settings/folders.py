"""What the embedded default keeps in its data folder: private folders, a secret made once, the broker's socket."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

LONGEST_SOCKET_PATH = 100


def private(folder: Path) -> Path:
    """The folder, made if need be, for its owner alone (0700). Refuses one that belongs to somebody else."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_uid != os.geteuid():
        raise SystemExit(f"{folder} belongs to another user. Choose another OPSPORTAL_DATA_DIR or run as its owner.")
    if stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)
    return folder


def kept_secret(path: Path) -> str:
    """The secret in `path`, made on first use. Of several processes that come at once all get the same one."""
    with suppress(FileNotFoundError):
        return path.read_text().strip()
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_urlsafe(48))
    with suppress(FileExistsError):
        os.link(draft, path)
    Path(draft).unlink()
    return path.read_text().strip()


def broker_socket(data_dir: Path) -> Path:
    """Where the embedded broker listens: in the data folder, or in a private short one if that path is too long."""
    natural = data_dir / "broker" / "socket"
    if len(str(natural)) <= LONGEST_SOCKET_PATH:
        return natural
    short = hashlib.sha256(str(data_dir).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"opsportal-{os.geteuid()}-{short}" / "socket"


def egress_socket(data_dir: Path) -> Path:
    """Where the embedded egress process listens: beside the broker, in a folder of this user alone."""
    return broker_socket(data_dir).with_name("egress")


def broker_url(data_dir: Path) -> str:
    """The embedded broker as kombu names it."""
    return f"redis+socket://{broker_socket(data_dir)}"
