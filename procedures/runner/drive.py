"""One run, from the claim to its ending: puts engine, issuer, output and heartbeat together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import structlog
from django.conf import settings

from procedures.definitions import registry
from procedures.domain.clock import now
from procedures.domain.errors import OpsError
from procedures.domain.lending import Issuing, Lender, Open
from procedures.domain.masking import Masker
from procedures.domain.ports import Action
from procedures.domain.readable import Readable
from procedures.domain.secrets import Secret
from procedures.domain.states import RunState
from procedures.engine import draining
from procedures.engine.drive import Drive
from procedures.engine.output import RunOutput
from procedures.engine.tools import Tools
from procedures.engine.watch import Watch
from procedures.issuer.lend import Issuer
from procedures.issuer.place import path_of
from procedures.issuer.runners import proved_by
from procedures.issuer.stock import Stock, stock_of
from procedures.models import Runner
from procedures.queries import queue
from procedures.runner import mask
from procedures.runner.apart import Apart, IssuerAway
from procedures.runner.identity import Identity, load_identity
from procedures.services import claims, endings, tasks
from procedures.services.claims import Claimed
from procedures.services.moments import ClockSkewed
from procedures.services.tasks import Line

log = structlog.get_logger(__name__)


def keys() -> Path:
    return Path(settings.OPSPORTAL_KEYS_DIR)


@cache
def identity() -> Identity:
    return load_identity(keys())


def drive(run: UUID) -> None:
    """Claim this very run and drive it until it ends or waits. Nothing to claim: nothing happens."""
    if (me := _known(run)) is not None:
        _go(claim(run, me))


def drive_next(hint: UUID) -> None:
    """Claim the run that is next where this one stands, and drive it; what a message is answered with."""
    if (me := _known(hint)) is None:
        return
    for run in queue.next_after(hint, now()):
        if (claimed := claim(run, me)) is not None:
            _go(claimed)
            return


def _known(run: UUID) -> Runner | None:
    """This runner as the portal knows it, with this very key."""
    me = Runner.objects.filter(pk=identity().id, public=identity().public).first()
    if me is None:
        log.warning("run.not-taken", run=str(run), why="the portal knows no runner with this key")
    return me


def _go(claimed: Claimed | None) -> None:
    if claimed is None:
        return
    lender = issuer(claimed.run.environment_id)
    try:
        secrets = opened(lender, claimed)
    except OpsError as problem:
        _not_begun(claimed, problem)
    else:
        carry_out(claimed, registry.actions(), lender, identity(), secrets)


def issuer(environment: str, who: Identity | None = None) -> Issuing:
    """Where this runner, or `who`, gets credentials: beside it in this process, or apart from it behind a socket."""
    me = who or identity()
    if where := settings.OPSPORTAL_ISSUER_SOCKET:
        return Apart(str(path_of(where, environment, Path(settings.OPSPORTAL_DATA_DIR))), me)
    return Issuer(stock_here(), proved_by(me.sign))


def stock_here() -> Stock:
    """What the issuer of this process lends from; leases in hand are those of the whole process."""
    return replace(stock_of(keys()), held=_held)


_held: set[UUID] = set()


def opened(lender: Issuing, claimed: Claimed) -> Mapping[str, Secret]:
    """What was asked for at the run's launch, opened by its issuer alone; nothing where nothing was asked for.

    Where the run makes secrets for people, the issuer judges whose keys its plan names, before anything is made.
    """
    asks = claimed.run.sealed_secrets or claimed.ask.recipients
    return lender.open(Open(claimed.run.id, claimed.token)) if asks else {}


def _not_begun(claimed: Claimed, problem: OpsError) -> None:
    """A run whose secrets were not opened: it waits for an issuer that is away, and fails where the issuer says no."""
    run: dict[str, Any] = {"run": claimed.run.id, "token": claimed.token, "at": now()}
    log.warning("run.not-begun", run=str(claimed.run.id), code=problem.code, why=problem.message)
    if isinstance(problem, IssuerAway):
        endings.hand_over(**run, why=problem.message)
    else:
        endings.finish_run(**run, outcome=RunState.FAILED, message=problem.message, output={}, signer=identity())


def claim(run: UUID, runner: Runner) -> Claimed | None:
    """Claim a run, if there is anything to claim, clock and mask here are right, and the runner is not to stop."""
    if draining.wanted.is_set() or mask.through():
        return None
    try:
        return claims.claim_run(run=run, runner=runner, at=now())
    except ClockSkewed as problem:
        log.warning(problem.code, run=str(run), problem=problem.message, next_step=problem.next_step)
        return None


def carry_out(
    claimed: Claimed, actions: Mapping[str, Action], lender: Lender, me: Identity, secrets: Mapping[str, Secret]
) -> None:
    """Drive what was claimed until it ends or waits."""
    run = claimed.run.id
    log.info("run.claimed", run=str(run), no=claimed.run.no, draft=claimed.run.draft)
    called = [frame.version for frame in claimed.frames.values()]
    beat = partial(claims.beat, run=run, token=claimed.token, calls=called)
    with tools_for(claimed, actions, lender, me, secrets, beat) as tools:
        Drive(tools).go()


@contextmanager
def tools_for(
    claimed: Claimed,
    actions: Mapping[str, Action],
    lender: Lender,
    me: Identity,
    secrets: Mapping[str, Secret],
    beat: Callable[[], Literal["", "cancel", "stop"]],
) -> Iterator[Tools]:
    """What a run, or a batch of it, is carried out with: output through a mask of its own, and a beating heart."""
    run = claimed.run.id
    masker = Masker()
    for name, secret in secrets.items():
        masker.register(secret, name)
    watch = Watch(
        lambda _: beat(),
        claimed.deadline,
        every_s=settings.OPSPORTAL_HEARTBEAT_S,
        lost_after_s=settings.OPSPORTAL_HEARTBEAT_LOST_S / 2,
    )

    def store(lines: Sequence[Line], counts: Readable, after: int) -> int:
        return tasks.append(run=run, token=claimed.token, lines=lines, after=after, counts=counts)

    output = RunOutput(store, masker, before=max(0, claimed.run.printed_bytes - claimed.run.cut_bytes))
    try:
        with watch:
            yield Tools(claimed, actions, lender, me, output, watch, secrets)
    finally:
        output.close()
