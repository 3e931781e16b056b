"""Choices that come from elsewhere: looked at, filled in once their source answered, and checked at every request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from procedures import access
from procedures.domain import options
from procedures.domain.errors import InvalidInput, OpsError
from procedures.domain.options import Choices, OptionsRefused, Source
from procedures.domain.states import TERMINAL_RUN_STATES, VersionState
from procedures.models import Environment, OptionList, Person, Procedure, Version
from procedures.queries.catalogue import entities

ENDED = {state.value for state in TERMINAL_RUN_STATES}
FAILED_FOR = timedelta(seconds=10)
SAID = {
    "unasked": "Nobody has asked for them yet.",
    "asking": "The source is being asked…",
    "waits": "Fill in what they depend on first.",
}


@dataclass(frozen=True, slots=True)
class Listed:
    """A list as it stands: unasked, asking, ready, failed, waits (for other parameters) or denied; `said` in words."""

    source: Source
    state: str
    said: str = ""
    choices: Choices | None = None
    run: UUID | None = None
    key: str = ""

    @property
    def digest(self) -> str:
        return self.choices.digest if self.choices else ""


def look(
    *,
    actor: Person,
    version: Version,
    environment: Environment,
    source: Source,
    parameters: Mapping[str, Any],
    at: datetime,
) -> Listed:
    """What stands of a parameter's list for this person, who needs `run` on the procedure that gives it."""
    try:
        question = options.asked(source, parameters, environment.name)
    except OpsError as problem:
        return Listed(source, "failed", problem.message)
    if question is None:
        return Listed(source, "waits", SAID["waits"])
    if source.kind == "catalogue":
        found = options.read(source, entities(question["kinds"]))
        return Listed(source, "ready", _counted(found), found)
    if refusal := denial(actor, version, source, environment, question, at):
        return Listed(source, "denied", refusal)
    key = key_of(version, source, environment, question)
    row = OptionList.objects.select_related("run").filter(key=key).first()
    row = _settled(row, source, at) if row is not None else None
    if row is None or row.expires_at <= at:
        return Listed(source, "unasked", SAID["unasked"], key=key)
    return _told(row, source)


def _told(row: OptionList, source: Source) -> Listed:
    if row.state != OptionList.State.READY:
        return Listed(source, row.state, row.message or SAID["asking"], run=row.run_id, key=row.key)
    choices = Choices(row.values, row.titles, row.digest)
    return Listed(source, "ready", _counted(choices), choices, row.run_id, row.key)


def _counted(choices: Choices) -> str:
    count = len(choices.values)
    return f"{count} choice{'' if count == 1 else 's'}" + (", the first of more" if choices.cut else "")


def denial(
    actor: Person,
    version: Version,
    source: Source,
    environment: Environment,
    question: Mapping[str, Any],
    at: datetime,
) -> str:
    """Why this person may not ask that source, in words, or an empty string."""
    where: dict[str, Any] = {"at": at, "environment": environment}
    if source.kind == "url":
        may = access.decide(actor, "run", procedure=version.procedure, **where).allowed
        return "" if may else f"You may not run {version.procedure.name} in {environment.name}."
    procedure = Procedure.objects.filter(name=source.procedure).first()
    decision = access.decide(actor, "run", procedure=procedure, resolved=question.get("with", {}), **where)
    if procedure is None or not decision.allowed:
        return f"You may not run {source.procedure} in {environment.name}, which gives these choices."
    return ""


def key_of(version: Version, source: Source, environment: Environment, question: Mapping[str, Any]) -> str:
    pinned = pinned_digests(version).get(source.procedure, "")
    return options.key(source, question, digest_of=pinned, environment=environment.name)


def pinned_digests(version: Version) -> dict[str, str]:
    """The procedures that give choices, as the accepted closure pins them: name → digest."""
    return {str(name): str(digest) for name, digest in version.closure.get("options", [])}


