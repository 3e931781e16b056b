"""Who can open the secret results of a run: persons by their enrolled keys, as the plan names them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q

from procedures.domain import age, results
from procedures.domain.canonical import parse
from procedures.domain.definition import Definition
from procedures.domain.errors import OpsError
from procedures.domain.leases import NoPlace
from procedures.domain.ports import Binding
from procedures.domain.results import Recipient, Recipients
from procedures.models import EnrolledKey, Person, Run
from procedures.queries.holders import holders


class NoKeyForResult(OpsError):
    """A procedure makes a secret for somebody who has no key that it could be encrypted to."""

    code = "result.no-key"
    next_step = "Enrol an Ed25519 SSH key of yours (Settings, Enrol an SSH key), and ask again."


class TooManyReaders(OpsError):
    """A secret for everybody is none."""

    code = "result.too-many-readers"
    next_step = "Let fewer people read the output of this procedure, or have it delivered into Vault."


def of_run(run: Run, definitions: Sequence[Definition], at: datetime) -> Recipients:
    """Recipients by way of delivery; nothing where nothing is kept by the portal.

    Whoever the approved plan names stays, as long as that key and right stand: a reader who came later changes no plan.
    Raises NoKeyForResult, TooManyReaders.
    """
    wanted = {need.deliver for definition in definitions for need in results.of(definition)}
    before = _planned(run)
    found: dict[str, tuple[Recipient, ...]] = {}
    for deliver in results.SEALED:
        if deliver in wanted:
            found[deliver] = _standing(run, deliver, before.get(deliver, ()), at)
    return found


def require_places(definition: Definition, bindings: Mapping[str, Binding]) -> None:
    """What is sent somewhere has a credential that puts it there: said before anything is made. Raises NoPlace."""
    for need in results.of(definition):
        fitting, bound = results.PROVIDERS.get(need.deliver), bindings.get(need.credential)
        if fitting and (bound is None or bound.provider != fitting):
            what = f"{need.credential} is bound to {bound.provider}" if bound else f"nothing binds {need.credential}"
            raise NoPlace(f"{need.name} goes to {need.deliver}, which takes a binding to {fitting}: {what}.")


def _planned(run: Run) -> Mapping[str, tuple[Recipient, ...]]:
    plan: Mapping[str, Any] = parse(bytes(run.plan)) if run.plan else {}
    return results.read(plan.get("recipients", {}))


def _standing(run: Run, deliver: str, before: tuple[Recipient, ...], at: datetime) -> tuple[Recipient, ...]:
    people = {run.requester_id}
    if deliver == "readers":
        right = holders("read_output", at, procedure=run.procedure, environment=run.environment)
        people |= set(right.values_list("pk", flat=True))
    now = _keys(people, production=run.environment.production, at=at)
    if not now:
        nobody = "nobody who may read its output, you among them, has an" if deliver == "readers" else "you have no"
        raise NoKeyForResult(f"{run.procedure.name} makes a secret, and {nobody} Ed25519 key to encrypt it to.")
    if len(now) > results.MOST_RECIPIENTS:
        raise TooManyReaders(
            f"{len(now):,} keys could open what {run.procedure.name} makes; {results.MOST_RECIPIENTS} are the most."
        )
    return before if before and set(before) <= set(now) else now


def _keys(people: Collection[Any], *, production: bool, at: datetime) -> tuple[Recipient, ...]:
    """Live keys of these persons that can be encrypted to; one that replaces a lost key waits a day for production."""
    rows = EnrolledKey.objects.filter(person__in=people, method="ssh", revoked_at__isnull=True)
    rows = rows.filter(person__is_active=True, person__kind=Person.Kind.PERSON).select_related("person")
    if production:
        rows = rows.filter(Q(counts_from_at__isnull=True) | Q(counts_from_at__lte=at))
    return tuple(
        Recipient(str(row.person.subject), row.fingerprint, age.bare(row.public))
        for row in rows.order_by("person__username", "fingerprint")
        if age.fits(row.public)
    )
