"""`local:command` and `local:script`: run in the runner's sandbox, parameters as data, the truth at the end."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from procedures.actions.leaving import way_out, with_use
from procedures.domain import script_output
from procedures.domain.errors import OpsError
from procedures.domain.ports import Action, ActionCall, ActionIO, ActionResult, Outcome
from procedures.domain.secrets import Secret
from procedures.sandbox import interpreter, probe
from procedures.sandbox import run as sandbox
from procedures.sandbox.collect import NotKept, collect
from procedures.sandbox.egress import ENTRY, PORT, Egress
from procedures.sandbox.launch import NoSandbox, Program
from procedures.sandbox.limits import Limits
from procedures.sandbox.places import BUNDLE, Places, places
from procedures.sandbox.slots import slot

ENV_SCHEMA = {"type": "object", "additionalProperties": {"type": ["string", "integer", "boolean", "number"]}}
COMMON: Mapping[str, Any] = {
    "env": ENV_SCHEMA,
    "stdin": {"type": "string"},
    "network": {"type": "boolean"},
    "egress": {
        "type": "array",
        "minItems": 1,
        "maxItems": 50,
        "uniqueItems": True,
        "items": {"type": "string", "maxLength": 260, "pattern": ENTRY},
    },
    "expect": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}},
}
PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
OUTCOMES: Mapping[str, Outcome] = {"timeout": "timed_out", "cancel": "canceled"}


class _Local(Action):
    output_schema: ClassVar[Mapping[str, Any]] = {"type": "object"}
    keeps_artifacts: ClassVar[bool] = True
    credential_kinds: ClassVar[frozenset[str]] = frozenset({"aws", "kubernetes", "oidc", "postgres", "secret", "vault"})
    works_without: ClassVar[bool] = True
    sandboxed: ClassVar[bool] = True

    def words(self, call: ActionCall) -> list[str]:
        raise OpsError("An action without a program.")

    def plan(self, call: ActionCall) -> Mapping[str, Any]:
        return {
            "argv": self.words(call),
            "environment": sorted([*call.env, *call.secret_env]),
            "network": bool(call.input.get("network", False)),
            **({"egress": list(call.input["egress"])} if "egress" in call.input else {}),
            **self.more(call),
        }

    def more(self, call: ActionCall) -> Mapping[str, Any]:
        return {}

    def run(self, call: ActionCall, io: ActionIO) -> ActionResult:
        folder = Path(tempfile.mkdtemp(prefix="opsportal-", dir="/var/tmp"))
        try:
            if (tier := probe.in_use()) == "D":
                raise NoSandbox("This runner has no sandbox in which a hostile step would be held.")
            with slot() as uid, way_out(call) as egress:
                return with_use(call, self._run(call, io, folder, uid, tier, egress), egress, io)
        except OpsError as problem:
            return ActionResult("failed", message=problem.message, facts={"sandbox": "D", "refused": problem.code})
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _run(
        self, call: ActionCall, io: ActionIO, folder: Path, uid: int, tier: str, egress: Egress | None
    ) -> ActionResult:
        at = places(tier, folder)
        scratch, bundle = _lay_out(folder, call, uid, at)
        lent = _lent(call, at)
        program = Program(
            argv=at.here(self.words(call), call.files),
            env=_variables(call, at, tier, lent, egress),
            scratch=scratch,
            bundle=bundle,
            uid=uid,
            network=bool(call.input.get("network", False)),
            lent={place: held.reveal() for place, held in lent.values()},
            limits=Limits.of(call.limits),
            tier=tier,
            egress=egress,
            shown=interpreter.without_packages(tier) if egress else {},
            gathered=folder / "gathered" if egress else None,
        )
        ended = sandbox.run(
            program,
            stdin=call.stdin.reveal() if call.stdin else b"",
            seconds=call.seconds_left,
            cancelled=io.cancelled,
            write=io.write,
        )
        output, problems = script_output.parse(_read(scratch / ".output"))
        for problem in problems:
            io.write("system", (problem + "\n").encode())
        files, lacking = _made(scratch, call, io)
        facts = {"sandbox": tier, "sandbox_reported_by": "runner"}
        if ended.why != "exit":
            return ActionResult(
                OUTCOMES[ended.why],
                output=output,
                facts=facts,
                remote="dead",
                message="It took longer than its timeout." if ended.why == "timeout" else "Canceled.",
                files=files,
            )
        good = ended.status in call.input.get("expect", [0])
        return ActionResult(
            "succeeded" if good and not lacking else "failed",
            ended.status,
            output,
            facts,
            message=lacking if good else f"It ended with exit status {ended.status}.",
            files=files,
        )


def _variables(
    call: ActionCall, at: Places, tier: str, lent: Mapping[str, tuple[str, Secret]], egress: Egress | None
) -> dict[str, str]:
    """All that a step finds in its environment: nothing of the runner's own."""
    secrets = {name: secret.reveal().decode("utf-8", "surrogateescape") for name, secret in call.secret_env.items()}
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": at.scratch,
        "OPSPORTAL_SCRATCH": at.scratch,
        "OPSPORTAL_BUNDLE": at.bundle,
        "OPSPORTAL_PARAMETERS": f"{at.scratch}/.parameters.json",
        "OPSPORTAL_OUTPUT": f"{at.scratch}/.output",
        "OPSPORTAL_RUN": str(call.run_id),
        "OPSPORTAL_NONCE": call.nonce,
        **({"TMPDIR": at.scratch} if tier == "C" else {}),
        **{name: place for name, (place, _) in lent.items()},
        **(dict.fromkeys(PROXIES, f"http://127.0.0.1:{PORT}") if egress else {}),
        **at.here(call.env, call.files),
        **secrets,
    }


