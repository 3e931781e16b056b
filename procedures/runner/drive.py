"""One run, from the claim to its ending: puts engine, issuer, output and heartbeat together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Literal
from uuid import UUID

import structlog
from django.conf import settings

from procedures.definitions import registry
from procedures.domain.canonical import parse
from procedures.domain.clock import now
from procedures.domain.masking import Masker
from procedures.domain.ports import Action
from procedures.domain.sealing import unseal
from procedures.domain.secrets import Secret
from procedures.engine import draining
from procedures.engine.drive import Drive
from procedures.engine.output import RunOutput
from procedures.engine.outputs import outputs_of
from procedures.engine.step import Lender, Tools
from procedures.engine.watch import Watch
from procedures.issuer.lend import Issuer
from procedures.models import Run, Runner
from procedures.queries import queue
from procedures.runner.identity import Identity, load_identity, pool_key
from procedures.runner.providers import providers
from procedures.services import claims, tasks
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
        _go(me, claim(run, me))


def drive_next(hint: UUID) -> None:
    """Claim the run that is next where this one stands, and drive it; what a message is answered with."""
    if (me := _known(hint)) is None:
        return
    for run in queue.next_after(hint, now()):
        if (claimed := claim(run, me)) is not None:
            _go(me, claimed)
            return


def _known(run: UUID) -> Runner | None:
    """This runner as the portal knows it, with this very key."""
    me = Runner.objects.filter(pk=identity().id, public=identity().public).first()
    if me is None:
        log.warning("run.not-taken", run=str(run), why="the portal knows no runner with this key")
    return me


def _go(me: Runner, claimed: Claimed | None) -> None:
    if claimed is None:
        return
    carry_out(claimed, registry.actions(), issuer_of(me, identity()), identity(), open_secrets(claimed.run))


def issuer_of(me: Runner, who: Identity) -> Issuer:
    """The issuer of this process, which lends to this runner alone, as long as it proves to be `who` was enrolled."""
    known = providers(keys())
    return Issuer(known, registry.actions(), me, prove=who.sign, open_secrets=open_secrets, outputs=_outputs)


def claim(run: UUID, runner: Runner) -> Claimed | None:
    """Claim a run, if there is anything to claim, this host's clock is right, and the runner is not to stop."""
    if draining.wanted.is_set():
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

    def store(lines: Sequence[Line], masked: int, after: int) -> int:
        return tasks.append(run=run, token=claimed.token, lines=lines, after=after, masked_bytes=masked)

    output = RunOutput(store, masker)
    try:
        with watch:
            yield Tools(claimed, actions, lender, me, output, watch, secrets)
    finally:
        output.close()


def _outputs(claimed: Claimed, prefix: str) -> Mapping[str, object]:
    finished = claimed.run.tasks.exclude(state__in=["pending", "running"]).order_by("attempt")
    return outputs_of(finished, prefix)


def open_secrets(run: Run) -> dict[str, Secret]:
    """A run's secret parameters, opened with this pool's key alone. Raises WillNotOpen."""
    found = {}
    for name, row in run.sealed_secrets.items():
        _, _, private = pool_key(keys(), run.environment_id)
        value = parse(unseal(private, bytes.fromhex(row["box"]), info=f"run-secret/{row['mark']}"))
        found[name] = Secret(value["value"])
    return found
