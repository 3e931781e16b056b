"""The shapes through which plug-ins meet the engine and the issuer. A plug-in imports `domain` alone."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Literal
from uuid import UUID

from procedures.domain.definition import ArtifactNeed, CredentialNeed
from procedures.domain.errors import OpsError
from procedures.domain.leases import NoPlace, NotRenewable
from procedures.domain.secrets import Secret

Outcome = Literal["succeeded", "failed", "timed_out", "canceled", "unreachable"]


@dataclass(frozen=True, slots=True)
class Target:
    """A target as the approved plan froze it. `host_key` is "ssh-ed25519 AAAA…"; `trust` a level of people.md S2.

    `host_authority`, a key like it, where the host must also show a certificate of it for its name and key.
    """

    id: UUID
    name: str
    environment: str
    address: str
    port: int
    host_key: str
    host_key_sha256: str
    trust: Literal["key", "restricted", "certificate"]
    tags: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    owner: str = ""
    host_authority: str = ""


@dataclass(slots=True)
class Lease:
    """What a provider issued for one run, step and target. `handle` is not secret and is enough to revoke.

    `renew` asks its issuer for more time, of a `renewable` one that is in hand; when it ends then. Raises OpsError.
    `env` is what a program needs to use it, by the names that its own tools read; plain strings there are not secret.
    `files` are for tools that read files: by the variable that is to hold the path, what lies there, in memory alone.
    """

    id: UUID
    provider: str
    target: str | None
    handle: str
    issued_at: datetime
    expires_at: datetime
    renewable: bool
    self_expiring: bool
    kills_sessions: bool
    evidence: dict[str, Any]
    material: Mapping[str, Secret]
    env: Mapping[str, str | Secret] = field(default_factory=dict)
    files: Mapping[str, Secret] = field(default_factory=dict)
    renew: Callable[[], datetime] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Binding:
    """What an environment makes of a credential that a procedure names. `reach` as H16 wants it declared."""

    environment: str
    name: str
    provider: str
    role: str
    ceiling: Mapping[str, Any]
    max_ttl_s: int
    reach: Mapping[str, Any]
    digest: str


@dataclass(frozen=True, slots=True)
class RunContext:
    """Looked up by the issuer, never supplied by the runner."""

    run_id: UUID
    run_no: int
    step: str
    attempt: int
    procedure: str
    digest: str
    environment: str
    requester: str
    approvers: tuple[str, ...]
    runner: str
    deadline: datetime
    target: Target | None = None
    command_sha256: str | None = None
    timeout_s: int = 3600


class Provider(ABC):
    """One kind of credential. Made once per issuer process; every method may be called from several threads."""

    kind: ClassVar[str]
    min_ttl_s: ClassVar[int] = 0

    @abstractmethod
    def validate(self, need: CredentialNeed, binding: Binding) -> None:
        """Refuse a need or binding that cannot be issued safely (wildcards). Called at review and again at issue."""

    @abstractmethod
    def issue(
        self, context: RunContext, need: CredentialNeed, binding: Binding, lease_id: UUID, *, at: datetime, ttl_s: int
    ) -> Lease:
        """Make the credential. Idempotent per lease id."""

    def opens(self, binding: Binding, target: Target | None) -> str | None:
        """The sealed secret that `issue` would open for this target, if any: the issuer asks the log about it first."""
        name = binding.ceiling.get("secret")
        return name if isinstance(name, str) else None

    @abstractmethod
    def revoke(self, handle: str, why: str) -> Literal["revoked", "already-gone", "expires-only"]:
        """End it before its time. Safe to call twice."""

    def renew(self, handle: str, *, ttl_s: int) -> datetime:
        """Let what is `renewable` live for so long from now; when it ends. The issuer judged it. Raises OpsError."""
        raise NotRenewable("What was lent ends by its time.")

    @classmethod
    def put(cls, lease: Lease, place: Mapping[str, str], value: Secret) -> None:  # noqa: ARG003 - an interface
        """Put a secret result where `place` says, with what was lent; called by runners, which hold no provider.

        Raises OpsError in words without the value, which say whether it may have arrived all the same.
        """
        raise NoPlace(f"{lease.provider} has no place for a secret result.")

    def describe(self, handle: str) -> dict[str, Any] | None:
        return None

    def unmade(self, binding: Binding, lease_id: UUID) -> bool:
        """End what an issue may have left that never came to its end; whether there was something.

        Called by the sweep, with the binding as it is now; safe to call twice.
        """
        return False

    def sweep(self, known_open: Sequence[str]) -> Sequence[str]:
        """Handles of leftovers that the ledger does not know, now revoked."""
        return ()


class ActionIO(ABC):
    """Where an action's bytes go. `write` masks before anything else sees them; safe from several threads."""

    cancelled: threading.Event

    @abstractmethod
    def write(self, stream: Literal["stdout", "stderr", "system"], data: bytes) -> None: ...

    @abstractmethod
    def register_secret(self, secret: Secret) -> None: ...

    def made_secret(self, secret: Secret) -> None:
        """Mask what the step's own code says is secret; where a run is recorded, only if it may say so (H22)."""
        self.register_secret(secret)