def _settled(row: OptionList, source: Source, at: datetime) -> OptionList:
    """The list once the run that gives it has ended."""
    if row.state != OptionList.State.ASKING or row.run is None or row.run.state not in ENDED:
        return row
    if row.run.state != "succeeded":
        word = row.run.state.replace("_", " ")
        return failed(row, f"Run #{row.run.no}, which should give them, {word}.", at)
    return answered(row, source, (row.run.output.get("values") or {}).get(str(source.raw["output"])), at)


def answered(row: OptionList, source: Source, found: Any, at: datetime) -> OptionList:
    """Write down what a source gave."""
    try:
        choices = options.read(source, found)
    except OptionsRefused as problem:
        return failed(row, problem.message, at)
    fields = {
        "state": OptionList.State.READY.value,
        "values": choices.values,
        "titles": choices.titles,
        "digest": choices.digest,
        "message": "",
        "expires_at": at + timedelta(seconds=source.ttl_s),
    }
    return _written(row, fields)


def failed(row: OptionList, message: str, at: datetime) -> OptionList:
    fields = {"state": OptionList.State.FAILED.value, "message": message[:500], "expires_at": at + FAILED_FOR}
    return _written(row, fields)


def _written(row: OptionList, fields: Mapping[str, Any]) -> OptionList:
    with transaction.atomic():
        OptionList.objects.filter(pk=row.pk, state=OptionList.State.ASKING.value).update(**fields)
        row.refresh_from_db()
    return row


def check(
    *,
    actor: Person,
    version: Version,
    environment: Environment,
    schema: Mapping[str, Any],
    resolved: Mapping[str, Any],
    at: datetime,
) -> dict[str, Any]:
    """What was chosen stands in the lists that bind (H11); their digests, for the evidence. Raises InvalidInput."""
    used: dict[str, Any] = {}
    problems: list[tuple[str, str]] = []
    for name, source in options.sources(schema).items():
        if name not in resolved or not source.binds:
            continue
        listed = look(actor=actor, version=version, environment=environment, source=source, parameters=resolved, at=at)
        if listed.choices is None:
            problems.append((f"/parameters/{name}", f"its choices are not known: {listed.said} Load them first."))
        elif options.outside(resolved[name], listed.choices):
            problems.append((f"/parameters/{name}", "is not among the choices that its source gave"))
        else:
            used[name] = {"from": source.kind, "digest": listed.digest, "run": str(listed.run or "")}
    if problems:
        raise InvalidInput(problems)
    return used


def allowed_host(host: str) -> bool:
    """Whether policy lets choices be fetched from this host (H30)."""
    return host.lower() in {name.lower() for name in settings.OPSPORTAL_OPTION_HOSTS}


def accepted_source(source: Source) -> Version | None:
    """The accepted version of the procedure that gives choices."""
    rows = Version.objects.filter(procedure__name=source.procedure, state=VersionState.ACCEPTED.value)
    return rows.select_related("procedure").first()


def risks(pinned: Mapping[str, Version]) -> list[tuple[str, str]]:
    """(risk, reason) per procedure that a form asks: the form is never less risky than what it starts."""
    return [(version.risk, f"its form asks {name}, which is {version.risk}") for name, version in pinned.items()]


def pin(schema: Mapping[str, Any], *, caller: str) -> dict[str, Version]:
    """The accepted version of each procedure that gives a form its choices. Raises InvalidInput by parameter."""
    pinned: dict[str, Version] = {}
    problems: list[tuple[str, str]] = []
    for name, source in options.sources(schema).items():
        if source.kind != "procedure":
            continue
        version = accepted_source(source)
        if source.procedure == caller or version is None:
            problems.append(("/bundle/procedure.yaml", f"{name}: {source.procedure} has no accepted version to ask."))
        elif version.definition.get("type") != "diagnostic":
            problems.append(("/bundle/procedure.yaml", f"{name}: {source.procedure} is not of type diagnostic."))
        elif source.raw["output"] not in (version.definition.get("output", {}).get("values") or {}):
            problems.append(
                ("/bundle/procedure.yaml", f"{name}: {source.procedure} has no output {source.raw['output']}.")
            )
        else:
            pinned[source.procedure] = version
    if problems:
        raise InvalidInput(problems)
    return pinned
