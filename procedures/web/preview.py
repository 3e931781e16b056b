"""What a request would do, worked out by the very code that plans a run, and written nowhere."""

from __future__ import annotations

import secrets
from datetime import datetime

from procedures import access
from procedures.definitions.load import definition_of
from procedures.domain import parameters
from procedures.domain.errors import NotAllowed
from procedures.models import Environment, Person, Procedure, Run
from procedures.queries.pages_procedures import accepted
from procedures.services import plans
from procedures.services.runs import NotRunnable, Wish
from procedures.services.versions import stored_files


def preview_run(*, actor: Person, wish: Wish, at: datetime) -> plans.Planned:
    """The plan that this wish would get now. Raises what `request_run` raises while planning, and writes nothing."""
    procedure = Procedure.objects.filter(name=wish.procedure).first()
    environment = Environment.objects.filter(name=wish.environment).first()
    if procedure is None or environment is None:
        raise NotAllowed("Choose an environment in which you may run this.", pointer="/environment")
    access.require(actor, "run", at=at, procedure=procedure, environment=environment)
    version = accepted(procedure, at)
    if version is None:
        raise NotRunnable(f"{procedure.name} has no accepted version.")
    files = stored_files(version)
    definition = definition_of(files)
    if wish.again_of is None:
        plans.require_narrowable(definition, wish.targets)
    resolved = parameters.resolve(definition.parameters, wish.parameters)
    run = Run(
        no=0,
        procedure=procedure,
        version=version,
        digest=version.digest,
        environment=environment,
        requester=actor,
        reason=wish.reason,
        parameters=resolved,
        narrowed_to=list(wish.targets),
        risk=version.risk,
    )
    marks = {name: secrets.token_hex(32) for name in wish.secrets}
    return plans.make(run, definition, files, secret_marks=marks)
