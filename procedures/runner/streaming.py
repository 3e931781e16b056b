"""Streams the log to collectors beside the sweeper, in a thread of the keeper: one that hangs holds nothing else up.

Never in the web process, which speaks to no stranger. At least once and in order: the position moves when a collector
has acknowledged, so that a crash between the two sends a batch again; `metadata.uid` tells a second copy.
"""

from __future__ import annotations

import ssl
import threading
import time
from pathlib import Path
from uuid import UUID

import httpcore
import structlog
from django.conf import settings
from django.db import DatabaseError, connections

from procedures.domain.clock import now
from procedures.domain.collectors import MOST_EVENTS
from procedures.domain.providers import ProviderUnreachable
from procedures.issuer.replay import replay
from procedures.services import collectors
from procedures.services.collectors import Batch
from procedures.signon.outbound import Judged

log = structlog.get_logger(__name__)
LONGEST_S = 10.0
ROUND_S = 20.0  # one that has everything to catch up lets the others have their turn
TOO_LARGE = 413


class NotTaken(Exception):
    """A collector did not acknowledge. `smaller`: it might take less at once."""

    def __init__(self, why: str, *, smaller: bool = False) -> None:
        super().__init__(why)
        self.why, self.smaller = why, smaller


class Streaming:
    """`nudge` begins a round unless one is under way."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def nudge(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        if not collectors.due(at=now()):
            return
        self._thread = threading.Thread(target=self._round, name="collectors", daemon=True)
        self._thread.start()

    @staticmethod
    def _round() -> None:
        try:
            stream()
        except DatabaseError as problem:
            log.warning("collectors.database", problem=str(problem))
        finally:
            connections.close_all()


def stream() -> int:
    """One round over what is due. Returns how many events were acknowledged."""
    return sum(_catch_up(one) for one in collectors.due(at=now()))


def _catch_up(collector: UUID) -> int:
    until, sent, most = time.monotonic() + ROUND_S, 0, MOST_EVENTS
    while time.monotonic() < until:
        try:
            batch = collectors.batch(collector, most=most)
            if batch is None:
                break
            _judge(batch)
            send(batch)
        except collectors.NotAsSigned as problem:
            log.warning(problem.code, problem=problem.message)
            collectors.failed(collector, why=problem.message, at=now())
            break
        except NotTaken as problem:
            if batch and problem.smaller and len(batch.lines) > 1:
                most = max(1, len(batch.lines) // 2)
                continue
            log.warning("collector.failed", collector=str(collector), why=problem.why)
            collectors.failed(collector, why=problem.why, at=now())
            break
        if not collectors.acknowledged(batch, at=now()):
            break
        sent += len(batch.lines)
    return sent


def _judge(batch: Batch) -> None:
    """An event that SQL wrote names no address: signatures are replayed. Raises NotAsSigned."""
    if why := replay().asserted.get(str(batch.event)):
        raise collectors.NotAsSigned(f"What names {batch.name} is only asserted by the platform: {why}.")


def send(batch: Batch) -> None:
    """One POST of NDJSON to a signed address, bounded, never redirected. Raises NotTaken unless it is acknowledged."""
    headers = {
        "Content-Type": "application/x-ndjson",
        "User-Agent": "opsportal",
        "OpsPortal-First": str(batch.first),
        "OpsPortal-Next": str(batch.next),
        **_token(batch.name),
    }
    limits = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), LONGEST_S)}
    try:
        with (
            httpcore.ConnectionPool(
                ssl_context=ssl.create_default_context(), network_backend=Judged(), max_connections=1
            ) as pool,
            pool.stream(
                "POST", batch.url, headers=list(headers.items()), content=b"".join(batch.lines), extensions=limits
            ) as answer,
        ):
            status = answer.status
    except ProviderUnreachable as problem:
        raise NotTaken(problem.message) from problem
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, OSError) as problem:
        raise NotTaken(f"no answer ({type(problem).__name__})") from problem
    if not 200 <= status < 300:
        raise NotTaken(f"answered {status}", smaller=status == TOO_LARGE)


def _token(name: str) -> dict[str, str]:
    """The collector's own token, from a file beside this process; it stands in no table and no event."""
    folder = settings.OPSPORTAL_COLLECTOR_TOKENS
    if not folder:
        return {}
    try:
        token = (Path(folder) / name).read_text().strip()
    except FileNotFoundError:
        return {}
    except OSError as problem:
        raise NotTaken(f"its token cannot be read ({type(problem).__name__})") from problem
    if not token or not token.isascii() or not token.isprintable():
        raise NotTaken("its token's file holds no token")
    return {"Authorization": token if " " in token else f"Bearer {token}"}
