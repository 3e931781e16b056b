"""Whatever is done to a log, its backups and its witness's process: two cosigned checkpoints are always consistent.

The log's client and the witness are the real ones; only the socket between them is left out.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from procedures.evidence import tree, witness_home
from procedures.evidence.notes import ED25519, Head, LogKey, read_verifier
from procedures.evidence.witness import Witness, request_body
from procedures.evidence.witness_client import HistoryDiffers, WitnessClient
from procedures.evidence.witness_memory import Memory
from tests.factories.witnesses import NAME, Logbook, cosigned

KEY = LogKey("ops.example/evidence/log", Ed25519PrivateKey.from_private_bytes(b"L" * 32))


class LogAndWitness(RuleBasedStateMachine):
    """`known` is every tree that was cosigned, as its leaves."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        witness_home.make(Path(self.folder.name), NAME)
        self.book, self.backups, self.known, self.words = Logbook(KEY), [[]], [()], 0
        self.backups: list[list[bytes]]
        self.known: list[tuple[bytes, ...]]
        self.restart_witness()
        self.restart_sequencer()

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()

    @rule()
    def restart_witness(self) -> None:
        folder, own = Path(self.folder.name), read_verifier(KEY.verifier, kind=ED25519)
        self.witness = Witness(witness_home.load(folder), Memory(folder), {KEY.name: [own]})

    @rule()
    def restart_sequencer(self) -> None:
        """It forgets what the witness said."""

        def answered(request: httpx.Request) -> httpx.Response:
            asked = request.url.path.split("/")[1]
            got = (
                self.witness.add_checkpoint(request.read()) if request.method == "POST" else self.witness.latest(asked)
            )
            return httpx.Response(got.status, text=got.text, headers={"content-type": got.kind})

        own = read_verifier(KEY.verifier, kind=ED25519)
        self.client = WitnessClient("w", self.witness.key.verifier, "http://w.example", own)
        self.client._http = httpx.Client(transport=httpx.MockTransport(answered))

    @rule(count=st.integers(1, 9))
    def grow(self, count: int) -> None:
        self.words += 1
        self.book.grow(count, f"word {self.words}")

    @rule()
    def back_up(self) -> None:
        self.backups.append(list(self.book.leaves))

    @rule(which=st.integers(0, 99))
    def restore(self, which: int) -> None:
        self.book.leaves = list(self.backups[which % len(self.backups)])

    @rule(cut=st.integers(0, 3))
    def submit(self, cut: int) -> None:
        """What the sequencer does: it is cosigned exactly where it extends what was cosigned last."""
        size = max(0, len(self.book.leaves) - cut)
        leaves, last = self.book.leaves[:size], self.known[-1]
        head = Head(KEY.name, size, tree.root_of(leaves))
        extends = size >= len(last) and tuple(leaves[: len(last)]) == last
        seen = self.refused(head, leaves)
        if extends:
            assert seen is None, "an honest log is never refused"
            self.known.append(tuple(leaves))
        else:
            assert seen == Head(KEY.name, len(last), tree.root_of(last)), "refused, and told by what the log signed"

    def refused(self, head: Head, leaves: list[bytes]) -> Head | None:
        """What the client was shown where it was refused."""
        try:
            self.client.submit(
                self.book.note(head.size), head, lambda old, new: tree.consistency(old, new, tree.ranges(leaves))
            )
        except HistoryDiffers as refusal:
            return refusal.seen
        return None

    @precondition(lambda self: len(self.book.leaves) > 1)
    @rule(old=st.integers(0, 40), at=st.integers(0, 39), data=st.data())
    def forge(self, old: int, at: int, data: st.DataObject) -> None:
        """What whoever holds the log's key may send: any tree, with the proof of any other."""
        side = Logbook(KEY, list(self.book.leaves))
        side.leaves[at % len(side.leaves)] = tree.leaf_hash(b"rewritten")
        proofs = [[], list(self.book.proof(old)), list(side.proof(old)), [tree.root_of(self.known[-1])]]
        proof = data.draw(st.sampled_from(proofs))
        answer = self.witness.add_checkpoint(request_body(old, proof[:63], side.note()))
        if answer.status == 200:
            assert cosigned(answer.text, side.note(), self.witness.key.verifier.text)
            self.known.append(tuple(side.leaves))

    @invariant()
    def all_that_was_cosigned_lies_on_one_line(self) -> None:
        for before, after in zip(self.known, self.known[1:], strict=False):
            assert after[: len(before)] == before

    @invariant()
    def the_witness_knows_the_newest(self) -> None:
        rows = self.witness.memory.all()
        assert [(row.size, row.root) for row in rows] == (
            [(len(self.known[-1]), tree.root_of(self.known[-1]))] if len(self.known) > 1 else []
        )


TestLogAndWitness = LogAndWitness.TestCase
TestLogAndWitness.settings = settings(
    max_examples=20, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
