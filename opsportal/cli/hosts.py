"""Scripts on hosts with a person's own login: over ssh, against the confirmed host key, on many at once."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import click

from opsportal.cli.portal import FAILED, ask

AT_ONCE = 16
CONNECT_S, LONGEST_S = 10, 120
AGAIN_S = (0.3, 0.7, 2.0)
T = TypeVar("T")


class NotReached(Exception):
    """A host that did not let the person in, in words why."""


@dataclass(frozen=True, slots=True)
class Login:
    """`who` is USER, or USER@HOST for a single host; `identity` a key file, else the agent's keys."""

    who: str = "root"
    identity: Path | None = None

    def at(self, address: str) -> str:
        return self.who if "@" in self.who else f"{self.who}@{address}"


def run_on(found: dict[str, Any], login: Login, text: str) -> subprocess.CompletedProcess[str]:
    """What a script says on the target `found`, which must show its confirmed key. Raises NotReached.

    A port that refuses is tried again for some seconds: an sshd that reads its configuration anew is away for a moment.
    """
    port, who = str(found["port"]), login.at(found["address"])
    host = who.rpartition("@")[2]
    with tempfile.NamedTemporaryFile("w", suffix=".known_hosts") as known:
        known.write(f"{host if port == '22' else f'[{host}]:{port}'} {found['public_host_key']}\n")
        known.flush()
        words = ["ssh", "-F", "/dev/null", "-p", port, "-o", f"UserKnownHostsFile={known.name}"]
        words += ["-o", "StrictHostKeyChecking=yes", "-o", "GlobalKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]
        words += ["-o", f"ConnectTimeout={CONNECT_S}", "-o", "LogLevel=ERROR", "-T"]
        words += ["-i", str(login.identity), "-o", "IdentitiesOnly=yes"] if login.identity else []
        for wait in (*AGAIN_S, 0.0):
            done = _tried([*words, "--", who, "sh -s"], text, who)
            if done.returncode != 255 or "refused" not in done.stderr:
                break
            time.sleep(wait)
    if done.returncode == 255:
        raise NotReached(f"{who} was not reached: {done.stderr.strip() or 'no reason given'}")
    return done


def _tried(words: list[str], text: str, who: str) -> subprocess.CompletedProcess[str]:
    given: dict[str, Any] = {"input": text, "capture_output": True, "text": True, "check": False}
    try:
        return subprocess.run(words, timeout=LONGEST_S, **given)
    except subprocess.TimeoutExpired as problem:
        raise NotReached(f"{who} did not finish within {LONGEST_S} s") from problem


def chosen(names: tuple[str, ...], environment: str, matching: str) -> list[dict[str, Any]]:
    """The targets that were named, or all of an environment, with their confirmed keys. Ends 1 if there are none."""
    if bool(names) == bool(environment):
        raise click.UsageError("Name targets, or give --environment (and --filter).")
    if not names:
        asked = urlencode({"environment": environment, "filter": matching})
        names = tuple(row["name"] for row in ask("GET", f"/api/v1/targets/?{asked}")["results"])
    if not names:
        click.echo("No target matches. See: opsportal target list", err=True)
        raise SystemExit(FAILED)
    return [ask("GET", f"/api/v1/targets/{name}/") for name in names]


def on_each(rows: Iterable[dict[str, Any]], work: Callable[[dict[str, Any]], T]) -> list[T]:
    """`work` for each target, 16 at once, in their order. One that is not reached must not raise."""
    with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="host") as pool:
        return list(pool.map(work, rows))
