"""A copy of tiles and checkpoints in an S3 bucket with Object Lock: nobody can delete it before its time, its owner
neither.

A thread of the sequencer's process without need of the key; nothing waits for it. What lies there already is compared,
never written over: a mirror that holds something else than this log is told, and stays the witness that it is.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.db import DatabaseError, connection

from procedures.domain.errors import OpsError
from procedures.evidence import moments, tiles
from procedures.evidence.mirrored import Mirrored, mirrored, tell
from procedures.evidence.models import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

log = structlog.get_logger(__name__)
TIMEOUT_S = 10
SLACK = timedelta(minutes=5)
NOT_THERE = {"404", "NoSuchKey"}


class MirrorFailed(OpsError):
    """A mirror that does not answer, refuses, or does not keep what it is given."""

    code = "mirror.failed"
    next_step = "Look at OPSPORTAL_MIRROR_BUCKET and its rights; the log goes on, and is copied as soon as it works."


class MirrorDiffers(MirrorFailed):
    """The mirror holds other bytes than this log where they can only be the same."""

    code = "mirror.differs"
    next_step = "Keep the mirror as it is and find out which of both was changed: `opsportal evidence check`."


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where copies go. What is put there is kept for `days` in compliance mode."""

    client: Any
    name: str
    days: int

    def keep(self, key: str, data: bytes, at: datetime) -> None:
        """Have these bytes there, locked. Raises MirrorFailed, MirrorDiffers."""
        if (there := self._there(key)) is None:
            until = at + timedelta(days=self.days)
            lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}
            self._asked("put_object", Key=key, Body=data, ChecksumAlgorithm="SHA256", **lock)
            self._require_locked(key, until)
        elif there != data:
            raise MirrorDiffers(f"The mirror {self.name} holds another {key} than this log.")

    def _there(self, key: str) -> bytes | None:
        try:
            return bytes(self._asked("get_object", Key=key)["Body"].read())
        except _NotThere:
            return None

    def _require_locked(self, key: str, until: datetime) -> None:
        """A bucket without Object Lock, or a store that only pretends, takes the words and keeps nothing."""
        kept = self._asked("head_object", Key=key)
        end = kept.get("ObjectLockRetainUntilDate")
        if kept.get("ObjectLockMode") != "COMPLIANCE" or end is None or end < until - SLACK:
            raise MirrorFailed(f"The mirror {self.name} does not lock what it is given (Object Lock, compliance mode).")

    def _asked(self, what: str, **words: Any) -> Mapping[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            found: Mapping[str, Any] = getattr(self.client, what)(Bucket=self.name, **words)
        except ClientError as problem:
            code = str(problem.response.get("Error", {}).get("Code", ""))
            if code in NOT_THERE:
                raise _NotThere from problem
            raise MirrorFailed(f"The mirror {self.name} refuses {what} ({code or 'no reason given'}).") from problem
        except BotoCoreError as problem:
            raise MirrorFailed(f"The mirror {self.name} does not answer ({type(problem).__name__}).") from problem
        return found


class _NotThere(Exception):
    """No object has that key."""


class Mirroring:
    """The thread. `begin` starts it, `end` tells it to end."""

    def __init__(self, bucket: Bucket, every: timedelta) -> None:
        self.bucket, self.every = bucket, every
        self._ended = threading.Event()

    def begin(self) -> None:
        threading.Thread(target=self._watch, daemon=True).start()

    def end(self) -> None:
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.is_set():
            began = time.monotonic()
            try:
                self.once(moments.database_now())
            except (DatabaseError, OSError) as problem:
                log.warning("mirror.database", problem=str(problem))
                connection.close()
            self._ended.wait(max(1.0, self.every.total_seconds() - (time.monotonic() - began)))
        connection.close()

    def once(self, at: datetime) -> Mirrored | None:
        """Copy what the mirror lacks of the newest checkpoint, checkpoint last; how it stands then."""
        last = Checkpoint.objects.order_by("-size").first()
        if last is None:
            return None
        origin = last.note.partition("\n")[0]
        state = mirrored() or Mirrored(origin)
        if state.origin != origin:
            state = Mirrored(origin)
        try:
            self._copy(last, origin, state.size, at)
            state = Mirrored(origin, last.size, bytes(last.root).hex(), at.isoformat())
        except MirrorFailed as problem:
            log.warning(problem.code, problem=problem.message)
            since = state.problem_at or at.isoformat()
            differs = isinstance(problem, MirrorDiffers)
            state = replace(state, problem=problem.message[:300], problem_at=since, differs=differs)
        tell(state)
        return state

    def _copy(self, last: Checkpoint, origin: str, since: int, at: datetime) -> None:
        for place in tiles.places(last.size, since=since if since <= last.size else 0):
            data = tiles.content(place)
            if data is None:
                raise MirrorDiffers(f"This database lacks the tile {place.path} of its own log.")
            self.bucket.keep(f"{origin}/{place.path}", data, at)
            if self._ended.is_set():
                return
        self.bucket.keep(f"{origin}/checkpoint/{last.size:015d}", last.note.encode(), at)


def mirroring() -> Mirroring | None:
    """As the settings say. Raises MirrorFailed where they say it wrongly, or boto3 is not here."""
    if not settings.OPSPORTAL_MIRROR_BUCKET:
        tell(None)
        return None
    endpoint = settings.OPSPORTAL_MIRROR_ENDPOINT
    if endpoint and (urlsplit(endpoint).scheme not in {"http", "https"} or not urlsplit(endpoint).hostname):
        raise MirrorFailed(f"OPSPORTAL_MIRROR_ENDPOINT is {endpoint[:80]!r}, where http(s)://host is needed.")
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError as problem:
        raise MirrorFailed("boto3 is not installed beside the sequencer: install opsportal[aws] there.") from problem
    try:
        client = boto3.session.Session().client(
            "s3",
            region_name=settings.OPSPORTAL_MIRROR_REGION,
            endpoint_url=endpoint or None,
            config=Config(connect_timeout=TIMEOUT_S, read_timeout=TIMEOUT_S, retries={"max_attempts": 2}),
        )
    except (BotoCoreError, ValueError) as problem:
        raise MirrorFailed(f"The mirror cannot be asked: {problem}.") from problem
    bucket = Bucket(client, settings.OPSPORTAL_MIRROR_BUCKET, settings.OPSPORTAL_MIRROR_DAYS)
    return Mirroring(bucket, timedelta(minutes=settings.OPSPORTAL_MIRROR_EVERY_MIN))
