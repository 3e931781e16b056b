"""Enrolments of runners on pages: what a pasted card becomes, and what a change does, in a sentence."""

from __future__ import annotations

import json
from typing import Any

from django.http import QueryDict

from procedures.domain.errors import InvalidInput
from procedures.domain.runners import enrolment, fingerprint, is_card
from procedures.web.form_texts import words

Object = dict[str, Any]


def enrol(posted: QueryDict) -> Object:
    """A card as `opsportal runner card` printed it, with the zones that its host reaches. Raises InvalidInput."""
    try:
        card = json.loads(posted.get("card", ""))
    except ValueError as problem:
        raise InvalidInput([("/object/card", f"is not JSON: {problem}")]) from problem
    if not is_card(card):
        raise InvalidInput([("/object/card", "is not a card that `opsportal runner card` printed")])
    return dict(enrolment(card, zones=words(posted, "zones"), software=words(posted, "software")))


def told(made: Object) -> str:
    zones = f", in the zones {', '.join(made['zones'])}" if made.get("zones") else ""
    pool = ", which gets its pool key and certificate authority from it" if "pool" in made else ""
    where = ", ".join(made["environments"])
    return f"{made['name']} with the key {fingerprint(made['public'])} takes work of {where}{zones}{pool}"


def told_end(made: Object) -> str:
    return f"The runner {made['runner']} takes no work and gets no credential any more; what it holds is interrupted"
