"""Asks one witness (C2SP tlog-witness) for its cosignature. What comes back is believed as far as it is signed."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import httpx

from procedures.domain.errors import OpsError
from procedures.evidence.cosigning import cosigned_at
from procedures.evidence.notes import Head, Line, NoteRefused, Verifier, decimal, head_of, open_note, split_note
from procedures.evidence.verify import Turns
from procedures.evidence.witness import request_body

LARGEST_ANSWER = 16 * 1024
LONGEST_S = 10.0
Proof = Callable[[int, int], Sequence[bytes]]


class WitnessFailed(OpsError):
    """A witness that does not answer, refuses, or answers what cannot be."""

    code = "witness.failed"
    next_step = "Ask whoever keeps the witness; the log goes on, and is cosigned as soon as it answers."


class HistoryDiffers(OpsError):
    """A witness says that it saw another history of this log, or a longer one.

    `seen` is the checkpoint that proves it, signed by the log's own key; None where the witness has only its word.
    """

    code = "witness.history-differs"
    next_step = "Do not go on with this database: `opsportal recover` opens a new log that names the old one."

    def __init__(self, message: str, seen: Head | None) -> None:
        super().__init__(message)
        self.seen = seen


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A cosignature that holds. `old` is the size that the witness had cosigned before."""

    line: Line
    at: datetime
    old: int


class WitnessClient:
    """One witness, as a policy names it; `log` is the verifier key of the log that is submitted, `turns` say by which
    other keys it was signed before.
    """

    def __init__(self, name: str, verifier: Verifier, url: str, log: Verifier, turns: Turns | None = None) -> None:
        self.name, self.verifier, self.url, self.log = name, verifier, url.rstrip("/"), log
        self._turns = turns or Turns()
        self.size = 0  # what it cosigned last, as far as it said; it corrects what is stale
        self._http = httpx.Client(timeout=5.0, follow_redirects=False)

    def submit(self, note: str, head: Head, proof: Proof) -> Cosigned:
        """Its cosignature over a checkpoint of this log. `proof(old, new)` is the consistency proof between two sizes.

        Raises WitnessFailed, HistoryDiffers.
        """
        for _ in range(3):
            old = min(self.size, head.size)
            status, kind, text = self._asked("POST", "/add-checkpoint", request_body(old, proof(old, head.size), note))
            if status == 200:
                done = self._cosigned(note, text, old)
                self.size = head.size
                return done
            said = decimal(text.removesuffix("\n")) if (status, kind) == (409, "text/x.tlog.size") else None
            if said is not None and said > head.size:
                raise self._differs(f"cosigned {said} events of this log, and it stands at {head.size}", head, said)
            if said is None and status in {409, 422}:
                raise self._differs(f"saw another tree than that of the first {old} events", head, old)
            if said is None or said == old:
                raise WitnessFailed(f"{self.name} answers {status}{_hint(status)}.")
            self.size = said
        raise WitnessFailed(f"{self.name} says another size each time that it is asked.")

    def seen(self) -> Head | None:
        """The checkpoint that it cosigned last, if it shows one that the log's key signed. Raises WitnessFailed."""
        digest = hashlib.sha256(self.log.name.encode()).hexdigest()
        status, _, text = self._asked("GET", f"/{digest}/checkpoint")
        try:
            size = head_of(split_note(text)[0]).size if status == 200 else 0
            return head_of(open_note(text, self._turns.at(self.log.text, size))) if status == 200 else None
        except NoteRefused:
            return None

    def _differs(self, what: str, head: Head, size: int) -> HistoryDiffers:
        try:
            shown = self.seen()
        except WitnessFailed:
            shown = None
        proves = shown is not None and shown.size >= size and shown.origin == head.origin
        how = "proven by a checkpoint that the log's key signed" if proves else "without a proof"
        return HistoryDiffers(f"The witness {self.name} {what} ({how}).", shown if proves else None)

    def _cosigned(self, note: str, answer: str, old: int) -> Cosigned:
        """The one line that counts; lines of other keys are passed over."""
        text, _ = split_note(note)
        try:
            lines = split_note(note + answer)[1]
        except NoteRefused as problem:
            raise WitnessFailed(f"{self.name} answered 200 without signature lines.") from problem
        for line in lines:
            if (at := cosigned_at(line, self.verifier, text)) is not None:
                return Cosigned(line, at, old)
        raise WitnessFailed(f"{self.name} answered 200 without a cosignature by the key that the policy names.")

    def _asked(self, method: str, path: str, body: bytes | None = None) -> tuple[int, str, str]:
        end, data = time.monotonic() + LONGEST_S, b""
        try:
            with self._http.stream(method, self.url + path, content=body) as answer:
                for part in answer.iter_bytes(4096):
                    data += part
                    if len(data) > LARGEST_ANSWER or time.monotonic() > end:
                        raise WitnessFailed(f"{self.name} answers too much or too slowly.")
            return answer.status_code, answer.headers.get("content-type", ""), data.decode()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as problem:
            raise WitnessFailed(f"{self.name} does not answer ({type(problem).__name__}).") from problem


def _hint(status: int) -> str:
    known = {404: ": it does not know this log", 403: ": it knows another key for this log"}
    return known.get(status, "")
