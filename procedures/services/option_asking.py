"""Asking a source for its choices: a run on the record, or a fetch by the runner; never by the web process (H30)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.db import transaction

from procedures.domain import limits, options
from procedures.domain.errors import OpsError
from procedures.domain.options import OptionsRefused, Source
from procedures.models import Environment, OptionList, Person, Run, Version
from procedures.services import dispatch, plans
from procedures.services import options as lists
from procedures.services.options import Listed
from procedures.services.portal import profile_in_force
from procedures.services.runs import TooManyRuns, Wish, request_run

PATIENCE = timedelta(minutes=5)


def ask(
    *,
    actor: Person,
    version: Version,
    environment: Environment,
    source: Source,
    parameters: Mapping[str, Any],
    at: datetime,
) -> Listed:
    """Ask for a list that is not there; one that is fresh, or under way, is told as it stands.

    What stands in the way is told in words, as the state `failed`: a form still works without its choices.
    """
    where: dict[str, Any] = {"actor": actor, "version": version, "environment": environment, "source": source}
    listed = lists.look(**where, parameters=parameters, at=at)
    if listed.state in {"waits", "denied", "ready", "asking"}:
        return listed
    question = options.asked(source, parameters, environment.name) or {}
    try:
        run = _run(actor, version, environment, source, question, at) if source.kind == "procedure" else None
        _keep(where, question, run, at)
    except OpsError as problem:
        return Listed(source, "failed", f"{problem.message} {problem.next_step}", key=listed.key)
    return lists.look(**where, parameters=parameters, at=at)


def _run(
    actor: Person, version: Version, environment: Environment, source: Source, question: Mapping[str, Any], at: datetime
) -> Run:
    """The run that gives the list: of the pinned version, as the person, like any other. Raises OpsError."""
    digest = lists.pinned_digests(version).get(source.procedure)
    pinned = lists.accepted_source(source)
    if pinned is None or pinned.digest != digest:
        raise OptionsRefused(
            f"{source.procedure}, which gives these choices, is no longer the version that was accepted."
        )
    software = actor.kind == Person.Kind.AGENT
    if plans.approvals_for(environment, pinned.risk, profile=profile_in_force(), asked_by_software=software):
        raise OptionsRefused(
            f"{source.procedure} needs an approval in {environment.name}, so it gives no choices there."
        )
    wish = Wish(
        procedure=source.procedure,
        environment=environment.name,
        parameters=question["with"],
        reason=f"Choices of {source.parameter} for {version.procedure.name}",
        digest=digest,
        door="form",
    )
    return request_run(actor=actor, wish=wish, at=at)


def _keep(where: Mapping[str, Any], question: Mapping[str, Any], run: Run | None, at: datetime) -> None:
    """Write that the source is asked, and tell the runner if it has to fetch. Raises OptionsRefused, TooManyRuns."""
    source: Source = where["source"]
    if run is None:
        _fetchable(str(question["url"]))
        recent = OptionList.objects.filter(
            asked_by=where["actor"], source="url", asked_at__gt=at - timedelta(minutes=1)
        )
        if recent.count() >= limits.RUNS_A_MINUTE:
            raise TooManyRuns("You asked for too many lists within a minute.")
    key = lists.key_of(where["version"], source, where["environment"], question)
    fields = {
        "source": source.kind,
        "version": where["version"],
        "parameter": source.parameter,
        "environment": where["environment"],
        "question": dict(question),
        "run": run,
        "asked_by": where["actor"],
        "state": OptionList.State.ASKING.value,
        "message": "",
        "asked_at": at,
        "expires_at": at + PATIENCE,
    }
    with transaction.atomic():
        row, _ = OptionList.objects.update_or_create(key=key, defaults=fields)
        if run is None:
            dispatch.options_after_commit(row.id, row.environment_id)


def _fetchable(url: str) -> None:
    host = urlsplit(url).hostname or ""
    if not lists.allowed_host(host):
        raise OptionsRefused(f"Choices may not be fetched from {host}: it is not in OPSPORTAL_OPTION_HOSTS.")


def fetched(*, list_id: UUID, found: Any, problem: str, at: datetime) -> None:
    """What the runner brought back for a list, or what went wrong."""
    row = OptionList.objects.select_related("version").filter(pk=list_id, state=OptionList.State.ASKING.value).first()
    if row is None:
        return
    source = options.sources(row.version.definition["parameters"])[row.parameter]
    if problem:
        lists.failed(row, problem, at)
    else:
        lists.answered(row, source, found, at)
