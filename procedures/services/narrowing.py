"""Less, by what was seen: a manuscript that lacks unused lines, or a smaller grant in the place of one.

Nothing narrows by itself. The manuscript goes to reviewers as any other does; the grant is signed as any other is. What
either rests on is evidence: the observation with its digest, its window and how many runs it counts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from procedures.definitions import registry
from procedures.definitions.load import load
from procedures.definitions.narrowing import Cut, NotEditable, narrowed
from procedures.domain import narrower
from procedures.domain.errors import IllegalState, NotAllowed, NotFound
from procedures.domain.observed import Line, NotObserved, Observation
from procedures.evidence.record import record
from procedures.models import Grant, Manuscript, Person, Procedure
from procedures.queries import deciding, observed, observed_grants
from procedures.queries.observed_grants import GrantUse
from procedures.services.authorship import require_author
from procedures.services.given import object_of
from procedures.services.manuscripts import keep_manuscript
from procedures.services.unit import thing
from procedures.services.versions import stored_files


class NotAllSeen(NotAllowed):
    """Somebody would narrow by a part of the runs."""

    code = "use.partial"
    next_step = "Ask somebody who may view every environment of it to propose this."


class NothingToNarrow(IllegalState):
    """No accepted version, or files of this person that would be lost."""

    code = "use.no-version"
    next_step = "Hand in or discard what you write, and look at the use of the accepted version."


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A manuscript that was made, the words for its reviewers, and what both rest on."""

    manuscript: Manuscript
    note: str
    observation: Observation


@thing
def narrow_procedure(*, actor: Person, name: str, lines: Collection[str], at: datetime) -> Narrowed:
    """Begin a manuscript of the accepted version without these lines of its observation.

    Raises NotAllowed, NotAllSeen, NothingToNarrow, NotObserved, NotEditable.
    """
    procedure = Procedure.objects.filter(name=name).first()
    require_author(actor, name, procedure, at)
    if procedure is None:
        raise NotFound(f"There is no procedure {name}.")
    version = procedure.versions.filter(state="accepted", expires_at__gt=at).first()
    if version is None or Manuscript.objects.filter(owner=actor, name=name).exists():
        raise NothingToNarrow(f"{name} has no accepted version, or you write {name} in the editor already.")
    seen = observed.of_procedure(actor, procedure, version, at)
    cuts = _chosen(seen.lines, lines, partial=seen.partial)
    files, _ = narrowed(stored_files(version), [_cut(line) for line in cuts], [_told(seen, line) for line in cuts])
    _require_sound(files, version.bundle_digest)
    row = keep_manuscript(actor=actor, name=name, files=files, base=version, at=at)
    _note(f"procedure:{name}", seen.body, seen.digest, cuts, actor, procedure, at)
    return Narrowed(row, note_of(seen, cuts), seen)


def _require_sound(files: Mapping[str, bytes], was: str) -> None:
    """What is left must still be a procedure: an action may need what was not used. Raises NotEditable."""
    errors = [found for found in load(files, registry.actions()).findings if found.severity == "error"]
    if errors:
        raise NotEditable(f"Without that it is no sound procedure: {errors[0].message}")


def _chosen(every: Sequence[Line], ids: Collection[str], *, partial: bool) -> list[Line]:
    if partial:
        raise NotAllSeen("You may not know of every run that this rests on.")
    found = [line for line in every if line.cut and line.id in ids]
    if not found or len(found) != len(set(ids)):
        raise NotObserved("Name lines that can be left out, and only such.")
    return found


def _cut(line: Line) -> Cut:
    return Cut(line.kind, line.step, line.what, line.less)


def _told(seen: Observation, line: Line) -> dict[str, Any]:
    step = {"step": line.step} if line.step else {}
    rests = {"runs": line.runs, "until": f"{seen.until:%Y-%m-%d}", "observation": seen.digest}
    return {"took": line.kind, **step, "what": line.what, **rests}


def note_of(seen: Observation, cuts: Sequence[Line]) -> str:
    """What reviewers read: which lines go, and what that rests on."""
    rows = [f"- {line.kind} {line.what}{f' of step {line.step}' if line.step else ''}: {line.why}" for line in cuts]
    window = f"{seen.since:%Y-%m-%d} to {seen.until:%Y-%m-%d}"
    head = f"Narrowed to what {seen.runs} runs from {window} were seen to use ({seen.own} by authors of it)."
    tail = f"Seen by the runners, and never all that happened. Rests on observation {seen.digest}."
    return "\n".join([head, *rows, tail])[:2000]


@thing
def narrower_grant(*, actor: Person, grant: UUID, lines: Collection[str], at: datetime) -> dict[str, Any]:
    """The smaller grant that would take the place of this one, to be signed and proposed as any other.

    Raises NotFound, NotAllowed, NotAllSeen, NotObserved, and Unsound if it were not smaller.
    """
    row = observed_grants.one(actor, grant, at)
    if row is None:
        raise NotFound("There is no such access.")
    if not deciding.reach(actor, at=at).ends(row):
        raise NotAllowed("You do not decide over this access.")
    seen = observed_grants.of_grant(actor, row, at)
    cuts = _chosen(seen.lines, lines, partial=seen.partial)
    made = _smaller(row, seen, cuts, at)
    deciding.require(actor, "grant", made, at=at, proposes=True)
    old = object_of(row, at)
    if problems := narrower.wider(old, made):
        raise NotObserved(f"What is left would be more than before: {problems[0][1]}.")
    _note(f"grant:{row.pk}", seen.body, seen.digest, cuts, actor, row.procedure, at)
    return made


def _smaller(grant: Grant, seen: GrantUse, cuts: Sequence[Line], at: datetime) -> dict[str, Any]:
    made = object_of(grant, at)
    gone = {(line.kind, line.what) for line in cuts}
    made["verbs"] = [verb for verb in made["verbs"] if ("verb", verb) not in gone]
    made["environments"] = [name for name in made["environments"] if ("environment", name) not in gone]
    for line in cuts:
        if line.kind == "environments":
            made["environments"] = line.less.split()
        elif line.kind == "procedures":
            made["procedure"] = line.less
        elif line.kind == "targets":
            made["target_filter"] = line.less
    if limits := [line for line in cuts if line.kind == "parameter"]:
        made |= observed_grants.constraint_of(grant, limits, seen.lines)
    if not made["verbs"] or (grant.environments and not made["environments"]):
        raise NotObserved("Nothing would be left of it: end the access instead.")
    window = f"{seen.since:%Y-%m-%d} to {seen.until:%Y-%m-%d}"
    made["reason"] = f"Narrowed to what {seen.runs} runs from {window} used; observation {seen.digest}"
    return made


def _note(
    of: str,
    body: Mapping[str, Any],
    mark: str,
    cuts: Sequence[Line],
    actor: Person,
    procedure: Procedure | None,
    at: datetime,
) -> None:
    record(
        "use.observed",
        actor=actor.subject,
        at=at,
        procedure=procedure.pk if procedure is not None else None,
        facts={
            "of": of,
            "digest": mark,
            "runs": body["runs"],
            "since": body["since"],
            "until": body["until"],
            "observation": dict(body),
            "cuts": [[line.kind, line.step, line.what] for line in cuts],
        },
    )
