"""`--against NAME=USER@HOST[:PORT]`: a test's targets as real hosts, reached with the author's own key.

The portal has no part in it, and no pool can get here (H15): the walk that reaches hosts lives with the command alone.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from procedures.domain import plan
from procedures.domain.clock import now
from procedures.domain.definition import Definition, Step
from procedures.domain.errors import OpsError
from procedures.domain.ports import Action, ActionCall, ActionResult, Lease, Target
from procedures.domain.secrets import Secret
from procedures.domain.sshkeys import fingerprint
from procedures.inventories.known_hosts import keys_of
from procedures.ssh.accounts import ACCOUNT
from procedures.ssh.agent import NotHeld
from procedures.ssh.transport import HostKeyRefused, Unreachable, connect, shown_key
from procedures.trials.case import Case, Wrong
from procedures.trials.walk import Played, Walk

FORM = re.compile(
    r"^(?P<name>[^=\s]+)=(?P<account>[^@\s]+)@(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:(?P<port>\d+))?$"
)
OVER_SSH = ("ssh:command", "ssh:script", "ssh:copy")


class NoHost(OpsError):
    """An `--against` or a key that cannot be what was meant."""

    code = "test.no-host"
    next_step = "Write --against NAME=USER@HOST[:PORT] and --key with an OpenSSH private key, or a .pub for the agent."


class HostNotKnown(OpsError):
    """A host whose key nobody has accepted."""

    code = "test.host-not-known"
    next_step = "Compare the fingerprint with what the host's operator says before you accept it."


class NotEntered(OpsError):
    """A host that does not answer, shows another key than the known one, or does not let the author in."""

    code = "test.not-entered"
    next_step = "See that `ssh` itself gets in with this account, port and key, and why not if it does not."


@dataclass(frozen=True, slots=True)
class Host:
    """A real host that stands for a test's target, with the key that is lent to its steps."""

    name: str
    account: str
    address: str
    port: int
    key: Mapping[str, Secret]
    host_key: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.account}@{self.address} port {self.port})"

    def pinned(self, known: str) -> Host:
        """The host with the key that `known_hosts` has for it. Raises HostNotKnown, NotEntered."""
        found = keys_of(known, self.address, self.port)
        if found:
            return replace(self, host_key=found[0])
        try:
            shown = shown_key(self.address, self.port)
        except Unreachable as problem:
            raise NotEntered(f"{self} was not entered: {problem.message}") from problem
        where = self.address if self.port == 22 else f"[{self.address}]:{self.port}"
        raise HostNotKnown(
            f"The key of {self} is not known. The host shows {fingerprint(shown)}; nothing was sent to it. If that is "
            f"its key, put this line into your known_hosts:\n{where} {shown}\n"
        )

    def enter(self) -> None:
        """Log in and out again. Raises NotEntered."""
        words = {name: secret.reveal() for name, secret in self.key.items()}
        try:
            connect(
                address=self.address,
                port=self.port,
                host_key=self.host_key,
                account=self.account,
                private_key=words.get("private_key", b""),
                agent_key=words.get("agent_key", b"").decode(),
            ).close()
        except (HostKeyRefused, Unreachable, NotHeld) as problem:
            raise NotEntered(f"{self} was not entered: {problem.message}") from problem

    def stands_for(self, target: Target) -> Target:
        return replace(
            target,
            address=self.address,
            port=self.port,
            host_key=self.host_key,
            host_key_sha256=fingerprint(self.host_key),
            trust="key",
        )

    def lend(self) -> Lease:
        """The author's own key, in the form in which a runner is lent one."""
        return Lease(
            id=uuid4(),
            provider="own-key",
            target=self.name,
            handle="",
            issued_at=now(),
            expires_at=now() + timedelta(hours=1),
            renewable=False,
            self_expiring=False,
            kills_sessions=False,
            evidence={"level": "key", "account": self.account},
            material=self.key,
        )


