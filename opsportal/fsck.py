"""`opsportal evidence check`: runs the whole check, says each finding as it comes, and ends in a number."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

from django.db import connection

from procedures.answers.fsck import findings
from procedures.domain.clock import now
from procedures.evidence.findings import Finding
from procedures.evidence.models import Event
from procedures.evidence.witnessed import Witnessed, witnessed
from procedures.services.log_checks import KEPT, Found
from procedures.services.log_checks import keep as kept

FITS, MISFIT, UNSURE = 0, 1, 3
MOST_SAID = 1_000


def checked(*, as_json: bool, keep: bool, say: Callable[[str], None]) -> int:
    """0: everything fits. 1: something does not. 3: something could not be checked, or there is no database here."""
    if Event not in connection.introspection.installed_models(connection.introspection.table_names()):
        say("There is no portal's database here: run this on the portal's machine, with its settings.")
        return UNSURE
    began, first, counts = now(), [], {True: 0, False: 0}
    for one in findings(began):
        counts[one.sure] += 1
        if sum(counts.values()) <= MOST_SAID:
            first.append(one)
            if not as_json:
                say(f"{one.kind}: {one.text}")
    found, standing = Found(counts[True], counts[False], first[:KEPT]), witnessed(now())
    if keep:
        kept(found, began_at=began, at=now())
    said = _json(found, first, standing) if as_json else _words(found, standing)
    if said:
        say(said)
    return MISFIT if found.sure else UNSURE if found.unsure else FITS


def _json(found: Found, first: list[Finding], standing: Witnessed | None) -> str:
    told = {"misfits": found.sure, "unchecked": found.unsure, "findings": [asdict(one) for one in first]}
    level = {"level": standing.level, "witnesses": standing.sentences} if standing else {}
    return json.dumps({**told, **level})


def _words(found: Found, standing: Witnessed | None) -> str:
    left = found.sure + found.unsure - MOST_SAID
    rows = [f"… and {left:,} more."] if left > 0 else []
    if not found.sure:
        rows.append("Log, tiles, bodies, seals, sequences and live tables agree.")
    if standing is not None:
        rows += [*standing.sentences, f"level: {standing.level}"]
    return "\n".join(rows)
