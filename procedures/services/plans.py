"""Making the plan of a run from accepted bytes, today's targets and today's bindings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db.models import Q

from procedures.definitions import registry
from procedures.domain import filters, freeze, limits, narrower, plan, ports, uploads
from procedures.domain.calls import Frame, called, frames
from procedures.domain.canonical import parse
from procedures.domain.clock import now
from procedures.domain.definition import Definition
from procedures.domain.errors import InvalidInput, OpsError
from procedures.domain.policies import Decision
from procedures.domain.profiles import approvals_union
from procedures.domain.software import DELEGATOR, with_a_person
from procedures.domain.statements import STRENGTHS
from procedures.evidence.queries import facts_of_run
from procedures.models import CredentialBinding, Environment, Person, Run, Target
from procedures.services import calls, carried, recipients, risks, run_policies
from procedures.services.portal import profile_in_force


class NoTarget(OpsError):
    """The filter matches nothing in this environment."""

    code = "run.no-target"
    next_step = "Check the parameters that choose targets, or ask an operator to add the target."


class NotBound(OpsError):
    """The environment does not say what to make of a credential."""

    code = "run.credential-not-bound"
    next_step = "Ask an operator to bind the credential in this environment."


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan's bytes, its digest, and the values that it was made from."""

    data: bytes
    digest: str
    ask: plan.Ask
    frames: Mapping[str, Frame] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    said: Decision = run_policies.NOTHING


def as_port(target: Target) -> ports.Target:
    return ports.Target(
        id=target.id,
        name=target.name,
        environment=target.environment_id,
        address=target.address,
        port=target.port,
        host_key=target.host_key,
        host_key_sha256=target.host_key_sha256,
        trust=target.trust,  # type: ignore[arg-type]
        tags=target.tags,
        attributes=target.attributes,
        owner=target.owner,
        host_authority=target.host_authority,
    )


def binding_port(binding: CredentialBinding) -> ports.Binding:
    return ports.Binding(
        environment=binding.environment_id,
        name=binding.name,
        provider=binding.provider,
        role=binding.role,
        ceiling=binding.ceiling,
        max_ttl_s=binding.max_ttl_s,
        reach=binding.reach,
        digest=binding.digest,
    )


def targets_for(
    definition: Definition, environment: Environment, parameters: Mapping[str, Any], narrowed_to: Sequence[str] = ()
) -> list[ports.Target]:
    """The live targets of this environment that the procedure's filter matches, by name. Raises NoTarget."""
    if definition.targets is None:
        if narrowed_to:
            raise InvalidInput([("/targets", "this procedure acts on no targets")])
        return []
    bound = filters.parse(definition.targets.filter).bind({"parameters": parameters})
    rows = Target.objects.filter(environment=environment, ended_at__isnull=True).order_by("name")
    matching = [port for port in map(as_port, rows) if bound.matches(port)]
    try:
        chosen = plan.narrowed(matching, narrowed_to)
    except KeyError as missing:
        gone = narrower.told(definition, "targets")
        raise InvalidInput(
            [("/targets", f"{missing} is not among the matching targets. {gone}".strip(". "))]
        ) from missing
    if not chosen:
        gone = narrower.told(definition, "targets")
        raise NoTarget(f"No target in {environment.name} matches. {gone}".strip(), pointer="/parameters")
    if len(chosen) > limits.TARGETS_PER_RUN:
        raise InvalidInput(
            [("/targets", f"{len(chosen)} targets match; a run takes at most {limits.TARGETS_PER_RUN:,}")]
        )
    return chosen


def require_narrowable(definition: Definition, names: Sequence[str]) -> None:
    """A requester names some of the targets only where the author lets them. Raises InvalidInput."""
    if names and definition.targets is not None and not definition.targets.narrow:
        raise InvalidInput(
            [("/targets", "this procedure acts on all targets that match: its author lets nobody narrow")]
        )


def bindings_for(definition: Definition, environment: Environment) -> dict[str, ports.Binding]:
    """What this environment makes of each credential the procedure names. Raises NotBound."""
    rows = CredentialBinding.objects.filter(environment=environment, ended_at__isnull=True)
    known = {row.name: binding_port(row) for row in rows}
    lacking = [name for name in definition.credentials if name not in known]
    if lacking:
        raise NotBound(f"{environment.name} binds no credential named {lacking[0]}.")
    return {name: known[name] for name in definition.credentials}


