"""What a reviewer sees of policies."""

from __future__ import annotations

import html
import json
import re

import pytest
from django.test import Client

from procedures.domain.canonical import canon
from procedures.models import ControlChange
from procedures.policy import shipped
from procedures.services import controls
from tests.factories.policies import ours, put, rules
from tests.factories.portal import World, new_world
from tests.factories.reviews import hello, panel_of, sent

pytestmark = pytest.mark.once


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


def signed_in(world: World) -> Client:
    client = Client()
    client.force_login(world.mira, backend="procedures.access.backend.PasswordBackend")
    return client


def test_a_policy_is_switched_on_by_its_form_without_a_word_of_rego(world: World) -> None:
    client = signed_in(world)
    assert "Freeze windows" in client.get("/policies/").content.decode()
    form = {"mode": "on", "stages": ["request", "plan"], "s.production": "on", "environments": ["production"]}
    window = {"s.windows.0.from": "2026-12-20T00:00Z", "s.windows.0.until": "2027-01-02T06:00Z"}
    grown = client.post("/policies/freeze-windows/", form | {"grow": "s.windows"}).content.decode()
    assert 'name="s.windows.0.why"' in grown
    wrong = client.post("/policies/freeze-windows/", form | window | {"s.windows.0.until": "at night"})
    assert wrong.status_code == 422
    assert "at night" in wrong.content.decode()
    shown = client.post("/policies/freeze-windows/", form | window | {"s.windows.0.why": "the <year> ends"})
    page = shown.content.decode()
    assert "The policy freeze-windows is on" in page
    made = html.unescape(re.search(r'name="object" value="([^"]*)"', page).group(1))  # type: ignore[union-attr]
    statement = canon(controls.statement_for(actor=world.mira, control="policy", object=json.loads(made)))
    signed = world.signed("mira", statement)
    answer = client.post("/changes/policy/new/", {"object": made, "next": "/policies/", **signed})
    assert answer.status_code == 302
    assert "waits for a second person" in client.get("/policies/").content.decode()
    change = ControlChange.objects.get(control="policy")
    assert change.object["settings"]["windows"][0]["why"] == "the <year> ends"
    assert change.object["environments"] == ["production"]
    assert "The policy freeze-windows is on" in client.get(answer["Location"]).content.decode()


def test_every_shipped_policy_and_one_of_the_house_has_its_page(world: World) -> None:
    client = signed_in(world)
    put(world, rules('deny contains "x"', name="ownrules"))
    for name in [*shipped.policies(), "ownrules"]:
        page = client.get(f"/policies/{name}/")
        assert page.status_code == 200, name
        if name not in {"freeze-windows", "network-hosts", "blast-radius", "ownrules"}:
            continue
        sent_back = client.post(f"/policies/{name}/", as_typed(page.content.decode()) | {"mode": "warn"})
        assert "is set to warn alone" in sent_back.content.decode(), name


def as_typed(page: str) -> dict[str, list[str]]:
    """What a browser would send of a page's form as it stands."""
    found: dict[str, list[str]] = {}
    for tag in re.findall(r"<input[^>]*>", page):
        name, value = (re.search(rf'{key}="([^"]*)"', tag) for key in ("name", "value"))
        if name and "s." in name[1] + "s." and (("checkbox" not in tag and "radio" not in tag) or "checked" in tag):
            found.setdefault(html.unescape(name[1]), []).append(html.unescape(value[1]) if value else "on")
    for name, text in re.findall(r'<textarea[^>]*name="([^"]*)"[^>]*>([^<]*)</textarea>', page):
        found[name] = [html.unescape(text)]
    for name, options in re.findall(r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found[name] = [html.unescape(chosen[1]) if chosen else ""]
    return found


def test_policies_are_no_business_of_whoever_only_runs_things(world: World) -> None:
    quinn = world.person("quinn")
    world.may(quinn, "run")
    client = Client()
    client.force_login(quinn, backend="procedures.access.backend.PasswordBackend")
    assert client.get("/policies/").status_code == 403
    assert client.post("/policies/naming/", {"mode": "on"}).status_code == 403
