"""Submits checkpoints to the portal's witnesses: a thread each, so that none makes the log or another one wait.

It needs no key: what is submitted is signed and committed already. At the sequencer's start each witness is asked first
what it saw, for a few seconds; who does not answer then is asked as soon as it does.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, connection, transaction

from procedures.domain.clock import now
from procedures.evidence import known, turning
from procedures.evidence.cosignatures import NEWEST, PUBLIC, PolicyRefused, note_with_lines, quorum_at, read_policy
from procedures.evidence.models import Checkpoint, Cosignature, WitnessContact
from procedures.evidence.notes import COSIGNATURE, ED25519, Head, LogKey, checkpoint_text, read_verifier
from procedures.evidence.sequence import LogWentBack, range_root
from procedures.evidence.tree import EMPTY, consistency
from procedures.evidence.verify import Policy
from procedures.evidence.witness_client import Cosigned, HistoryDiffers, WitnessClient, WitnessFailed

log = structlog.get_logger(__name__)
SETTLE_S = 5.0
EVERY_S, SLOWEST_S = 1.0, 60.0


class Submitting:
    """The witnesses of one log. `begin` starts the threads, `settle` waits for their first answers, `check` stops the
    sequencer once the log is known to have gone back.
    """

    def __init__(self, key: LogKey, policy: Policy, published: Path, public: Path) -> None:
        self.published, self.public, self.policy = published, public, policy
        own, turns = read_verifier(key.verifier, kind=ED25519), turning.turns()
        self.empty = (key.sign(checkpoint_text(key.name, 0, EMPTY)), Head(key.name, 0, EMPTY))
        self.clients = [
            WitnessClient(name, read_verifier(text, kind=COSIGNATURE), policy.urls[name], own, turns)
            for name, text in policy.witnesses.items()
            if name in policy.urls
        ]
        self.wake = threading.Condition()
        self._refusal: HistoryDiffers | None = None
        self._met = {client.name: threading.Event() for client in self.clients}
        self._writing = threading.Lock()
        self._ended = False

    def begin(self) -> None:
        for client in self.clients:
            threading.Thread(target=self._watch, args=(client,), daemon=True).start()

    def settle(self, patience_s: float = SETTLE_S) -> None:
        """Wait until every witness was asked once, for a few seconds at most. Raises LogWentBack."""
        end = time.monotonic() + patience_s
        for met in self._met.values():
            met.wait(max(0.0, end - time.monotonic()))
        self.check()

    def check(self) -> None:
        """Raises LogWentBack once a witness showed, or said at first sight, that the log is another than it was."""
        refusal = self._refusal
        if refusal is None:
            return
        if refusal.seen is not None:  # signed by this very key, so it was published: from here on the memory says so
            known.remember(self.published, refusal.seen.size, refusal.seen.root)
        raise LogWentBack(refusal.message)

    def end(self) -> None:
        """Tell the threads to end; what they wait for is left alone."""
        self._ended = True
        self.nudge()

    def nudge(self) -> None:
        """Say that there may be a new checkpoint."""
        with self.wake:
            self.wake.notify_all()

    def _watch(self, client: WitnessClient) -> None:
        pause = EVERY_S
        while not self._ended and self._refusal is None:
            try:
                pause = EVERY_S if self._once(client) else min(pause * 2, SLOWEST_S)
            except (DatabaseError, ObjectDoesNotExist) as problem:
                log.warning("witness.database", problem=str(problem))
                connection.close()
                client.size = 0  # what it answered may not have been kept: it is asked again
            self._met[client.name].set()
            with self.wake:
                if pause == EVERY_S:
                    self.wake.wait(pause)
                else:
                    self.wake.wait_for(lambda: self._ended, pause)
        connection.close()

    def _once(self, client: WitnessClient) -> bool:
        """Ask for a cosignature if there is something new; whether the witness does what it should."""
        last = Checkpoint.objects.order_by("-size").first()
        if last is not None and not last.note.startswith(f"{client.log.name}\n"):
            last = None  # of the log before this one, which just begins: its witnesses saw more of that than is here
        note, head = (last.note, Head(client.log.name, last.size, bytes(last.root))) if last else self.empty
        if head.size == client.size and self._met[client.name].is_set():
            return True
        try:
            done = client.submit(note, head, lambda old, new: consistency(old, new, range_root))
        except WitnessFailed as problem:
            self._tell(client, problem.message)
            return False
        except HistoryDiffers as problem:
            self._differs(client, problem)
            return False
        self._keep(client, last, done)
        return True

    def _differs(self, client: WitnessClient, problem: HistoryDiffers) -> None:
        """Stop where the log's own signature proves it, or at first sight; later a bare word is told and no more."""
        at_first_sight = not self._met[client.name].is_set()
        self._tell(client, problem.message)
        if not _holds(problem.seen) if problem.seen is not None else at_first_sight:
            self._refusal = problem

    def _keep(self, client: WitnessClient, last: Checkpoint | None, done: Cosigned) -> None:
        key, had = client.verifier.text, self._had(client)
        with transaction.atomic():
            row, _ = WitnessContact.objects.get_or_create(pk=key)
            if last is not None:
                line = Cosignature(checkpoint=last, witness=key, line=done.line.text, at=done.at)
                Cosignature.objects.bulk_create([line], ignore_conflicts=True)
            forgot = row.forgot_at or (now() if done.old < had else None)
            values = {"size": client.size, "cosigned_at": now(), "forgot_at": forgot}
            WitnessContact.objects.filter(pk=key).update(**values, problem="", problem_at=None)
        if forgot and not row.forgot_at:
            log.error("witness.forgot", witness=client.name, had=had, says=done.old)
        if last is not None:
            self._publish(last)

    def _had(self, client: WitnessClient) -> int:
        """The largest size of this log, not of the one before it, that the witness is known to have cosigned."""
        rows = Cosignature.objects.filter(witness=client.verifier.text).order_by("-checkpoint_id")
        newest = rows.filter(checkpoint__note__startswith=f"{client.log.name}\n").values_list(
            "checkpoint_id", flat=True
        )
        return newest.first() or 0

    def _publish(self, last: Checkpoint) -> None:
        """Put the newest checkpoint that a quorum cosigned where everybody can read it."""
        path = self.public / NEWEST
        with self._writing:
            if quorum_at(self.policy, last) and known.size_in(path) < last.size:
                known.publish(path, note_with_lines(last, self.policy.witnesses.values()))

    def _tell(self, client: WitnessClient, problem: str) -> None:
        """Note what is wrong, from when on; the same again changes nothing."""
        key, text = client.verifier.text, problem[:300]
        row, _ = WitnessContact.objects.get_or_create(pk=key)
        if row.problem != text:
            log.warning("witness.problem", witness=client.name, problem=text)
            WitnessContact.objects.filter(pk=key).update(problem=text, problem_at=row.problem_at or now())