def hosts_of(given: tuple[str, ...], key: Path, known: Sequence[str]) -> dict[str, Host]:
    """The hosts by the name of the target that each stands for, which is one of `known`. Raises NoHost."""
    lent = key_in(key)
    found: dict[str, Host] = {}
    for text in given:
        match = FORM.match(text)
        port = int(match["port"] or 22) if match else 0
        if match is None or not ACCOUNT.fullmatch(match["account"]) or not 0 < port < 65_536:
            raise NoHost(f"{text!r} is not NAME=USER@HOST[:PORT].")
        if match["name"] in found:
            raise NoHost(f"{match['name']} is named twice.")
        if match["name"] not in known:
            raise NoHost(f"No test names a target {match['name']}; they name {', '.join(known) or 'none'}.")
        found[match["name"]] = Host(match["name"], match["account"], match["host"].strip("[]").lower(), port, lent)
    return found


def key_in(path: Path) -> Mapping[str, Secret]:
    """A private key, or what asks the agent for one. Raises NoHost."""
    data = path.read_bytes()
    if path.suffix == ".pub":
        try:
            fingerprint(data.decode())
        except (OpsError, UnicodeDecodeError) as problem:
            raise NoHost(f"{path} holds no OpenSSH public key.") from problem
        return {"agent_key": Secret(data)}
    try:
        load_ssh_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as problem:
        more = f"If it has a passphrase: ssh-add {path}, then --key {path}.pub."
        raise NoHost(f"{path} holds no OpenSSH private key that can be read. {more}") from problem
    return {"private_key": Secret(data)}


class OnHosts(Walk):
    """A walk whose SSH steps reach the named targets; every other step goes as in any test.

    It goes on where what a test expects does not hold, as a run would, so that no host is left half-way; the first
    thing that did not hold is told in the end.
    """

    def __init__(
        self,
        files: Mapping[str, bytes],
        definition: Definition,
        one: Case,
        ask: plan.Ask,
        *,
        hosts: Mapping[str, Host],
    ) -> None:
        real = [hosts[t.name].stands_for(t) if t.name in hosts else t for t in ask.targets]
        super().__init__(files, definition, one, replace(ask, targets=real))
        self.hosts = hosts
        self.until = time.monotonic() + definition.timeout_s
        self.problems: list[OpsError] = []

    def go(self) -> Played:
        for part in (self._forward, self._always):
            try:
                part()
            except OpsError as problem:
                self.problems.append(problem)
        if self.problems:
            raise self.problems[0]
        return self.found

    def _always(self) -> None:
        self._branch(self.definition.always)

    def _real(self, step: Step, action: Action, call: ActionCall) -> tuple[ActionResult, str] | None:
        host = self.hosts.get(call.target.name) if call.target else None
        if host is None or step.action not in OVER_SSH:
            return None
        self.found.real.setdefault(step.id, []).append(host.name)
        io = self._quiet()
        result = action.run(replace(call, lease=host.lend()), io)
        text = io.told()
        if not self._foreseen(step, result):
            how = result.exit_status if result.exit_status is not None else result.outcome.replace("_", " ")
            said = text or result.message or "it printed nothing"
            told = f"{step.id} on {host.name} (real) ended {how}, which the test does not expect: {said}"
            self.problems.append(self.one.wrong(told, "expect"))
        return result, text

    def _foreseen(self, step: Step, result: ActionResult) -> bool:
        """A failure is foreseen only where a host really answered with one, and the test says so."""
        if result.outcome == "succeeded":
            return True
        wanted = (self.one.expect.get("steps") or {}).get(step.id) or {}
        return result.exit_status is not None and ("exit" in wanted or self.one.expect.get("outcome") == "failed")

    def _as_wanted(self, who: str, step: Step, wanted: Mapping[str, Any], result: ActionResult, text: str) -> None:
        try:
            super()._as_wanted(who, step, wanted, result, text)
        except Wrong as problem:
            self.problems.append(problem)
