"""What a reviewer sees of policies."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.factories.policies import ours, put, rules
from tests.factories.portal import World, new_world
from tests.factories.reviews import hello, panel_of, sent


@pytest.fixture
def world(db: None) -> World:
    return new_world()


def test_a_reviewer_sees_what_policies_say_and_why_nothing_can_be_accepted(world: World) -> None:
    panel_of(world)
    put(world, ours("ownership"))
    put(world, rules('require := {"compliance": 1}\nwarn contains "<b>look</b> twice"'))
    version = sent(world, hello())
    client = Client()
    client.force_login(world.mira, backend="procedures.access.backend.PasswordBackend")
    page = client.get(f"/reviews/{version.id}/").content.decode()
    assert "fewer than 20 characters" in page
    assert "Nobody can accept this while a policy refuses it" in page
    assert "1 person for compliance must take part" in page
    assert "&lt;b&gt;look&lt;/b&gt; twice" in page
    answer = client.post(
        f"/reviews/{version.id}/",
        {"digest": version.digest, "verdict": "accept", "duties": ["operations", "security", "compliance"]},
    )
    assert answer.status_code == 403
    assert "ownership: its description" in answer.content.decode()


def test_without_a_policy_the_page_says_nothing_of_them(world: World) -> None:
    version = sent(world, hello())
    client = Client()
    client.force_login(world.mira, backend="procedures.access.backend.PasswordBackend")
    assert 'id="policies"' not in client.get(f"/reviews/{version.id}/").content.decode()


def test_an_approver_sees_what_policies_ask_for_and_hint_at(world: World) -> None:
    world.accepted()
    quinn = world.person("quinn")
    world.may(quinn, "run", procedure="hello")
    put(world, rules('require := {"security": 1}\nwarn contains "a first run here"', "plan"))
    put(world, rules('warn contains "on a Friday"', "request", name="calendar"))
    run = world.ask(quinn)
    client = Client()
    client.force_login(world.mira, backend="procedures.access.backend.PasswordBackend")
    page = client.get(f"/approvals/{run.id}/").content.decode()
    assert "a first run here" in page
    assert "on a Friday" in page
    assert "1 person for security must take part" in page