class NoWorkspace(OpsError):
    """A step that shares files with others was called outside a run."""

    code = "step.no-workspace"
    next_step = "Start the step as part of a run."


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder that the steps of one run share: private to the runner, gone when the run ends.

    `files` holds what steps made, in plain files alone; `published` the bare repositories of what was pushed.
    """

    files: Path
    published: Path


@dataclass(frozen=True, slots=True)
class ActionCall:
    """All that an action may know. `input` is rendered, types kept; `files` is the accepted bundle by path.

    `env` holds the script contract of procedure-format.md (PARAM_<NAME>, non-secret) together with the rendered
    `input.env`; `secret_env` and `stdin` may hold secrets. `seconds_left` ends the step. `nonce` is unique per task.
    `networks` are the private ranges (CIDR) that the environment's rules let a step reach. `workspace` is there
    for actions that say so, and only while they run.
    """

    run_id: UUID
    step: str
    attempt: int
    nonce: str
    input: Mapping[str, Any]
    files: Mapping[str, bytes]
    parameters: Mapping[str, Any]
    env: Mapping[str, str]
    secret_env: Mapping[str, Secret]
    stdin: Secret | None
    target: Target | None
    lease: Lease | None
    seconds_left: float
    limits: Mapping[str, int] = field(default_factory=dict)
    networks: tuple[str, ...] = ()
    artifacts: tuple[ArtifactNeed, ...] = ()
    workspace: Workspace | None = None

    def shared(self) -> Workspace:
        """The run's workspace. Raises NoWorkspace outside a run."""
        if self.workspace is None:
            raise NoWorkspace(f"The step {self.step} wants the workspace of a run.")
        return self.workspace


@dataclass(frozen=True, slots=True)
class Described:
    """A catalogue entity as a step read it: `place` is where its descriptor stands, `document` what it says."""

    ref: str
    place: str
    descriptor_sha256: str
    commit: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ActionResult:
    """How a task ended. `remote` says what is known of the remote process group when it did not end by itself.

    `facts` go into evidence (host-key fingerprint, certificate serial, sandbox tier); `output` is the step's output;
    `files` are the bytes of its artifacts by name; `described` are entities that the engine has registered.
    """

    outcome: Outcome
    exit_status: int | None = None
    output: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    remote: Literal["dead", "unknown"] | None = None
    message: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)
    described: tuple[Described, ...] = ()


class Action(ABC):
    """One thing a step can do. Made once per process; `run` is called from a thread per target and may block.

    An action that takes a kind of credential has one, unless it `works_without`. A `sandboxed` one starts programs on
    the runner's host, in its sandbox.
    `run` returns within a second of `io.cancelled` being set or `seconds_left` running out, with everything that
    it started dead or said to be unknown. It never raises for what the world does, only for its own defects.
    """

    id: ClassVar[str]
    summary: ClassVar[str]
    per_target: ClassVar[bool] = False
    credential_kinds: ClassVar[frozenset[str]] = frozenset()
    works_without: ClassVar[bool] = False
    gate: ClassVar[bool] = False
    keeps_artifacts: ClassVar[bool] = False
    makes_file: ClassVar[str] = ""  # the input that names the one file it makes, where there is such an input
    shares_files: ClassVar[bool] = False
    sandboxed: ClassVar[bool] = False
    floor: ClassVar[Literal["low", "moderate", "high"]] = "low"
    input_schema: ClassVar[Mapping[str, Any]]
    output_schema: ClassVar[Mapping[str, Any]] = {"type": "object"}

    def check(self, input: Mapping[str, Any], files: Mapping[str, bytes]) -> list[tuple[str, str]]:
        """Problems of an unrendered input beyond its schema, as (JSON pointer, message). Called by lint."""
        return []

    def copies(self, input: Mapping[str, Any]) -> tuple[str, ...]:
        """Folders of the bundle that this step hands on as they are, and never runs. Called by lint."""
        return ()

    def command_sha256(self, call: ActionCall, salt: str) -> str | None:
        """The digest that binds a credential to exactly this call (H5), or None where a credential cannot be bound.

        The issuer computes it from the approved plan; `salt` is the lease id. `run` must send the very same bytes.
        """
        return None

    @abstractmethod
    def plan(self, call: ActionCall) -> Mapping[str, Any]:
        """What `run` would do, as a canonical value shown to the approver. Pure: touches nothing."""

    @abstractmethod
    def run(self, call: ActionCall, io: ActionIO) -> ActionResult: ...


Registry = Mapping[str, Action]
Spawn = Callable[[Callable[[], None]], None]
