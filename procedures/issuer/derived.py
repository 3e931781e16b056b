"""What a claimed run is, made anew from accepted bytes and the approved plan: nothing of it comes from who asks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from procedures.domain import plan, uploads
from procedures.domain.calls import Frame, called, frames
from procedures.domain.definition import Definition
from procedures.domain.errors import OpsError
from procedures.domain.ports import Binding, Target
from procedures.domain.sshkeys import fingerprint
from procedures.issuer.refusals import LeaseRefused
from procedures.models import Run
from procedures.services import calls
from procedures.services.claims import Claimed
from procedures.services.versions import recomputed

KEPT = 16
NOBODY = UUID(int=0)  # a plan does not name rows


@dataclass(frozen=True, slots=True)
class _Derived:
    definition: Definition
    files: Mapping[str, bytes]
    ask: plan.Ask
    frames: Mapping[str, Frame]


class _Kept:
    """What was derived last, by run, bytes and plan: a step over many hosts asks for each, and derives it once."""

    def __init__(self) -> None:
        self._rows: OrderedDict[tuple[Any, ...], _Derived] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, run: Run, approved: Mapping[str, Any]) -> _Derived:
        name = (run.pk, run.digest, run.plan_digest)
        with self._lock:
            if name in self._rows:
                self._rows.move_to_end(name)
                return self._rows[name]
        found = _derived(run, approved)
        with self._lock:
            self._rows[name] = found
            while len(self._rows) > KEPT:
                self._rows.popitem(last=False)
        return found


_kept = _Kept()


def derive(run: Run, token: UUID, approved: Mapping[str, Any]) -> Claimed:
    """The run as whoever claimed it drives it. `approved` is its plan, parsed and checked by digest.

    Targets have no host key yet: that of the log is put in where one is judged. Raises LeaseRefused.
    """
    if (approved["run"], approved["digest"]) != (str(run.pk), run.digest):
        raise LeaseRefused("The stored plan is that of another run, or of other bytes.")
    try:
        found = _kept.of(run, approved)
    except LeaseRefused:
        raise
    except OpsError as problem:
        raise LeaseRefused(f"The run cannot be made anew from accepted bytes: {problem.message}") from problem
    deadline = run.deadline_at or run.state_since
    return Claimed(run, token, found.definition, found.files, found.ask, deadline, found.frames)


def _derived(run: Run, approved: Mapping[str, Any]) -> _Derived:
    definition, files, digest = recomputed(run.version)
    if digest != run.digest:
        raise LeaseRefused(f"The stored bytes have the digest {digest}, accepted was {run.digest}.")
    given = uploads.taken(definition.parameters, run.parameters)
    if plan.plain(given.parameters) != approved["parameters"] or given.facts != approved.get("uploads", {}):
        raise LeaseRefused("The stored parameters are not those of the approved plan.")
    files = {**files, **given.files}
    targets = {row["name"]: target_of(row, approved["environment"]) for row in approved["targets"]}
    first = {name for batch in approved["batches"] for name in batch}
    ask = plan.Ask(
        run=run.pk,
        run_no=run.no,
        procedure=approved["procedure"],
        digest=run.digest,
        environment=approved["environment"],
        requester=approved["requester"],
        reason=approved["reason"],
        parameters=given.parameters,
        uploads=given.facts,
        secret_marks=approved["secrets"],
        targets=[target for name, target in targets.items() if name in first],
        bindings={},
        approvals=approved["approvals"],
        min_strength=approved["min_strength"],
        risk=approved["risk"],
        profile=approved["profile"],
        networks=tuple(run.environment.networks),
        continues=approved.get("continues", {}),
    )
    return _Derived(definition, files, ask, _frames(run, definition, ask, targets, approved.get("calls", [])))


def _frames(
    run: Run, definition: Definition, ask: plan.Ask, targets: Mapping[str, Target], planned: list[Mapping[str, Any]]
) -> dict[str, Frame]:
    """What the run calls, with the targets that the plan names for each, in the plan's own order."""
    if not called(definition):
        return {}
    rows = iter(planned)

    def resolve(callee: Definition, values: Mapping[str, Any]) -> tuple[list[Target], Mapping[str, Binding]]:
        row = next(rows, None)
        if row is None or row["procedure"] != callee.name or row["parameters"] != plan.plain(values):
            raise LeaseRefused(f"The approved plan does not call {callee.name} so.")
        return [targets[name] for name in row["targets"]], {}

    known = calls.library(run.version, asked_at=run.requested_at, at=run.state_since)
    found = frames(definition, ask, known, resolve)
    if [(row["at"], row["version"]) for row in planned] != [(one.prefix, one.version) for one in found.values()]:
        raise LeaseRefused("The approved plan calls other versions than the accepted bytes.")
    return found


def target_of(row: Mapping[str, Any], environment: str, host_key: str = "", host_authority: str = "") -> Target:
    """A target as the plan froze it, with what the log says was confirmed for it: host key, and who certifies it."""
    return Target(
        id=NOBODY,
        name=row["name"],
        environment=environment,
        address=row["address"],
        port=row["port"],
        host_key=host_key,
        host_key_sha256=fingerprint(host_key) if host_key else "",
        trust=row["trust"],
        tags=row["tags"],
        host_authority=host_authority,
    )
