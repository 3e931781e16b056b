"""Populations and samples: the root is fixed before the auditor speaks the nonce, so neither side can choose (H23)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from procedures.domain.errors import InvalidInput, NotFound
from procedures.domain.ids import uuid7
from procedures.evidence import verify
from procedures.evidence.models import Checkpoint, Event
from procedures.evidence.queries import fact
from procedures.evidence.record import record
from procedures.evidence.stored import Log


def fix_population(*, actor: UUID, wanted: Mapping[str, str], at: datetime) -> dict[str, Any]:
    """Say in the log which runs are the population: those of the newest checkpoint that a filter names by headers.

    Gives {population, size, root, filter, runs}. Raises InvalidInput for another filter, or a log that is empty.
    """
    for name in wanted:
        if name in verify.UNFIXED:
            raise InvalidInput([(f"/{name}", "is not in headers, so it names no population that all can recount")])
    last = Checkpoint.objects.order_by("-size").first()
    if last is None:
        raise InvalidInput([("", "the log is still empty: wait until the sequencer has run")])
    scope, log = verify.Scope(wanted), Log(last.size)
    verify.Foresight(log.headers(), scope)
    headers = (verify.parse(verify.HEADERS, line) for line in log.headers())
    runs = sum(1 for one in headers if one["k"] == "run.requested" and scope.fits(one, None))
    facts = {
        "population": str(uuid7()),
        "size": last.size,
        "root": bytes(last.root).hex(),
        "filter": dict(wanted),
        "runs": runs,
    }
    with transaction.atomic(durable=True):
        record("population.fixed", actor=actor, at=at, facts=facts)
    return facts


def draw_sample(
    *, actor: UUID, population: str, nonce: str, count: int, at: datetime, strata: str = ""
) -> dict[str, Any]:
    """Draw from a fixed population by the auditor's nonce; each draw is an event, and packs list all of them.

    `strata` (environment, outcome, risk): so many of each value. Gives {sample, population, nonce, count, runs}, the
    first-ranked run of the first stratum first. Raises InvalidInput, NotFound.
    """
    problems = [] if verify.NONCE.fullmatch(nonce) else [("/nonce", "needs 8 to 128 of A-Z a-z 0-9 _ -")]
    if not 0 < count <= verify.MOST_DRAWN:
        problems.append(("/count", f"lies between 1 and {verify.MOST_DRAWN}"))
    if strata and strata not in verify.STRATA:
        problems.append(("/strata", f"is one of {', '.join(verify.STRATA)}, or left out"))
    if problems:
        raise InvalidInput(problems)
    known = fixed(population)
    [runs] = verify.rank(Log(known["size"]).headers, known, [(nonce, count, strata)])
    facts = {"sample": str(uuid7()), "population": population, "nonce": nonce, "count": count, "runs": runs}
    facts |= {"strata": strata} if strata else {}
    with transaction.atomic(durable=True):
        record("sample.drawn", actor=actor, at=at, facts=facts)
    return facts


def drawn(sample: str) -> list[str]:
    """The runs of a sample, the first-ranked first. Raises NotFound."""
    return list(_one("sample.drawn", "sample", sample, "There is no such sample.")["runs"])


def fixed(population: str) -> dict[str, Any]:
    """A fixed population as {size, root, filter, runs}. Raises NotFound."""
    found = _one("population.fixed", "population", population, "There is no such population.")
    return {name: found[name] for name in ("size", "root", "filter", "runs")}


def _one(kind: str, name: str, value: str, lacking: str) -> Mapping[str, Any]:
    """The facts of the one event of a kind whose fact `name` is this."""
    for row in Event.objects.filter(kind=kind).order_by("id").iterator():
        facts = fact(row).facts
        if facts[name] == value:
            return facts
    raise NotFound(lacking)
