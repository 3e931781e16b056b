"""What the egress process's own login may in the database: read the log, and add what it refused."""

from __future__ import annotations

import pytest
from django.db import ProgrammingError, transaction

from procedures.domain.clock import now
from procedures.domain.providers import EgressRefused
from procedures.evidence.models import Event
from procedures.evidence.record import record
from procedures.models import IdentityProvider, Person
from procedures.services import way_out
from procedures.signon import egress
from tests.egress.conftest import Server, refusals
from tests.factories.portal import World
from tests.fixtures.parts import acting_as

pytestmark = pytest.mark.postgresql


def test_with_its_own_login_it_answers_and_refuses(world: World, named: Server, stranger: Server) -> None:
    assert egress.get(f"{named.url}/jwks") == {"keys": []}
    with pytest.raises(EgressRefused):
        egress.get(f"{stranger.url}/jwks")
    assert len(refusals()) == 1


def test_it_reads_no_row_of_people_or_providers_and_writes_nothing_but_refusals(world: World) -> None:
    with acting_as("egress"):
        for model in (Person, IdentityProvider):
            with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
                model.objects.exists()
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            record("access.denied", actor=None, at=now(), facts=dict.fromkeys(("what", "code", "reason", "door"), "x"))
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            Event.objects.all().delete()
        way_out.refused(asked="GET x", why="y", count=1, at=now())
    with acting_as("web"), pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
        record("egress.refused", actor=None, at=now(), facts={"asked": "GET x", "why": "y", "count": 1})
