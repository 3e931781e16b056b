"""What a door hands in when it asks for a run: checked against the schemas, secrets sealed before they are stored."""

from __future__ import annotations

import hashlib
import secrets as random_bytes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from procedures.domain import narrower, parameters
from procedures.domain.canonical import NotCanonical, canon, parse
from procedures.domain.definition import Definition
from procedures.domain.errors import IllegalState, InvalidInput
from procedures.domain.sealing import seal as seal_to_pool
from procedures.models import Environment, Fire, PoolKey, Run


class NotRunnable(IllegalState):
    """No accepted version, or not the one that was named."""

    code = "run.not-accepted"
    next_step = "Wait for the reviewers, or run the version that is accepted now."


@dataclass(frozen=True, slots=True)
class Wish:
    """What a door hands in. `secrets` are plain values, sealed before anything is stored."""

    procedure: str
    environment: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    targets: Sequence[str] = ()
    reason: str = ""
    digest: str | None = None
    door: str = "api"
    draft: bool = False
    break_glass: bool = False
    again_of: Run | None = None
    continues: Run | None = None
    of_fire: Fire | None = None  # what of a schedule or hook it came of, be it by way of the run before
    priority: str = ""
    why_on: str = ""  # why it goes on; the reason itself stays that of the run before


def inputs_of(
    definition: Definition, environment: Environment, wish: Wish
) -> tuple[dict[str, Any], dict[str, str], dict[str, Any]]:
    """(resolved parameters, salted marks of secrets, sealed secrets). Raises InvalidInput.

    A run that goes on takes the sealed secrets of the one before it: nobody is asked for them again.
    """
    problems = _of_the_reason(environment, wish)
    if environment.name not in definition.environments:
        gone = narrower.told(definition, "environment", what=environment.name)
        problems.append(("/environment", f"{definition.name} does not run in {environment.name}. {gone}".strip(". ")))
    resolved: dict[str, Any] = {}
    for name, schema, given in (
        ("parameters", definition.parameters, wish.parameters),
        ("secrets", definition.secrets or {}, wish.secrets),
    ):
        if wish.continues is not None and name == "secrets":
            continue
        try:
            value = parameters.resolve(schema, given, prefix=f"/{name}", secret=name == "secrets")
            resolved = value if name == "parameters" else resolved
        except InvalidInput as problem:
            problems += problem.problems
    if problems:
        raise InvalidInput(problems)
    if wish.continues is not None:
        return resolved, parse(bytes(wish.continues.plan))["secrets"], dict(wish.continues.sealed_secrets)
    marks, sealed = _seal_secrets(environment, wish.secrets)
    return resolved, marks, sealed


def _of_the_reason(environment: Environment, wish: Wish) -> list[tuple[str, str]]:
    problems: list[tuple[str, str]] = []
    if environment.reason_required and not wish.reason.strip():
        problems.append(("/reason", "say why: this environment asks for a reason"))
    if len(wish.reason) > 2000:
        problems.append(("/reason", "is longer than 2,000 characters"))
    if "\x00" in wish.reason:
        problems.append(("/reason", "contains a NUL character"))
    try:
        canon(wish.reason)
    except NotCanonical as problem:
        problems.append(("/reason", str(problem)))
    return problems


def _seal_secrets(environment: Environment, given: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Any]]:
    """Salted hashes for the plan, and values sealed to the pool so that the web tier can open none of them."""
    if not given:
        return {}, {}
    key = PoolKey.objects.filter(environment=environment, ended_at__isnull=True).order_by("-since_at").first()
    if key is None:
        raise NotRunnable(f"No runner pool of {environment.name} has a key yet, so secrets cannot be handed over.")
    marks, sealed = {}, {}
    for name, value in given.items():
        salt = random_bytes.token_bytes(16)
        marks[name] = hashlib.sha256(salt + value.encode()).hexdigest()
        box = seal_to_pool(key.public, canon({"salt": salt.hex(), "value": value}), info=f"run-secret/{marks[name]}")
        sealed[name] = {"key": key.key_id, "box": box.hex(), "mark": marks[name]}
    return marks, sealed
