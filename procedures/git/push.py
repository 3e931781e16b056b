"""One commit out of plain files, pushed to one branch of one address: no work tree, no checkout, no force."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from procedures.git.call import GitFailed, Stop, git

REF = "refs/heads/made"
BASE = "refs/heads/base"
_UNSAFE = str.maketrans("", "", "<>\n\r\x00")


@dataclass(frozen=True, slots=True)
class Words:
    """What a commit says: its message, and who made it."""

    message: str
    name: str
    mail: str
    at: int


@dataclass(frozen=True, slots=True)
class Remote:
    """One address and how it is reached. `address` is the one that was judged; git connects to no other.

    `token` goes as basic authorisation; `key` is an SSH private key and `known` its host's known_hosts line.
    """

    url: str
    host: str
    port: int
    address: str
    user: str = ""
    token: bytes = b""
    key: bytes = b""
    known: str = ""
    stop: Stop = field(default_factory=threading.Event)
    seconds: float = 60.0

    @property
    def authorisation(self) -> str:
        """User and token as they stand in the header: secret."""
        return base64.b64encode(f"{self.user}:".encode() + self.token).decode()

    def call(self, folder: Path, words: list[str]) -> bytes:
        """Git against this address. Raises GitFailed."""
        if self.key:
            with _lent(folder, self.key, self.known) as key:
                options = f"-o HostName={self.address} -o HostKeyAlias={self.host} -o UpdateHostKeys=no"
                return git(
                    folder,
                    words,
                    ssh_key=key,
                    ssh_options=options,
                    protocols="ssh",
                    stop=self.stop,
                    seconds=self.seconds,
                )
        where = f"[{self.address}]" if ":" in self.address else self.address
        pinned = [
            ("http.curloptResolve", f"{self.host}:{self.port}:{where}"),
            ("http.followRedirects", "false"),
            ("http.proxy", ""),
            ("protocol.http.allow", "always"),
        ]
        hidden = [("http.extraHeader", f"Authorization: Basic {self.authorisation}")] if self.token else []
        protocols = self.url.partition("://")[0]
        return git(folder, words, more=pinned, hidden=hidden, protocols=protocols, stop=self.stop, seconds=self.seconds)


@contextmanager
def _lent(folder: Path, key: bytes, known: str) -> Iterator[Path]:
    """The key and the known hosts as files that ssh can read, for one call."""
    place, hosts = folder.with_suffix(".key"), folder.with_suffix(".known_hosts")
    try:
        place.touch(mode=0o600)
        place.write_bytes(key)
        hosts.write_text(known + "\n")
        yield place
    finally:
        place.unlink(missing_ok=True)
        hosts.unlink(missing_ok=True)


def make(folder: Path) -> None:
    """An empty bare repository."""
    folder.mkdir(mode=0o700, parents=True)
    git(folder, ["init", "-q", "--bare", "--template="])


def take(folder: Path, remote: Remote, branch: str) -> str:
    """Bring the tip of a branch here, as what the next commit stands on; its id. Raises GitFailed."""
    spec = f"+refs/heads/{branch}:{BASE}"
    remote.call(folder, ["fetch", "-q", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", remote.url, spec])
    return git(folder, ["rev-parse", "--verify", f"{BASE}^{{commit}}"]).decode().strip()


def commit(folder: Path, files: Mapping[str, bytes], words: Words, *, base: str = "") -> str:
    """The id of a commit that holds these files, on top of `base` or of nothing. Raises GitFailed."""
    name, mail = words.name.translate(_UNSAFE).strip() or "unknown", words.mail.translate(_UNSAFE).strip()
    person = f"{name} <{mail}> {words.at} +0000"
    message = words.message.replace("\x00", "").encode()
    parts = [f"commit {REF}\nauthor {person}\ncommitter {person}\ndata {len(message)}\n".encode(), message, b"\n"]
    if base:
        parts.append(f"from {base}\n".encode())
    for path in sorted(files):
        mode = "100755" if files[path][:2] == b"#!" else "100644"
        parts.append(f'M {mode} inline "{_quoted(path)}"\ndata {len(files[path])}\n'.encode())
        parts += [files[path], b"\n"]
    git(folder, ["fast-import", "--quiet", "--date-format=raw"], stdin=b"".join(parts))
    return tip(folder)


def _quoted(path: str) -> str:
    return path.replace("\\", "\\\\").replace('"', '\\"')


def push(folder: Path, remote: Remote, branch: str) -> None:
    """Send the commit to a branch that is new, or that it stands on. Raises GitFailed rather than overwrite."""
    words = ["push", "-q", "--no-verify", "--recurse-submodules=no", "--", remote.url, f"{REF}:refs/heads/{branch}"]
    remote.call(folder, words)


def blob(folder: Path, path: str, *, limit: int) -> bytes | None:
    """One file of the commit, or None where there is no such file. Raises GitFailed for one over the limit."""
    try:
        size = int(git(folder, ["cat-file", "-s", f"{REF}:{path}"]))
    except GitFailed:
        return None
    if size > limit:
        raise GitFailed(f"{path} is larger than {limit:,} bytes.")
    return git(folder, ["cat-file", "blob", f"{REF}:{path}"])


def tip(folder: Path) -> str:
    """The id of the commit that was made here."""
    return git(folder, ["rev-parse", "--verify", f"{REF}^{{commit}}"]).decode().strip()