def approvals_for(environment: Environment, risk: str, *, profile: str, asked_by_software: bool) -> dict[str, int]:
    """How many of which duty must approve a run: the environment's rules; `pair` asks one more for high risk.

    What software asks for in production, a person approves, whatever the environment's rules say (H38).
    """
    needed = approvals_union(environment.approvals.get(risk, {}))
    if profile == "pair" and risk == "high" and not needed:
        needed = {"operations": 1}
    return with_a_person(needed, production=environment.production, software=asked_by_software)


def by_software(run: Run) -> bool:
    """Whether software stands anywhere behind this run."""
    if run.requester.kind == Person.Kind.AGENT:
        return True
    return run.chain.filter(Q(person__kind=Person.Kind.AGENT) | Q(role=DELEGATOR)).exists()


def approvals_at_claim(run: Run) -> dict[str, int]:
    """What the plan needs, and a person's approval where the log or a table says that software asked (H38)."""
    needed = dict(parse(bytes(run.plan))["approvals"])
    if needed or not run.environment.production:
        return needed
    asked = [fact.facts for fact in facts_of_run(run.pk) if fact.kind == "run.requested"]
    logged = any(link["role"] == DELEGATOR for facts in asked for link in facts["chain"])
    return with_a_person(needed, production=True, software=logged or by_software(run))


def make(
    run: Run,
    definition: Definition,
    files: Mapping[str, bytes],
    *,
    secret_marks: Mapping[str, str],
    at: datetime | None = None,
) -> Planned:
    """Build the plan of a run as things stand now. Raises what planning raises, ReachGrew and PolicyDenied."""
    at = at or now()
    environment = run.environment
    profile = profile_in_force()
    uploaded = uploads.taken(definition.parameters, run.parameters)
    files = {**files, **uploaded.files}
    ask = plan.Ask(
        run=run.id,
        run_no=run.no,
        procedure=run.procedure.name,
        digest=run.digest,
        environment=environment.name,
        requester=str(run.requester.subject),
        reason=run.reason,
        parameters=uploaded.parameters,
        uploads=uploaded.facts,
        secret_marks=secret_marks,
        targets=targets_for(definition, environment, run.parameters, run.narrowed_to),
        bindings=bindings_for(definition, environment),
        approvals=approvals_for(environment, run.risk, profile=profile, asked_by_software=by_software(run)),
        min_strength=stronger(environment.min_strength),
        risk=run.risk,
        profile=profile,
        networks=tuple(environment.networks),
        continues=carried.told(run),
    )
    ask, below = _handed_over(run, definition, ask, _frames(run, definition, ask, at=at), at)
    bound = [b for one in (ask, *(one.ask for one in below.values())) for b in one.bindings.values()]
    risks.require_reach(run.risk, bound, environment)
    data = freeze.build(definition, files, ask, registry.actions(), below)
    data, approvals, said = run_policies.planned(run, definition, ask, below, data, at=at)
    return Planned(data, plan.plan_digest(data), replace(ask, approvals=approvals), below, files, said)


def _handed_over(
    run: Run, definition: Definition, ask: plan.Ask, below: Mapping[str, Frame], at: datetime
) -> tuple[plan.Ask, dict[str, Frame]]:
    """The same, with whose keys open what is made for people. Raises NoKeyForResult, NoPlace."""
    definitions = [definition, *(one.definition for one in below.values())]
    for one, bound in zip(definitions, [ask.bindings, *(one.ask.bindings for one in below.values())], strict=True):
        recipients.require_places(one, bound)
    named = recipients.of_run(run, definitions, at)
    inner = {prefix: replace(one, ask=replace(one.ask, recipients=named)) for prefix, one in below.items()}
    return replace(ask, recipients=named), inner


def _frames(run: Run, definition: Definition, ask: plan.Ask, *, at: datetime) -> dict[str, Frame]:
    """What the run calls, each with its own targets and bindings. Raises CalleeChanged, CallRefused."""
    if not called(definition):
        return {}

    def resolve(
        callee: Definition, values: Mapping[str, Any]
    ) -> tuple[list[ports.Target], Mapping[str, ports.Binding]]:
        return targets_for(callee, run.environment, values), bindings_for(callee, run.environment)

    known = calls.library(run.version, asked_at=run.requested_at or at, at=at)
    return frames(definition, ask, known, resolve)


def stronger(*strengths: str) -> str:
    return max(strengths, key=STRENGTHS.index)
