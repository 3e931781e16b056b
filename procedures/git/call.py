"""One call of git with an empty environment: nobody's configuration, no hooks, no helpers, no prompts (H37)."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Protocol

from procedures.domain.errors import OpsError

TIMEOUT_S = 60
MAX_OUTPUT = 64 * 1024 * 1024
SCP_LIKE = re.compile(r"^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[A-Za-z0-9._/~-]+$")
PLAIN = re.compile(r"^(ssh|https)://[A-Za-z0-9._@:/~%-]+$")
LOCAL = re.compile(r"^(file://)?/[^\x00-\x1f]*$")
BRANCH = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,200}$")
SAFE = (
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.symlinks", "false"),
    ("core.attributesFile", "/dev/null"),
    ("credential.helper", ""),
    ("fetch.recurseSubmodules", "false"),
    ("gc.auto", "0"),
    ("http.followRedirects", "false"),
    ("maintenance.auto", "false"),
    ("protocol.allow", "never"),
    ("protocol.file.allow", "always"),
    ("protocol.https.allow", "always"),
    ("protocol.ssh.allow", "always"),
    ("safe.directory", "*"),
    ("transfer.fsckObjects", "true"),
)


class Stop(Protocol):
    """Says when a call must end before its time."""

    def is_set(self) -> bool: ...


class GitFailed(OpsError):
    """Git could not do what it was asked; the message is what it said was wrong."""

    code = "git.failed"
    next_step = "Check the source's address, its branch and its deploy key; git's own words say which."


def url_problem(url: str) -> str:
    """Why an address cannot be fetched from, or an empty string."""
    if ".." in url.split("/"):
        return "An address holds no `..`."
    if PLAIN.fullmatch(url) or SCP_LIKE.fullmatch(url) or LOCAL.fullmatch(url):
        return ""
    return "An address is ssh://, https://, user@host:path or an absolute path on this machine."


def branch_problem(branch: str) -> str:
    good = BRANCH.fullmatch(branch) and ".." not in branch and not branch.endswith((".lock", "/"))
    return "" if good else "This is no name of a branch."


def git(
    folder: Path,
    words: Sequence[str],
    *,
    ssh_key: Path | None = None,
    stdin: bytes = b"",
    more: Sequence[tuple[str, str]] = (),
    good: Sequence[int] = (0,),
    hidden: Sequence[tuple[str, str]] = (),
    protocols: str = "ssh:https:file",
    ssh_options: str = "",
    stop: Stop | None = None,
    seconds: float = TIMEOUT_S,
) -> bytes:
    """What git printed. Raises GitFailed, also after `seconds` or when `stop` is set.

    `hidden` are settings that hold a secret: they go by the environment, which only this user can read.
    """
    settings = [word for name, value in (*SAFE, *more) for word in ("-c", f"{name}={value}")]
    environ = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_ALLOW_PROTOCOL": protocols,
        "GIT_SSH_COMMAND": f"{_ssh(folder, ssh_key)} {ssh_options}".strip(),
        "GIT_CONFIG_COUNT": str(len(hidden)),
    }
    for number, (name, value) in enumerate(hidden):
        environ |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    try:
        done = _run(["git", *settings, "--git-dir", str(folder), *words], environ, stdin, stop, seconds)
    except subprocess.TimeoutExpired as problem:
        raise GitFailed(f"git {words[0]} took longer than {seconds:.0f} s.") from problem
    except FileNotFoundError as problem:
        raise GitFailed("There is no git on this machine.") from problem
    if done.returncode not in good:
        raise GitFailed(f"git {words[0]}: {_complaint(done.stderr.decode('utf-8', 'replace'))}")
    if len(done.stdout) > MAX_OUTPUT:
        raise GitFailed(f"git {words[0]} printed more than {MAX_OUTPUT:,} bytes.")
    return done.stdout


def _complaint(said: str) -> str:
    """What git or ssh said was wrong, without hints and the advice that git appends to every failed fetch."""
    before, _, _ = said.partition("Please make sure you have the correct access rights")
    lines = [
        line.strip() for line in before.splitlines() if line.strip() and not line.startswith(("hint:", "warning:"))
    ]
    return "; ".join(lines[-3:])[:500] or "it said nothing"


def _run(
    words: list[str], environ: dict[str, str], stdin: bytes, stop: Stop | None, seconds: float
) -> subprocess.CompletedProcess[bytes]:
    """Git and all that it starts, ended together. Raises TimeoutExpired, GitFailed when `stop` is set."""
    until = time.monotonic() + seconds
    given: bytes | None = stdin
    with subprocess.Popen(
        words,
        env=environ,
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        while True:
            try:
                out, err = process.communicate(given, timeout=0.2 if stop is not None else seconds)
            except subprocess.TimeoutExpired:
                given = None
                if time.monotonic() < until and not (stop is not None and stop.is_set()):
                    continue
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                if stop is not None and stop.is_set():
                    raise GitFailed("git was stopped.") from None
                raise
            return subprocess.CompletedProcess(words, process.returncode, out, err)


def _ssh(folder: Path, key: Path | None) -> str:
    """OpenSSH with the source's own key and known hosts alone; an unknown host is refused, never learned."""
    hosts = quote(f'UserKnownHostsFile="{folder.with_suffix(".known_hosts")}"')
    identity = (
        f"-i {quote(str(key))} -o IdentitiesOnly=yes"
        if key is not None and key.exists()
        else "-o PubkeyAuthentication=no"
    )
    return (
        f"ssh -F /dev/null {identity} -o BatchMode=yes -o StrictHostKeyChecking=yes "
        f"-o {hosts} -o GlobalKnownHostsFile=/etc/ssh/ssh_known_hosts -o ConnectTimeout=15"
    )