def _lent(call: ActionCall, at: Places) -> Mapping[str, tuple[str, Secret]]:
    """Variable → where the step finds the file that it was lent, and what lies there."""
    files = call.lease.files if call.lease is not None else {}
    return {name: (f"{at.lent}/{name}", held) for name, held in files.items()}


def _lay_out(folder: Path, call: ActionCall, uid: int, at: Places) -> tuple[Path, Path]:
    """/scratch, owned by the step's user, and /bundle, which it can only read."""
    scratch, bundle = folder / "scratch", folder / "bundle"
    scratch.mkdir(mode=0o700)
    bundle.mkdir(mode=0o755)
    folder.chmod(0o711)
    (folder / "gathered").mkdir(mode=0o755)
    for path, content in call.files.items():
        place = bundle / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        place.chmod(0o755 if content[:2] == b"#!" else 0o644)
    parameters = at.here(call.parameters, call.files)
    (scratch / ".parameters.json").write_text(json.dumps(dict(parameters), ensure_ascii=False))
    (scratch / ".output").touch()
    if os.geteuid() == 0:
        for owned in (scratch, *scratch.iterdir()):
            os.chown(owned, uid, uid)
    return scratch, bundle


def _made(scratch: Path, call: ActionCall, io: ActionIO) -> tuple[dict[str, bytes], str]:
    """(artifacts by name, what is wrong with the first that cannot be kept), once nothing of the step is alive."""
    files: dict[str, bytes] = {}
    lacking = ""
    for need in call.artifacts:
        try:
            files[need.name] = collect(scratch, need.path, need.max_bytes)
        except NotKept as problem:
            told = f"The artifact {need.name}: {problem.message}"
            io.write("system", (told + "\n").encode())
            lacking = lacking or told
    return files, lacking


def _read(path: Path) -> bytes:
    """The output file, never through a link that the step may have put in its place."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return b""
    with os.fdopen(fd, "rb") as file:
        return file.read(script_output.MAX_BYTES + 1)


def _both(input: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The problem that a list stands beside the whole network, if so."""
    wide = input.get("network") and input.get("egress")
    return [("/egress", "`network: true` reaches everything; keep one of the two.")] if wide else []


class LocalCommand(_Local):
    """A program of the system with its arguments."""

    id: ClassVar[str] = "local:command"
    summary: ClassVar[str] = "Runs a command in the runner's sandbox."
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["argv"],
        "additionalProperties": False,
        "properties": {
            "argv": {"type": "array", "minItems": 1, "items": {"type": ["string", "integer"]}},
            **COMMON,
        },
    }

    def check(self, input: Mapping[str, Any], files: Mapping[str, bytes]) -> list[tuple[str, str]]:
        return _both(input)

    def words(self, call: ActionCall) -> list[Any]:
        return list(call.input["argv"])


class LocalScript(_Local):
    """A script of the bundle, by its #! line or with sh."""

    id: ClassVar[str] = "local:script"
    summary: ClassVar[str] = "Runs a script of the bundle in the runner's sandbox."
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["script"],
        "additionalProperties": False,
        "properties": {"script": {"type": "string", "minLength": 1}, **COMMON},
    }

    def check(self, input: Mapping[str, Any], files: Mapping[str, bytes]) -> list[tuple[str, str]]:
        return missing_script(input, files) + _both(input)

    def words(self, call: ActionCall) -> list[str]:
        path = str(call.input["script"])
        inside = f"{BUNDLE}/{path}"
        return [inside] if call.files.get(path, b"")[:2] == b"#!" else ["/bin/sh", inside]

    def more(self, call: ActionCall) -> Mapping[str, Any]:
        path = str(call.input["script"])
        return {"script": path, "sha256": hashlib.sha256(call.files.get(path, b"")).hexdigest()}


def missing_script(input: Mapping[str, Any], files: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """The problem that a named script is not in the bundle, if so."""
    path = str(input.get("script", ""))
    return [] if path in files else [("/script", f"There is no file {path!r} in the bundle.")]
