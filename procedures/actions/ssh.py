"""`ssh:command`, `ssh:script`, `ssh:copy`: on each target, with the credential lent for this run, host key pinned."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from procedures.domain import script_output
from procedures.domain.errors import OpsError
from procedures.domain.expressions import Unresolved
from procedures.domain.ports import Action, ActionCall, ActionIO, ActionResult, Lease, Outcome
from procedures.domain.remote import ARGV_SCRIPT, Payload, payload
from procedures.domain.seen import seen
from procedures.ssh.agent import NotHeld
from procedures.ssh.host_certificates import demanded_of
from procedures.ssh.restricted import words
from procedures.ssh.session import Said, drive
from procedures.ssh.transport import HostKeyRefused, Unreachable, connect

ENV = {"type": "object", "additionalProperties": {"type": ["string", "integer", "boolean", "number"]}}
COMMON: Mapping[str, Any] = {
    "env": ENV,
    "stdin": {"type": "string"},
    "expect": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}},
}
SUDO = (["sudo"], ["/usr/bin/sudo"], ["doas"], ["/usr/bin/doas"])
COPY_SCRIPT = b"""#!/bin/sh
# Puts a file in place in one move, so that nobody ever reads half of it.
set -eu
target=$OPS_TARGET
new=$(mktemp "$(dirname "$target")/.opsportal.XXXXXXXX")
cat >"$new"
chmod "$OPS_MODE" "$new"
mv -fT "$new" "$target"
"""
MODE = re.compile(r"0?[0-7]{3}")


class PlaceRefused(OpsError):
    """A file cannot be put there."""

    code = "ssh.place-refused"
    next_step = "Give an absolute path without `..` and control characters, and a mode such as 0644."


class _Ssh(Action):
    per_target: ClassVar[bool] = True
    credential_kinds: ClassVar[frozenset[str]] = frozenset({"ssh"})
    floor: ClassVar = "moderate"

    def script(self, call: ActionCall) -> bytes:
        raise OpsError("An SSH action without a script.")

    def words(self, call: ActionCall) -> list[str]:
        return []

    def extra_env(self, call: ActionCall) -> dict[str, bytes]:
        return {}

    def stdin(self, call: ActionCall) -> bytes:
        return call.stdin.reveal() if call.stdin else b""

    def shown(self, call: ActionCall) -> Mapping[str, Any]:
        return {}

    def plan(self, call: ActionCall) -> Mapping[str, Any]:
        return {**self.shown(call), "environment": sorted([*call.env, *call.secret_env])}

    def payload(self, call: ActionCall, salt: str) -> Payload:
        if call.target is None:
            raise OpsError("An SSH step without a target.")
        env = {name: value.encode("utf-8", "surrogateescape") for name, value in call.env.items()}
        env |= {name: secret.reveal() for name, secret in call.secret_env.items()}
        return payload(
            script=self.script(call),
            argv=self.words(call),
            env=env | self.extra_env(call),
            stdin=self.stdin(call),
            parameters=call.parameters,
            run=call.run_id,
            step=call.step,
            host=call.target.name,
            attempt=call.attempt,
            salt=salt,
        )

    def command_sha256(self, call: ActionCall, salt: str) -> str | None:
        return self.payload(call, salt).sha256

    def run(self, call: ActionCall, io: ActionIO) -> ActionResult:
        lease, target = call.lease, call.target
        if lease is None or target is None:
            return ActionResult("failed", message="No credential was lent for this step.")
        facts: dict[str, Any] = {
            "host_key": target.host_key_sha256,
            "account": str(lease.evidence["account"]),
            "level": str(lease.evidence["level"]),
        }
        if "serial" in lease.evidence:
            facts["serial"] = lease.evidence["serial"]
        try:
            transport = _connect(call, lease)
        except (Unreachable, HostKeyRefused, NotHeld) as problem:
            io.write("system", (problem.message + "\n").encode())
            facts |= {"refused": problem.code, **seen(target="not connected", credential="not used")}
            return ActionResult("unreachable", message=problem.message, facts=facts)
        if transport.shown is not None:
            facts["host_certificate"] = transport.shown.facts
        wanted = self.payload(call, str(lease.id))
        try:
            said = drive(
                transport,
                words(lease, wanted.sha256, max(1, int(call.seconds_left))),
                wanted,
                seconds=call.seconds_left,
                cancelled=io.cancelled,
                write=io.write,
            )
        finally:
            transport.close()
        ran = said.status not in {None, 126, 127}  # a shell says so of what it cannot start
        sudo = "called" if ran and self.words(call)[:1] in SUDO else "unknown"
        return _result(said, call, io, facts | seen(target="connected", credential="used", sudo=sudo))


def _connect(call: ActionCall, lease: Lease) -> Any:
    target = call.target
    if target is None:
        raise Unreachable("There is no target.")
    private, certificate, agent = (lease.material.get(name) for name in ("private_key", "certificate", "agent_key"))
    return connect(
        address=target.address,
        port=target.port,
        host_key=target.host_key,
        account=str(lease.evidence["account"]),
        private_key=private.reveal() if private else b"",
        certificate=certificate.reveal().decode() if certificate else None,
        agent_key=agent.reveal().decode() if agent else "",
        demanded=demanded_of(target),
    )


def _result(said: Said, call: ActionCall, io: ActionIO, facts: Mapping[str, Any]) -> ActionResult:
    output, problems = script_output.parse(said.output)
    for problem in problems:
        io.write("system", (problem + "\n").encode())
    remote: Literal["dead", "unknown"] = "dead" if said.left == "dead" else "unknown"
    if said.why != "exit":
        ends: Mapping[str, Outcome] = {"timeout": "timed_out", "cancel": "canceled", "lost": "failed"}
        message = {
            "timeout": "It took longer than its timeout.",
            "cancel": "Canceled.",
            "lost": "The connection was lost: the outcome on the host is unknown.",
        }[said.why]
        return ActionResult(ends[said.why], None, output, facts, remote=remote, message=message)
    good = said.status in call.input.get("expect", [0])
    message = "" if good else f"It ended with exit status {said.status}."
    return ActionResult("succeeded" if good else "failed", said.status, output, facts, message=message)


class SshCommand(_Ssh):
    """A program of the target with its arguments."""

    id: ClassVar[str] = "ssh:command"
    summary: ClassVar[str] = "Runs a command on each target."
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["argv"],
        "additionalProperties": False,
        "properties": {"argv": {"type": "array", "minItems": 1, "items": {"type": ["string", "integer"]}}, **COMMON},
    }

    def script(self, call: ActionCall) -> bytes:
        return ARGV_SCRIPT

    def words(self, call: ActionCall) -> list[str]:
        return [w.describe() if isinstance(w, Unresolved) else str(w) for w in call.input["argv"]]

    def shown(self, call: ActionCall) -> Mapping[str, Any]:
        return {"argv": list(call.input["argv"])}


class SshScript(_Ssh):
    """A script of the bundle."""

    id: ClassVar[str] = "ssh:script"
    summary: ClassVar[str] = "Runs a script of the bundle on each target."
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["script"],
        "additionalProperties": False,
        "properties": {"script": {"type": "string", "minLength": 1}, **COMMON},
    }

    def check(self, input: Mapping[str, Any], files: Mapping[str, bytes]) -> list[tuple[str, str]]:
        path = str(input.get("script", ""))
        return [] if path in files else [("/script", f"There is no file {path!r} in the bundle.")]

    def script(self, call: ActionCall) -> bytes:
        return call.files[str(call.input["script"])]

    def shown(self, call: ActionCall) -> Mapping[str, Any]:
        return {"script": call.input["script"], "sha256": hashlib.sha256(self.script(call)).hexdigest()}


class SshCopy(_Ssh):
    """A file of the bundle to a path on the target, in one move."""

    id: ClassVar[str] = "ssh:copy"
    summary: ClassVar[str] = "Copies a file of the bundle to each target."
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["file", "to"],
        "additionalProperties": False,
        "properties": {
            "file": {"type": "string", "minLength": 1},
            "to": {"type": "string", "pattern": "^/"},
            "mode": {"type": "string", "pattern": "^0?[0-7]{3}$"},
        },
    }

    def check(self, input: Mapping[str, Any], files: Mapping[str, bytes]) -> list[tuple[str, str]]:
        path = str(input.get("file", ""))
        return [] if path in files else [("/file", f"There is no file {path!r} in the bundle.")]

    def script(self, call: ActionCall) -> bytes:
        return COPY_SCRIPT

    def payload(self, call: ActionCall, salt: str) -> Payload:
        require_place(str(call.input["to"]), str(call.input.get("mode", "0644")))
        return super().payload(call, salt)

    def extra_env(self, call: ActionCall) -> dict[str, bytes]:
        return {"OPS_TARGET": str(call.input["to"]).encode(), "OPS_MODE": str(call.input.get("mode", "0644")).encode()}

    def stdin(self, call: ActionCall) -> bytes:
        return call.files[str(call.input["file"])]

    def shown(self, call: ActionCall) -> Mapping[str, Any]:
        content = call.files[str(call.input["file"])]
        if not any(isinstance(call.input.get(key), Unresolved) for key in ("to", "mode")):
            require_place(str(call.input["to"]), str(call.input.get("mode", "0644")))
        return {"file": call.input["file"], "to": call.input["to"], "sha256": hashlib.sha256(content).hexdigest()}


def require_place(to: str, mode: str) -> None:
    """Raises PlaceRefused: a value that is part of a path leads to no other folder, and names a file."""
    parts = to.split("/")
    if not to.startswith("/") or {".", ".."} & set(parts) or not parts[-1] or not to.isprintable():
        raise PlaceRefused(f"`to` is no plain path of a file on the target: {to[:200]!r}.")
    if not MODE.fullmatch(mode):
        raise PlaceRefused(f"`mode` is none such as 0644: {mode[:20]!r}.")
