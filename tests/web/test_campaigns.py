"""Campaigns on pages: not named on a first screen, opened and decided with plain forms, every decision signed."""

from __future__ import annotations

import base64
import re
from html import unescape

import pytest
from django.test import Client

from procedures.models import Campaign, CampaignItem, Grant
from tests.web.test_pages import UGLY
from tests.web.town import Town

pytestmark = pytest.mark.once


def field(shown: str, name: str) -> str:
    match = re.search(rf'name="{name}"\s+value="([^"]*)"', shown)
    assert match, name
    return match.group(1)


def signed(town: Town, client: Client, name: str, shown: str) -> Client:
    """Send a proposal that a page shows, with a signature over its statement."""
    (act,) = re.findall(r'<form class="body gap"\s+method="post"\s+action="([^"]+)"', shown)
    body = {"object": unescape(field(shown, "object")), "next": "/access/campaigns/"}
    signature = town.sign(name, base64.b64decode(field(shown, "statement")))
    answer = client.post(act, {**body, **signature})
    assert answer.status_code == 302, re.sub(r"<[^>]*>|\s+", " ", answer.content.decode())[-2500:]
    return client


def test_a_manager_opens_one_and_another_keeps_and_revokes(town: Town) -> None:
    town.accept("hello")
    jonas, aisha = town.client("jonas"), town.client("aisha")
    assert "ampaign" not in jonas.get("/").content.decode()
    none = jonas.post("/access/campaigns/", {"name": "x", "reviewers": "aisha", "days": "7", "person": "nobody"})
    assert (none.status_code, "finds no access" in none.content.decode()) == (422, True)
    wish = {"name": UGLY[:190], "reviewers": "aisha", "days": "7", "person": "mira"}
    signed(town, jonas, "jonas", jonas.post("/access/campaigns/", wish).content.decode())
    campaign = Campaign.objects.get()
    here = f"/access/campaigns/{campaign.pk}/"
    page = aisha.get(here).content.decode()
    assert "<script>alert" not in page
    assert "Never used" in page
    assert "Waits for you" in aisha.get("/access/campaigns/").content.decode()
    grant = Grant.objects.get(person=town.people["mira"])
    shown = aisha.post(f"{here}narrow/", {"grant": grant.pk, "verbs": ["view"], "reason": "view will do"})
    signed(town, aisha, "aisha", shown.content.decode())
    item = CampaignItem.objects.get()
    assert (item.decision, item.change.object["verbs"] if item.change else None) == ("narrow", ["view"])
    late = aisha.post(f"{here}keep/", {"object": "{}", "reason": "x"})
    assert late.status_code == 422
    assert town.client("mira").get(here).status_code == 404
    told = aisha.get(f"{here}results.csv")
    assert (told["Content-Type"], b"narrow" in told.content) == ("text/csv; charset=utf-8", True)