def _holds(seen: Head) -> bool:
    """Whether this log holds the tree of that checkpoint."""
    last = Checkpoint.objects.order_by("-size").first()
    size = last.size if last else 0
    return seen.size <= size and (range_root(0, seen.size) if seen.size else EMPTY) == seen.root


def witnesses_of(key: LogKey, published: Path) -> Submitting | None:
    """The witnesses that OPSPORTAL_WITNESS_POLICY_FILE names, told to everybody; None where there are none.

    Raises PolicyRefused.
    """
    public = Path(settings.OPSPORTAL_PUBLIC_DIR)
    if not settings.OPSPORTAL_WITNESS_POLICY_FILE:
        for name in (PUBLIC, NEWEST):
            (public / name).unlink(missing_ok=True)
        return None
    path = Path(settings.OPSPORTAL_WITNESS_POLICY_FILE)
    policy = read_policy(path)
    text = _public_text(policy, key)
    _require_sound(path, policy, key, text)
    WitnessContact.objects.exclude(pk__in=list(policy.witnesses.values())).delete()
    for name in policy.urls:
        WitnessContact.objects.get_or_create(pk=policy.witnesses[name])
    known.publish(public / PUBLIC, text)
    return Submitting(key, policy, published, public)


def _require_sound(path: Path, policy: Policy, key: LogKey, text: str) -> None:
    for name, witness in policy.witnesses.items():
        if read_verifier(witness, kind=COSIGNATURE).raw == key.raw:
            raise PolicyRefused(f"{path}: {name} is the log's own key; whoever signs the log is no witness of it.")
        parts = urlsplit(policy.urls.get(name, "http://left.out"))
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise PolicyRefused(f"{path}: {name} has {policy.urls[name][:80]!r} where http(s)://host is needed.")
    if any(not (letter.isprintable() or letter == "\n") for letter in text):
        raise PolicyRefused(f"{path} has a name that is not UTF-8.")


def _public_text(policy: Policy, key: LogKey) -> str:
    """The policy for others: without addresses, which are the portal's own affair, and with this log."""
    lines = [f"log {key.verifier}", *(f"witness {name} {text}" for name, text in policy.witnesses.items())]
    lines += [f"group {name} {count} {' '.join(members)}" for name, (count, members) in policy.groups.items()]
    return "\n".join([*lines, f"quorum {policy.quorum}", ""])
