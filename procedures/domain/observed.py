"""What a procedure declares against what its runs were seen to use: a verdict per line, and never more than was seen.

`unused` is said only where enough runs by others than its authors came to the very same step, with the same files
beside it, and each of them was seen not to need it. Use that anybody saw counts, whoever ran it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from procedures.domain import narrower, results
from procedures.domain.canonical import digest, moment
from procedures.domain.definition import PHASES, Definition, Step
from procedures.domain.errors import OpsError

DAYS, FLOOR = 90, 20
Verdict = Literal["used", "unused", "few", "idle", "unseen"]


@dataclass(frozen=True, slots=True)
class Told:
    """A version as the comparison reads it. `programs` marks the bytes of every file that a step may run."""

    definition: Definition
    programs: str


@dataclass(frozen=True, slots=True)
class Ran:
    """A run that began. `own`: an author of its version asked for it."""

    id: UUID
    version: UUID
    environment: str
    at: datetime
    own: bool


@dataclass(frozen=True, slots=True)
class Did:
    """What one step of the procedure itself was seen to use in such a run; or, of no step, one target connected to."""

    run: UUID
    step: str
    target: str
    good: bool
    seen: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of what is declared. `runs` came to it; `cut`: a narrower version may leave it out, or hold `less`."""

    kind: str
    step: str
    what: str
    verdict: Verdict
    runs: int
    last_at: datetime | None
    why: str
    cut: bool = False
    less: str = ""

    @property
    def id(self) -> str:
        return digest([self.kind, self.step, self.what])[7:19]


@dataclass(frozen=True, slots=True)
class Observation:
    """The lines of one version. `partial`: the reader sees not all of its runs, and may propose nothing by it.

    `called` is how many procedures call it; what it used there stands in their runs, and is not counted here.
    """

    procedure: str
    version: str
    since: datetime
    until: datetime
    runs: int
    own: int
    partial: bool
    lines: tuple[Line, ...] = ()
    called: int = 0

    @property
    def body(self) -> dict[str, Any]:
        """What `digest` is the digest of, as evidence keeps it."""
        return {
            "procedure": self.procedure,
            "version": self.version,
            "since": moment(self.since),
            "until": moment(self.until),
            "runs": self.runs,
            "own": self.own,
            "lines": [[one.kind, one.step, one.what, one.verdict, one.runs] for one in self.lines],
        }

    @property
    def digest(self) -> str:
        return digest(self.body)


@dataclass(slots=True)
class Record:
    """Everything that was seen, by step; built once for a procedure."""

    now: Told
    versions: Mapping[UUID, Told]
    runs: Mapping[UUID, Ran]
    by_step: dict[str, list[Did]] = field(default_factory=dict)

    @classmethod
    def of(cls, now: Told, versions: Mapping[UUID, Told], runs: Iterable[Ran], did: Iterable[Did]) -> Record:
        made = cls(now, versions, {run.id: run for run in runs})
        for one in did:
            if one.seen and one.run in made.runs:
                made.by_step.setdefault(one.step, []).append(one)
        return made

    def same(self, step: Step, did: Did) -> bool:
        """Whether this task was of the very same step, with the same files beside it."""
        there = self.versions[self.runs[did.run].version]
        return there.programs == self.now.programs and any(
            step == one for phase in PHASES for one in there.definition.branch(phase)
        )

    def line(
        self,
        kind: str,
        steps: Sequence[Step],
        what: str,
        told: Callable[[Mapping[str, Any]], bool | None],
        why: Mapping[Verdict, str],
        *,
        cut: bool = False,
        step: str = "",
    ) -> Line:
        """`told` says of what one task was seen to use: this, not this (False), or that nobody can know (None)."""
        used, away, dark, came = [], set(), False, set()
        for one in steps:
            for did in self.by_step.get(one.id, ()):
                answer = told(did.seen)
                came.add(did.run)
                if answer:
                    used.append(self.runs[did.run].at)
                elif did.good and self.same(one, did):
                    dark = dark or answer is None
                    if answer is False and not self.runs[did.run].own:
                        away.add(did.run)
        verdict: Verdict = "used" if used else "unseen" if dark else "idle" if not came else "few"
        if verdict == "few" and len(away) >= FLOOR:
            verdict = "unused"
        runs = len(away) if verdict == "unused" else len(came)
        return Line(kind, step, what, verdict, runs, max(used, default=None), why[verdict], cut and verdict == "unused")


def observed(record: Record, reach: Collection[Any]) -> Iterator[Line]:
    """Every line. `reach` are the targets that the filter may match now, with `name` and `tags`."""
    yield from _environments(record)
    yield from _credentials(record)
    for phase in PHASES:
        for step in record.now.definition.branch(phase):
            yield from _of_step(record, step)
    yield from _targets(record, reach)


def _environments(record: Record) -> Iterator[Line]:
    names = record.now.definition.environments
    rows = {name: [run for run in record.runs.values() if run.environment == name] for name in names}
    others = [run for run in record.runs.values() if not run.own]
    for name in names:
        could = [run for run in others if name in record.versions[run.version].definition.environments]
        found = rows[name]
        verdict: Verdict = "used" if found else "unused" if len(could) >= FLOOR else "few" if could else "idle"
        why = ENVIRONMENT[verdict]
        last = max((run.at for run in found), default=None)
        cut = verdict == "unused" and any(rows.values())
        yield Line("environment", "", name, verdict, len(found or could), last, why, cut)


