"""What the issuer remembers of its replay is never more than the log says now."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import connection

from procedures.domain.canonical import canon, moment
from procedures.domain.clock import now
from procedures.evidence.models import Event
from procedures.evidence.queries import authority_facts
from procedures.issuer.replay import replay
from tests.factories.portal import World

pytestmark = pytest.mark.ordinary


def anew() -> object:
    return replay(authority_facts())


def overwritten(event: Event, **fields: bytes) -> None:
    """As somebody with the database would: past every trigger of ours."""
    off = {"sqlite": "DROP TRIGGER evidence_event_update"}
    with connection.cursor() as cursor:
        cursor.execute(off.get(connection.vendor, "ALTER TABLE evidence_event DISABLE TRIGGER USER"))
    Event.objects.filter(pk=event.pk).update(**fields)


def test_each_change_is_seen_at_once_and_as_if_everything_were_read_anew(world: World) -> None:
    quinn = world.person("quinn", key=True)
    for procedure in ("hello", "disk-cleanup"):
        world.accepted(procedure)
        grant = world.may(quinn, "run", procedure=procedure)
        assert str(grant.pk) in replay().grants
        assert replay() == replay() == anew()
    world.propose("grant_end", {"grant": str(grant.pk), "reason": "a test"})
    assert replay() == anew()
    first = replay()
    first.grants.clear()
    assert replay() == anew(), "what somebody does with an answer changes no other"


def test_an_event_that_is_altered_after_it_was_read_is_judged_as_it_is_now(world: World) -> None:
    world.accepted()
    quinn = world.person("quinn")
    grant = world.may(quinn, "run", procedure="hello")
    assert replay().grants[str(grant.pk)]["stands"]
    event = Event.objects.get(pk=grant.event)
    body = json.loads(bytes(event.body))
    body["object"]["verbs"] = ["run", "approve"]
    overwritten(event, body=canon(body))
    assert not replay().grants[str(grant.pk)]["stands"], "nobody signed these verbs"
    assert replay() == anew()


def test_what_is_dated_ahead_is_not_remembered_as_of_today(world: World) -> None:
    world.accepted()
    quinn = world.person("quinn")
    grant = world.may(quinn, "run", procedure="hello")
    replay()
    event = Event.objects.get(pk=grant.event)
    header = {**json.loads(bytes(event.header)), "at": moment(now() + timedelta(days=2))}
    overwritten(event, header=canon(header))
    assert replay() == anew()
    world.may(quinn, "view", procedure="hello")
    assert replay() == anew()
