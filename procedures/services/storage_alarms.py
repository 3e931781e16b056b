"""Tells operators and security when a place of evidence is 70 % full, and again when only the reserve is left."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from procedures.models import Notice
from procedures.queries import eligible, storage
from procedures.services.notices import tell


def alarm(*, at: datetime) -> int:
    """One round; each person hears once a week of each place and mark. Returns how many things there were to tell."""
    told = 0
    for place in storage.looked_at():
        if place.share < storage.ALARM:
            continue
        full = place.share >= storage.RESERVED
        kind, week = ("storage.reserve" if full else "storage.filling"), "{}-{}".format(*at.isocalendar()[:2])
        key = f"{kind}:{place.what}:{week}"
        if Notice.objects.filter(kind=kind, key=key).exists():
            continue
        people = {one.pk: one for one in (*eligible.security(at), *eligible.operators(None, at))}
        with transaction.atomic():
            facts = {"what": place.what, "percent": f"{int(place.share * 100)} %"}
            tell(kind, list(people.values()), key=key, path="/evidence/", at=at, facts=facts)
        told += 1
    return told
