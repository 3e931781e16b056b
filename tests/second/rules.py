"""What the events must say: keys from their enrolment to their end, two people, approval before the claim, the runner's
own chain. Envelopes by `securesystemslib`, SSH and passkey signatures by `cryptography`.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from procedures.domain.sshkeys import InvalidSignature as BadSignature
from procedures.domain.sshkeys import verify_sshsig
from tests.second.container import need, value_of
from tests.second.log import sha

Facts = dict[str, Any]


@dataclass
class Story:
    """A run as far as it was told."""

    digest: str
    chain: set[str]
    planned: str = ""
    needed: int = 0
    approved: set[tuple[str, str]] = field(default_factory=set)


class Rules:
    """Told the events of a log in their order; refuses the first that breaks a rule."""

    def __init__(self) -> None:
        self.keys: dict[str, Facts] = {}  # mark → the enrolment that counts now
        self.runners: dict[str, bytes] = {}
        self.last: dict[str, tuple[int, str]] = {}
        self.authors: dict[str, set[str]] = {}
        self.reviewed: dict[str, set[str]] = defaultdict(set)
        self.accepted: set[str] = set()
        self.stories: dict[str, Story] = {}
        self.forgotten: dict[str, set[str]] = defaultdict(set)
        self.managers: set[str] = set()
        self.floors: list[tuple[datetime, int]] = []
        self.holds: dict[str, Facts] = {}
        self.named: dict[str, str] = {}
        self.at = ""  # the latest moment at which the event that is told can have happened
        self.purged: dict[str, tuple[datetime, list[Facts]]] = {}  # run → when it was agreed, and what was held then

    def told(self, header: Facts, body: Facts) -> None:
        act = getattr(self, "on_" + header["k"].replace(".", "_"), None)
        if act is not None:
            act(header, body)
        if "dsse" in body:
            self._envelope(header, body)

    # --- who may sign ----------------------------------------------------------------------------------------------

    def on_genesis(self, header: Facts, body: Facts) -> None:
        self.runners = {one["runner"]: base64.b64decode(one["public"]) for one in body["runners"]}

    def on_bootstrap_granted(self, header: Facts, body: Facts) -> None:
        self.keys |= {one["fingerprint"]: one for one in body["keys"]}
        self.managers.add(body["subject"])

    def on_control_confirmed(self, header: Facts, body: Facts) -> None:
        what, control = body["object"], body["control"]
        _, signers = self.signers(body)
        enough = 2 if control in {"redaction", "retention", "legal_hold_end"} else 1
        deciders = signers & self.managers - set(what.get("behind", ()))
        if len(deciders) < enough:
            return
        if control == "key":
            self.keys.setdefault(what["fingerprint"], what)
        elif control == "key_end":
            self.keys.pop(what["fingerprint"], None)
        elif control == "grant" and "manage_access" in what["verbs"]:
            self.managers.add(what["principal"].removeprefix("person:"))
        else:
            self._kept_or_not(header["at"], body["change"], control, what)

    def _kept_or_not(self, at: str, change: str, control: str, what: Facts) -> None:
        if control == "redaction" and "runs" in what:
            for run in what["runs"]:
                self.purged.setdefault(run, (datetime.fromisoformat(self.at), list(self.holds.values())))
        elif control == "redaction" and "event" in what:
            self.forgotten[what["event"]] |= set(what["paths"])
        elif control == "retention":
            self.floors.append((datetime.fromisoformat(at), what["days"]))
        elif control == "legal_hold":
            self.holds[change] = what
        elif control == "legal_hold_end":
            self.holds.pop(what["hold"], None)

    def days(self, asked: datetime) -> int:
        """How long a run that was asked for then is kept at least; a change within a minute may count."""
        near = timedelta(minutes=1)
        before = [365, *(days for at, days in self.floors if at <= asked - near)]
        return min([before[-1], *(days for at, days in self.floors if abs(at - asked) <= near)])

    def missing(self, first: Facts, last: Facts) -> None:
        """A run without bodies: purged by two people, after its time, and not under a hold."""
        need(first["run"] in self.purged, "a run is withheld")
        at, holds = self.purged[first["run"]]
        asked, ended = datetime.fromisoformat(first["at"]), datetime.fromisoformat(last["at"])
        kept = ended + timedelta(days=self.days(asked))
        need(at >= max(kept, datetime.fromisoformat(last.get("kept", last["at"]))), "purged before its time")
        for hold in holds:
            same = hold.get("run", first["run"]) == first["run"] and "subject" not in hold
            same = same and ("procedure" not in hold or self.named.get(hold["procedure"]) == first["p"])
            same = same and hold.get("from", first["at"]) <= first["at"] <= hold.get("until", first["at"])
            need(not same, "purged under a hold")

    def signers(self, body: Facts) -> tuple[set[str], set[str]]:
        """(whom the rows of a control change name, who of them did sign); nobody where the statement is about another
        thing, or there is none.
        """
        try:
            statement = base64.b64decode(body.get("statement", ""))
            said = json.loads(statement)
        except ValueError:
            return set(), set()
        about = {"type": "opsportal/control/v1", "control": body["control"], "object": body["object"]}
        if not isinstance(said, dict) or {name: said.get(name) for name in about} != about:
            return set(), set()
        rows = body.get("sigs", [])
        return {row["by"] for row in rows}, {row["by"] for row in rows if self.signed(row, statement)}

    def signed(self, row: Facts, statement: bytes) -> bool:
        """Whether a signature row is by a key that its person has now."""
        if row["method"] == "passkey":
            known = self.keys.get(row["key"])
            return known is not None and known["subject"] == row["by"] and _passkey(row, known, statement)
        mark = _ssh(row["sig"], statement)
        return mark in self.keys and self.keys[mark]["subject"] == row["by"]

    def _statement(self, body: Facts) -> Facts:
        """The statement of a decision; one that calls itself signed must be, by a key of whoever decided."""
        statement = base64.b64decode(body["statement"])
        if body["strength"] == "signed":
            own = [row for row in body["sigs"] if row["by"] == body["actor"]]
            need(any(self.signed(row, statement) for row in own), "a decision that its person did not sign")
        found: Facts = json.loads(statement)
        return found

    # --- versions and runs -----------------------------------------------------------------------------------------

    def on_version_submitted(self, header: Facts, body: Facts) -> None:
        self.authors[body["version"]] = {*body["authors"], body["submitter"]}
        if "p" in header:  # older packs do not say it
            self.named[body["procedure"]] = header["p"]

    def on_review_made(self, header: Facts, body: Facts) -> None:
        said = self._statement(body)
        need(body["actor"] not in self.authors.get(body["version"], ()), "somebody reviewed their own work")
        need(said["reviewer"] == body["actor"], "a review of somebody else")
        need(all(said[name] == body[name] for name in ("version", "digest", "verdict")), "another review")
        if body["verdict"] == "accept":
            self.reviewed[body["version"]].add(body["actor"])

    def on_version_accepted(self, header: Facts, body: Facts) -> None:
        named = set(body["reviewers"])
        need(named and named <= self.reviewed[body["version"]], "accepted without its reviews")
        self.accepted.add(body["digest"])

    def on_run_requested(self, header: Facts, body: Facts) -> None:
        self.stories[header["run"]] = Story(body["digest"], {body["requester"], *(one["by"] for one in body["chain"])})

    def on_run_planned(self, header: Facts, body: Facts) -> None:
        story = self.stories[header["run"]]
        story.planned, story.needed = body["plan_digest"], sum(body["approvals"].values())

    def on_run_approved(self, header: Facts, body: Facts) -> None:
        said, story = self._statement(body), self.stories[header["run"]]
        need(body["actor"] not in story.chain, "somebody approved their own request")
        about = (said["run"], said["plan_digest"], said["approver"])
        need(about == (header["run"], body["plan_digest"], body["actor"]), "an approval of something else")
        story.approved.add((body["plan_digest"], body["actor"]))

    def on_run_claimed(self, header: Facts, body: Facts) -> None:
        story = self.stories[header["run"]]
        need(body["digest"] == story.digest and body["digest"] in self.accepted, "not what was accepted")
        people = {who for plan, who in story.approved if plan == body["plan_digest"]}
        need(body["plan_digest"] == story.planned and len(people) >= story.needed, "claimed without approvals")

    def _envelope(self, header: Facts, body: Facts) -> None:
        envelope = Envelope.from_dict(copy.deepcopy(body["dsse"]))
        predicate = value_of(envelope.payload)["predicate"]
        who, facts = predicate["runner"], predicate["facts"]
        need(who in self.runners, "no enrolled runner")
        public = {"public": self.runners[who].hex()}
        try:
            envelope.verify([SSlibKey(who, "ed25519", "ed25519", public)], 1)
        except VerificationError:
            need(False, "not signed by its runner")
        before, now = self.last.get(who), predicate["sequence"]
        need(before is None or now > before[0], "out of sequence")
        need(before is None or now != before[0] + 1 or predicate["previous"] == before[1], "not after the one before")
        self.last[who] = (now, sha(envelope.payload).hex())
        need(facts["run"] == header["run"], "of another run")
        if header["k"] == "run.finished":
            need(facts["outcome"] == header["o"], "another outcome")
        if header["k"] == "task.finished":
            names = ("step", "target", "attempt", "outcome", "exit", "transcript")
            need(all(facts.get(name) == body.get(name) for name in names), "another result")


def _ssh(text: str, message: bytes) -> str:
    """The fingerprint of the SSH key that signed for our purpose; empty if none did."""
    try:
        return verify_sshsig(text, message, "opsportal-approval").fingerprint
    except BadSignature:
        return ""


def _passkey(row: Facts, known: Facts, message: bytes) -> bool:
    """WebAuthn Level 3, 7.2, for an ES256 key."""
    data, client = base64.b64decode(row["authenticator_data"]), base64.b64decode(row["client_data"])
    said = json.loads(client)
    challenge = base64.urlsafe_b64encode(sha(message)).decode().rstrip("=")
    about = (said["type"], said["challenge"], said["origin"]) == ("webauthn.get", challenge, known["origin"])
    if not about or row["credential"] != known["credential"] or data[:32] != sha(known["rp"].encode()):
        return False
    if len(data) != 37 or data[32] & 0b101 != 0b101:
        return False
    public = base64.b64decode(known["public"])
    numbers = ec.EllipticCurvePublicNumbers(
        int.from_bytes(public[10:42], "big"), int.from_bytes(public[45:77], "big"), ec.SECP256R1()
    )
    try:
        signature = base64.b64decode(row["sig"])
        numbers.public_key().verify(signature, data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True
