"""RFC 3161 time stamps over checkpoints: somebody else's clock says when this very log was there.

Asked for beside the sequencer, by a thread that needs no key and that nothing waits for: once in a while, and for a
checkpoint that an export wishes for. What comes back is believed as far as it leads to the authorities that were set.
"""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import structlog
from cryptography import x509
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder, VerificationError, VerifierBuilder
from rfc3161_client import decode_timestamp_response as decoded

from procedures.domain.canonical import moment
from procedures.domain.errors import OpsError
from procedures.evidence import moments, verify
from procedures.evidence.models import Anchor, AnchorState, Checkpoint
from procedures.evidence.record import record

log = structlog.get_logger(__name__)
LARGEST = 64 * 1024
OFF = timedelta(minutes=5)
WAIT_S = 10.0
AGAIN_S = 60.0


class AnchorRefused(OpsError):
    """A time-stamping authority that does not answer, refuses, or answers what cannot be."""

    code = "anchor.refused"
    next_step = "Look at OPSPORTAL_TSA_URL and OPSPORTAL_TSA_ROOTS_FILE; the log goes on without a time stamp."


@dataclass(frozen=True, slots=True)
class Authority:
    """Where time stamps come from, and the certificates that they must lead to."""

    url: str
    roots: tuple[x509.Certificate, ...]

    @property
    def name(self) -> str:
        return urlsplit(self.url).hostname or ""

    def stamp(self, data: bytes, at: datetime) -> tuple[bytes, datetime]:
        """(the answer's bytes, its moment) over `data`. Raises AnchorRefused unless all of it holds."""
        asked = TimestampRequestBuilder(data=data, hash_algorithm=HashAlgorithm.SHA256).build()
        answer = self._fetched(asked.as_bytes())
        try:
            found = decoded(answer)
            builder = VerifierBuilder.from_request(asked)
            for root in self.roots:
                builder = builder.add_root_certificate(root)
            builder.build().verify_message(found, data)
            mark, when = verify.stamped(answer)
        except (VerificationError, ValueError, verify.Failed) as problem:
            raise AnchorRefused(f"{self.name} answers with no time stamp that holds: {problem}.") from problem
        if mark != hashlib.sha256(data).digest():
            raise AnchorRefused(f"{self.name} stamped something else.")
        said = datetime.fromtimestamp(when, UTC)
        if abs(said - at) > OFF:
            raise AnchorRefused(f"{self.name} says that it is {said:%Y-%m-%d %H:%M:%S} UTC, which is not so.")
        return answer, said

    def _fetched(self, request: bytes) -> bytes:
        kind = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
        data, end = b"", time.monotonic() + WAIT_S
        try:
            with httpx.stream("POST", self.url, content=request, headers=kind, timeout=5.0) as answer:
                if answer.status_code != 200:
                    raise AnchorRefused(f"{self.name} answers with status {answer.status_code}.")
                for part in answer.iter_raw():
                    data += part
                    if len(data) > LARGEST or time.monotonic() > end:
                        raise AnchorRefused(f"{self.name} answers too much, or too slowly.")
        except httpx.HTTPError as problem:
            raise AnchorRefused(f"{self.name} does not answer: {problem}.") from problem
        return data


def authority() -> Authority | None:
    """The one that the settings name; None where they name none. Raises AnchorRefused."""
    url, file = settings.OPSPORTAL_TSA_URL, settings.OPSPORTAL_TSA_ROOTS_FILE
    if not url:
        return None
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise AnchorRefused(f"OPSPORTAL_TSA_URL is {url[:80]!r}, where http(s)://host is needed.")
    try:
        roots = x509.load_pem_x509_certificates(Path(file).read_bytes())
    except (OSError, ValueError) as problem:
        raise AnchorRefused(f"OPSPORTAL_TSA_ROOTS_FILE is {file!r}, and holds no certificate: {problem}.") from problem
    return Authority(url, tuple(roots))


def anchor(found: Authority, checkpoint: Checkpoint, at: datetime) -> Anchor:
    """Have a checkpoint stamped; the token is kept, and the log commits to its bytes. Raises AnchorRefused."""
    token, said = found.stamp(checkpoint.note.encode(), at)
    facts = {
        "size": checkpoint.size,
        "root": bytes(checkpoint.root).hex(),
        "token": hashlib.sha256(token).hexdigest(),
        "authority": found.name,
        "says": moment(said),
    }
    with transaction.atomic(durable=True):
        record("log.anchored", actor=None, at=at, facts=facts)
        return Anchor.objects.create(checkpoint=checkpoint, authority=found.name, token=token, at=said)


class Anchoring:
    """The thread. `begin` starts it, `end` tells it to end."""

    def __init__(self, found: Authority, every: timedelta) -> None:
        self.authority, self.every = found, every
        self._ended = threading.Event()
        self._not_before = 0.0

    def begin(self) -> None:
        threading.Thread(target=self._watch, daemon=True).start()

    def end(self) -> None:
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.is_set():
            try:
                self.once()
            except DatabaseError as problem:
                log.warning("anchor.database", problem=str(problem))
                connection.close()
            self._ended.wait(1.0)
        connection.close()

    def once(self) -> Anchor | None:
        """Anchor what is due or wished for. After a refusal it waits a minute, unless an export asks."""
        at = moments.database_now()
        state, _ = AnchorState.objects.get_or_create(pk=1)
        wished = Checkpoint.objects.filter(pk=state.wished_size, anchors__isnull=True).first()
        last = Anchor.objects.order_by("-id").first()
        newest = Checkpoint.objects.order_by("-size").first()
        due = newest if newest and (last is None or at - last.at >= self.every) else None
        if (wished or due) is None or (wished is None and time.monotonic() < self._not_before):
            return None
        AnchorState.objects.filter(pk=1).update(wished_size=0)
        try:
            made = anchor(self.authority, wished or due, at)  # type: ignore[arg-type]
        except AnchorRefused as problem:
            self._not_before = time.monotonic() + AGAIN_S
            log.warning("anchor.refused", problem=problem.message)
            since = state.problem_at or at
            AnchorState.objects.filter(pk=1).update(problem=problem.message[:300], problem_at=since)
            return None
        AnchorState.objects.filter(pk=1).update(problem="", problem_at=None)
        return made


def anchoring() -> Anchoring | None:
    """As the settings say; where they name no authority nothing is told as if there were one. Raises AnchorRefused."""
    found = authority()
    if found is None:
        AnchorState.objects.all().delete()
        return None
    AnchorState.objects.get_or_create(pk=1)
    return Anchoring(found, timedelta(minutes=settings.OPSPORTAL_TSA_EVERY_MIN))
