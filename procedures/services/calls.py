"""Which accepted version each call of a procedure means: pinned at submission, checked again whenever it runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from procedures.definitions import registry
from procedures.definitions.load import definition_of
from procedures.domain import bundle
from procedures.domain.calls import MAX_DEPTH, Callee, called
from procedures.domain.definition import RISKS, Definition, Step
from procedures.domain.errors import IllegalState, InvalidInput
from procedures.domain.options import sources
from procedures.domain.states import VersionState
from procedures.models import Version
from procedures.services import options

Row = tuple[str, str]


class CalleeChanged(IllegalState):
    """A called procedure is no longer what it was when the caller was accepted."""

    code = "run.callee-changed"
    next_step = "Ask the owner to submit the caller again, so that reviewers see what it calls now."


def pin(definition: Definition) -> dict[str, Version]:
    """The accepted version of each procedure that a definition calls. Raises InvalidInput, naming the step (H17)."""
    pinned: dict[str, Version] = {}
    problems: list[Row] = []
    for step in called(definition).values():
        name = str(step.input["procedure"])
        version = Version.objects.filter(procedure__name=name, state=VersionState.ACCEPTED.value).first()
        problem = _unfit(definition, name, version, step)
        if problem or version is None:
            problems.append(("/bundle/procedure.yaml", f"{step.id}: {problem}"))
        else:
            pinned[name] = version
    if problems:
        raise InvalidInput(problems)
    return pinned


def _unfit(definition: Definition, name: str, version: Version | None, step: Step) -> str:
    """Why this caller may not call that version, or an empty string."""
    if name == definition.name:
        return "a procedure does not call itself."
    if version is None:
        return f"{name} has no accepted version, so the call cannot be pinned."
    digest = step.input.get("digest")
    if digest is not None and digest != version.digest:
        return f"the accepted version of {name} is {version.digest}, not {digest}."
    callable_by = version.definition.get("callable_by") or []
    if definition.name not in callable_by and "*" not in callable_by:
        return f"{name} does not list {definition.name} under callableBy; ask its owner."
    bound = {n for n, s in sources(version.definition["parameters"]).items() if s.binds}
    if lists := sorted(bound & set(step.input.get("parameters") or {})):
        return f"{name} takes {lists[0]} from a list that only its own form can ask for."
    return ""


def risks(pinned: Mapping[str, Version]) -> list[tuple[str, str]]:
    """(risk, reason) per callee: a caller is never less risky than what it calls (H17)."""
    return [(version.risk, f"it calls {name}, which is {version.risk}") for name, version in pinned.items()]


def pinned_digests(version: Version) -> dict[str, str]:
    """What the closure of a version says it calls: name → digest."""
    return {str(name): str(digest) for name, digest in version.closure.get("calls", [])}


def library(version: Version, *, asked_at: datetime, at: datetime, depth: int = 0) -> dict[str, Callee]:
    """The callees of a version, loaded from their own bytes and checked against their digests.

    Each is accepted now, or was superseded only after `asked_at`. Raises CalleeChanged.
    """
    if depth > MAX_DEPTH:
        raise CalleeChanged(f"Calls go deeper than {MAX_DEPTH}.")
    found = {}
    for name, digest in pinned_digests(version).items():
        row = _live(name, digest, asked_at, at)
        files = {f.path: bytes(f.content) for f in row.files.all()}
        definition = definition_of(files)
        asked = options.pinned_digests(row)
        closure = bundle.closure(definition, files, registry.action_marks(), pinned_digests(row), asked)
        if bundle.closure_digest(closure) != digest:
            raise CalleeChanged(f"The stored bytes of {name} are not those of {digest}.")
        below = library(row, asked_at=asked_at, at=at, depth=depth + 1)
        found[name] = Callee(str(row.id), digest, definition, files, below)
    return found


def _live(name: str, digest: str, asked_at: datetime, at: datetime) -> Version:
    rows = Version.objects.filter(procedure__name=name, digest=digest).select_related("procedure")
    row = rows.filter(state=VersionState.ACCEPTED.value).first()
    row = row or rows.filter(state=VersionState.SUPERSEDED.value, state_since__gt=asked_at).first()
    if row is None:
        raise CalleeChanged(f"{name} is called at {digest[:19]}…, which is no longer its accepted version.")
    if row.expires_at is None or row.expires_at <= at:
        raise CalleeChanged(f"The acceptance of {name}, which this calls, has expired.")
    return row


def highest(found: list[tuple[str, str]], risk: str, reasons: list[str]) -> tuple[str, list[str]]:
    """(risk, reasons) once what is called has its say: raised, never lowered."""
    more = [(level, why) for level, why in found if RISKS.index(level) > RISKS.index(risk)]
    best = max([risk, *(level for level, _ in more)], key=RISKS.index)
    return best, sorted({*reasons, *(why for _, why in more)})