def _credentials(record: Record) -> Iterator[Line]:
    definition = record.now.definition
    delivered = {need.credential for need in results.of(definition)}
    steps = [step for phase in PHASES for step in definition.branch(phase)]
    for name in definition.credentials:
        naming = [step for step in steps if name in step.credentials]
        if name in delivered:
            yield Line("credential", "", name, "unseen", 0, None, "A secret result is delivered with it.")
        elif not naming:
            yield Line("credential", "", name, "unused", 0, None, "No step names it.", cut=True)
        else:
            only = naming[0].id if len(naming) == 1 else ""
            yield record.line("credential", naming, name, _credential, CREDENTIAL, cut=True, step=only)


def _credential(seen: Mapping[str, Any]) -> bool | None:
    return {"used": True, "not used": False}.get(str(seen.get("credential")))


def _of_step(record: Record, step: Step) -> Iterator[Line]:
    if step.input.get("network"):
        why = "The whole network: what was reached is not seen. Name the hosts under egress instead."
        yield Line("network", step.id, "every host", "unseen", len(record.by_step.get(step.id, ())), None, why)
    for host in step.input.get("egress") or ():
        yield record.line("host", [step], host, _reached(host), HOST, cut=True, step=step.id)
    if step.input.get("writes") is True:
        yield record.line("writes", [step], "writes", lambda seen: seen.get("wrote"), WRITES, cut=True, step=step.id)
    if step.action.startswith("ssh:"):
        yield record.line("sudo", [step], "sudo", _sudo, SUDO, step=step.id)
    done = record.by_step.get(step.id, ())
    for kind, name in (("call", "calls"), ("table read", "read"), ("table written", "written")):
        for what in sorted({one for did in done for one in did.seen.get(name, ())}):
            rows = [did for did in done if what in did.seen.get(name, ())]
            last = max(record.runs[did.run].at for did in rows)
            yield Line(kind, step.id, what, "used", len({did.run for did in rows}), last, "Seen.")


def _sudo(seen: Mapping[str, Any]) -> bool | None:
    return True if seen.get("sudo") == "called" else None


def _reached(host: str) -> Callable[[Mapping[str, Any]], bool | None]:
    def told(seen: Mapping[str, Any]) -> bool | None:
        if host in seen.get("hosts", ()):
            return True
        return None if seen.get("network") != "listed" or "hosts_more" in seen else False

    return told


def _targets(record: Record, reach: Collection[Any]) -> Iterator[Line]:
    declared = record.now.definition.targets
    if declared is None:
        return
    done = [did for rows in record.by_step.values() for did in rows if did.target]
    done = [did for did in done if did.seen.get("target") == "connected"]
    used = {did.target for did in done}
    runs = {did.run for did in done}
    others = {run for run in runs if not record.runs[run].own}
    last = max((record.runs[run].at for run in runs), default=None)
    verdict: Verdict = "used" if used else "idle" if not record.runs else "unseen"
    less = narrower.filter_of(declared.filter, used, reach) if len(others) >= FLOOR else ""
    why = f"{len(used)} were connected to; it may match {len(reach)} now." if used else TARGETS[verdict]
    yield Line("targets", "", declared.filter, verdict, len(runs), last, why, bool(less), less)


def cut_from(definition: Definition, line: Line) -> Definition:
    """The definition without that line, and nothing else changed. Raises NotACut."""
    return narrower.without(definition, line.kind, line.step, line.what, line.less)


ENVIRONMENT: Mapping[Verdict, str] = {
    "used": "Runs began there.",
    "unused": "It might have run there and never did.",
    "few": "Too few runs to say.",
    "idle": "No run yet of a version that names it.",
}
CREDENTIAL: Mapping[Verdict, str] = {
    "used": "A server took it.",
    "unused": "It was lent, and never came to a server that takes it.",
    "few": "Too few runs to say.",
    "idle": "The steps that name it never ran.",
    "unseen": "It lay where a program could read it; whether one did is not seen.",
}
HOST: Mapping[Verdict, str] = {
    "used": "The way out led there.",
    "unused": "Its step ran, and never connected there.",
    "few": "Too few runs to say.",
    "idle": "Its step never ran.",
    "unseen": "What this step reached was not seen in full.",
}
WRITES: Mapping[Verdict, str] = {
    "used": "The database was changed.",
    "unused": "The database says that nothing was changed.",
    "few": "Too few runs to say.",
    "idle": "Its step never ran.",
    "unseen": "Without a transaction, or where a step failed, the database does not say.",
}
SUDO: Mapping[Verdict, str] = {
    "used": "The command that ran is sudo.",
    "unused": "",
    "few": "",
    "idle": "Its step never ran.",
    "unseen": "Whether a program on the host calls sudo is not seen.",
}
TARGETS: Mapping[Verdict, str] = {"idle": "No run yet.", "unseen": "Its steps connect to no target that is seen."}


class NotObserved(OpsError):
    """A narrower version was asked for by lines that the observation does not offer."""

    code = "use.not-offered"
    next_step = "Look at the use again and choose among what can be left out."
