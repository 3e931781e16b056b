"""A log as a portal would have written it, valid and signed, without a database: for packs by the thousand."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from procedures.domain.canonical import canon, moment, sha256_hex
from procedures.domain.sshkeys import sign_sshsig
from procedures.evidence.cosigning import CosigningKey
from procedures.evidence.dsse import runner_statement
from procedures.evidence.notes import LogKey
from procedures.evidence.tree import Frontier, leaf_hash
from procedures.evidence.verify import SEALS
from tests.factories.passkeys import SoftPasskey

DIGEST = "sha256:" + "ab" * 32
DUTIES = ["operations", "security", "compliance"]


def key(seed: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed.encode()).digest())


@dataclass(frozen=True, slots=True)
class Written:
    """One event and what it keeps apart."""

    header: bytes
    body: bytes
    apart: Sequence[bytes] = ()

    def disclosures(self) -> Sequence[bytes]:
        return self.apart


@dataclass
class Person:
    """Somebody with a key: SSH, or a passkey."""

    subject: str
    ssh: Ed25519PrivateKey | None = None
    passkey: SoftPasskey | None = None

    def row(self, statement: bytes) -> dict[str, str]:
        """A signature row as the portal writes it."""
        if self.passkey is not None:
            return self.passkey.row(self.subject, statement)
        assert self.ssh is not None
        text = sign_sshsig(self.ssh, statement, "opsportal-approval")
        return {"by": self.subject, "method": "ssh", "sig": text}

    def enrolled(self) -> dict[str, Any]:
        if self.passkey is not None:
            return self.passkey.object(self.subject)
        public = sign_sshsig(self.ssh, b"", "x") if self.ssh else ""
        blob = base64.b64decode("".join(public.strip().split("\n")[1:-1]))
        (size,) = struct.unpack(">I", blob[10:14])
        mark = base64.b64encode(hashlib.sha256(blob[14 : 14 + size]).digest()).decode().rstrip("=")
        return {"subject": self.subject, "method": "ssh", "fingerprint": f"SHA256:{mark}"}


@dataclass
class Open:
    """A run that is not sealed yet."""

    id: str
    procedure: str
    headers: Frontier = field(default_factory=Frontier)

    @property
    def digest(self) -> str:
        return DIGEST

    @property
    def plan(self) -> str:
        return "sha256:" + sha256_hex(self.id.encode())


class History:
    """The events of one portal; `events` grows. Everything follows from `seed`, but for what signs by chance."""

    def __init__(self, seed: int = 1) -> None:
        self.chance = random.Random(seed)
        self.at = datetime(2026, 3, 1, tzinfo=UTC)
        self.log = LogKey("pack.example/evidence/log", key("log"))
        self.witnesses = [CosigningKey(f"{name}.example/w", key(name)) for name in ("one", "two")]
        self.written: list[Written] = []
        self.tree = Frontier()
        self.no = 0
        self.runner, self.runner_key = self.uuid(), key("runner")
        self.keys: list[LogKey] = []  # those that signed the log, once it was changed
        self.notes: list[str] = []  # changes of the log's key that both keys signed
        self.reader = ""  # the log's key that a reader has, if it is another one than the last
        self.brought: list[str] = []  # changes that the reader knows from elsewhere
        self.said = (0, "")  # the runner's last sequence number, and the digest of that statement

    def uuid(self) -> str:
        return str(UUID(int=self.chance.getrandbits(128), version=4))

    def headers(self) -> Iterator[bytes]:
        return (one.header for one in self.written)

    def events(self) -> Iterator[Written]:
        return iter(self.written)

    def keep(self, one: Written) -> None:
        """Where an event goes; a history that is too big for memory writes it elsewhere."""
        self.written.append(one)

    def event(
        self,
        kind: str,
        facts: Mapping[str, Any],
        *,
        actor: str = "",
        run: Open | None = None,
        header: Mapping[str, Any] | None = None,
        statement: Mapping[str, Any] | None = None,
        by: Sequence[Person] = (),
        apart: Mapping[str, str] | None = None,
        at: datetime | None = None,
    ) -> str:
        """Write one event; its id. `apart` are values that it commits to and does not contain, `at` a moment that its
        writer pretends.
        """
        self.at += timedelta(milliseconds=self.chance.randrange(1, 400))
        body: dict[str, Any] = {"salt": base64.b64encode(self.chance.randbytes(16)).decode(), **facts}
        body |= {"actor": actor} if actor else {}
        if statement is not None:
            text = canon(dict(statement))
            body |= {"statement": base64.b64encode(text).decode(), "sigs": [one.row(text) for one in by]}
        secrets = [canon([self.uuid(), pointer, value]) for pointer, value in (apart or {}).items()]
        if secrets:
            body["sd"] = sorted(sha256_hex(one) for one in secrets)
        head: dict[str, Any] = {"at": moment(at or self.at), "id": self.uuid(), "k": kind, "v": 1, **(header or {})}
        if run is not None:
            head |= {"run": run.id, "n": run.headers.size + 1, "p": run.procedure}
            if kind in SEALS:
                body["seal"] = {"n": head["n"], "root": run.headers.root().hex()}
        data = canon(body)
        line = canon(head | {"b": sha256_hex(data)})
        if run is not None:
            run.headers.append(leaf_hash(line))
        self.tree.append(leaf_hash(line))
        self.keep(Written(line, data, secrets))
        return str(head["id"])

    def again(self, without: Sequence[str] = ()) -> None:
        """Somebody writes the words of the last event once more, with all that was signed, or without."""
        body = json.loads(self.written[-1].body)
        kind = json.loads(self.written[-1].header)["k"]
        self.event(kind, {name: value for name, value in body.items() if name not in {"salt", *without}})

    def trusted(self) -> str:
        """The log's key that a reader of its packs has."""
        return self.reader or self.log.verifier

    def turns(self) -> str:
        """The file of changes that the reader has; empty if they have none."""
        return json.dumps(self.brought) if self.brought else ""

    # --- what happens in a company -----------------------------------------------------------------------------------

    def found(self, *, profile: str = "team", passkeys: bool = False) -> None:
        """A portal with its first manager, another approver, production, and an accepted procedure."""
        self.mira, self.otto, self.quinn = (Person(self.uuid(), key(f"{name}")) for name in ("mira", "otto", "quinn"))
        if passkeys:
            self.otto = Person(self.otto.subject, passkey=SoftPasskey(origin="http://localhost:8000"))
        self.procedure, self.version = self.uuid(), self.uuid()
        rules = {"low": {"operations": 1}}
        places = [
            {"name": "development", "production": False, "approvals": {}},
            {"name": "production", "production": True, "approvals": rules},
        ]
        runners = [{"runner": self.runner, "public": self.public(self.runner_key)}]
        genesis = {"portal": "https://ops.example", "profile": profile, "environments": places, "runners": runners}
        self.event("genesis", genesis)
        now, ends = moment(self.at), moment(self.at + timedelta(days=365))
        first = {"subject": self.mira.subject, "grant": self.uuid(), "verbs": ["manage_access"], "at": now}
        first |= {"expires_at": ends, "keys": [self.mira.enrolled()], "duties": DUTIES}
        self.event("bootstrap.granted", first, actor=self.mira.subject)
        self.change("key", self.otto.enrolled())
        manager = {"principal": f"person:{self.otto.subject}", "verbs": ["manage_access"], "environments": []}
        self.change("grant", manager | {"not_before": now, "expires_at": ends, "reason": "a second manager"})
        self.change("duty", {"duty": "operations", "principal": f"person:{self.otto.subject}", "action": "add"})
        self.accept()

    def public(self, private: Ed25519PrivateKey) -> str:
        return base64.b64encode(private.public_key().public_bytes_raw()).decode()

    def change(
        self, control: str, object: Mapping[str, Any], *by: Person, said: Mapping[str, Any] | None = None
    ) -> str:
        """A control change, confirmed with signatures; over `said` instead, if somebody cheats. Gives its id."""
        statement = {"type": "opsportal/control/v1", "control": control, "change": self.uuid()}
        statement["object"] = dict(object if said is None else said)
        facts = {"control": control, "change": statement["change"], "object": dict(object), "gains": []}
        facts |= {"production": True, "profile": "team"}
        self.event("control.confirmed", facts, statement=statement, by=by or [self.mira])
        return str(statement["change"])

    def accept(self) -> None:
        """A version that Quinn wrote and Mira reviewed."""
        about = {"version": self.version, "digest": DIGEST}
        more = {"procedure": self.procedure, "number": 1, "submitter": self.quinn.subject, "risk": "low"}
        written = about | more | {"authors": [self.quinn.subject]}
        self.event("version.submitted", written, actor=self.quinn.subject, header={"p": self.procedure})
        said = about | {"verdict": "accept", "duties": ["operations"]}
        statement = said | {"type": "opsportal/review/v1", "reviewer": self.mira.subject}
        facts = said | {"strength": "signed"}
        self.event("review.made", facts, actor=self.mira.subject, statement=statement, by=[self.mira])
        made = about | {"procedure": self.procedure, "profile": "team", "risk": "low", "combined": False}
        self.event("version.accepted", made | {"reviewers": [self.mira.subject], "expires_at": ""})

    def ask(self, environment: str = "development", *, reason: str = "", person: str = "") -> Open:
        """A request by Quinn, planned."""
        self.no += 1
        run, who = Open(self.uuid(), self.procedure), person or self.quinn.subject
        facts = {"no": self.no, "procedure": "hello", "digest": DIGEST, "environment": environment, "requester": who}
        facts |= {"door": "api", "chain": [], "risk": "low", "version": self.version}
        head = {"e": environment, "q": sha256_hex(who.encode())[:32], "no": self.no}
        apart = {"/reason": reason} if reason else {}
        self.event("run.requested", facts, actor=who, run=run, header=head, apart=apart)
        needed = {"operations": 1} if environment == "production" else {}
        plan = {"plan_digest": run.plan, "digest": DIGEST, "approvals": needed, "targets": []}
        self.event("run.planned", plan, run=run)
        return run

    def approve(
        self, run: Open, by: Person | None = None, *, signer: Person | None = None, at: datetime | None = None
    ) -> None:
        """As `by` says, with the signature of `signer`: their own unless somebody cheats."""
        who = by or self.otto
        about = {"run": run.id, "plan_digest": run.plan, "approver": who.subject, "verdict": "approve", "gate": ""}
        facts = {"plan_digest": run.plan, "digest": DIGEST, "gate": "", "duties": ["operations"], "strength": "signed"}
        self.event("run.approved", facts, actor=who.subject, run=run, statement=about, by=[signer or who], at=at)

    def claim(self, run: Open) -> None:
        self.event("run.claimed", {"runner": self.runner, "digest": DIGEST, "plan_digest": run.plan}, run=run)

    def work(self, run: Open, *, status: int = 0) -> None:
        """A step, told by the runner."""
        facts = {"task": self.uuid(), "step": "greet", "target": "", "attempt": 1, "exit": status}
        facts |= {"outcome": "failed" if status else "succeeded", "transcript": sha256_hex(run.id.encode())}
        said = self.states("task.finished", {"run": run.id, "digest": DIGEST, **facts})
        self.event("task.finished", facts | {"dsse": said}, run=run)

    def finish(self, run: Open, outcome: str = "succeeded") -> None:
        """The seal; a runner signs how it ended."""
        facts: dict[str, Any] = {"digest": DIGEST, "plan_digest": run.plan}
        about = {"run": run.id, "digest": DIGEST, "outcome": outcome}
        facts["dsse"] = self.states("run.finished", about)
        self.event("run.finished", facts, run=run, header={"o": outcome, "risk": "low"})

    def states(self, kind: str, facts: Mapping[str, Any]) -> dict[str, Any]:
        sequence, previous = self.said
        envelope, digest = runner_statement(
            runner=UUID(self.runner),
            sequence=sequence + 1,
            previous=previous,
            kind=kind,
            facts=facts,
            sign=self.runner_key.sign,
        )
        self.said = (sequence + 1, digest)
        return envelope
