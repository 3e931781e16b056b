"""A campaign over REST: offered, signed, looked at with what runs used, decided, exported; five thousand grants."""

from __future__ import annotations

import base64
import csv
import io
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.models import Campaign, Grant, GrantRight, Person, Procedure
from procedures.queries import campaign_results
from procedures.services import campaign_ends
from tests.api.conftest import Client
from tests.factories.campaigns import opened
from tests.factories.portal import World

pytestmark = pytest.mark.once
ROOT = "/api/v1/campaigns/"
FAR = moment(now() + timedelta(days=60))


def proof(world: World, client: APIClient, who: str, control: str, object: dict[str, Any]) -> dict[str, str]:
    answer = client.post("/api/v1/controls/statement/", {"control": control, "object": object}, format="json")
    return world.signed(who, base64.b64decode(answer.json()["statement"]))


def test_from_the_offer_to_the_file(world: World, client_of: Client) -> None:
    world.accepted()
    nora, quinn = world.person("nora", key=True), world.person("quinn")
    world.may(nora, "manage_access", expires_at=FAR)
    grants = [
        world.may(quinn, verb, procedure="hello", environments=["staging", "production"])
        for verb in ("run", "view", "cancel")
    ]
    mira, reviewer = client_of(world.mira), client_of(nora)
    due = moment(now() + timedelta(hours=12))
    wish = {"name": "=2+3", "due_at": due, "reviewers": ["nora"], "select": {"person": "quinn"}}
    made = mira.post(f"{ROOT}offer/", wish, format="json").json()["object"]
    weak = mira.post(ROOT, {"object": made}, format="json")
    assert weak.status_code == 403
    body = {"object": made, "signature": proof(world, mira, "mira", "campaign", made)}
    here = f"{ROOT}{mira.post(ROOT, body, format='json').json()['id']}/"
    rows = reviewer.get(f"{here}grants/?undecided=1").json()["results"]
    assert [row["grant"]["id"] for row in rows] == [str(grant.pk) for grant in grants]
    assert rows[0]["use"]["runs"] == 0
    keep = {"grants": [str(grants[1].pk)], "reason": "=still needed"}
    signature = proof(world, reviewer, "nora", "campaign_keep", {"campaign": made["campaign"], **keep})
    assert reviewer.post(f"{here}keep/", {**keep, "signature": signature}, format="json").status_code == 201
    end = {"grant": str(grants[2].pk), "reason": "left"}
    signature = proof(world, reviewer, "nora", "grant_end", end)
    gone = reviewer.post(
        f"{here}revoke/", {"grants": [end["grant"]], "reason": "left", "signature": signature}, format="json"
    )
    assert gone.json()["decision"] == "revoke"
    less = rows[0]["narrower"] | {"environments": ["staging"], "reason": "@less"}
    signature = proof(world, reviewer, "nora", "grant", less)
    narrow = reviewer.post(f"{here}narrow/", {"object": less, "signature": signature}, format="json")
    assert (narrow.status_code, narrow.json()["decision"]) == (201, "narrow")
    again = reviewer.post(f"{here}narrow/", {"object": less, "signature": signature}, format="json")
    assert again.status_code == 409
    assert mira.get(here).json()["progress"] == {"keep": 1, "narrow": 1, "revoke": 1}
    told = list(csv.DictReader(io.StringIO(mira.get(f"{here}results/").content.decode())))
    assert [row["decision"] for row in told] == ["narrow", "keep", "revoke"]
    assert [row["reason"] for row in told] == ["'@less", "'=still needed", "left"]
    assert mira.get(f"{here}results/?as=json").json()["grants"][1]["reason"] == "=still needed"
    assert client_of(quinn).get(here).status_code == 404
    assert client_of(quinn).get(ROOT).json()["results"] == []


def test_no_cell_is_a_formula() -> None:
    assert [campaign_results.quoted(cell)[0] for cell in ("=1", "+1", "-1", "@a", "\ta", "\ra")] == ["'"] * 6
    assert campaign_results.quoted("a=1") == "a=1"


def many(world: World, number: int) -> tuple[Campaign, Person]:
    """That many grants of one person, as the tables hold them, in one open campaign."""
    world.accepted()
    nora, quinn, hello = world.person("nora", key=True), world.person("quinn"), Procedure.objects.get(name="hello")
    world.may(nora, "manage_access", expires_at=FAR)
    at, until = now(), now() + timedelta(days=90)
    fields: dict[str, Any] = {"verbs": ["run"], "procedure": hello, "environments": ["staging"], "reason": "x"}
    fields |= {"not_before_at": at, "created_at": at, "expires_at": until, "granted_by": world.mira, "person": quinn}
    rows = Grant.objects.bulk_create([Grant(**fields) for _ in range(number)], batch_size=500)
    right: dict[str, Any] = {"verb": "run", "person": quinn, "procedure": hello, "not_before_at": at, "ends_at": until}
    GrantRight.objects.bulk_create([GrantRight(grant=row, **right) for row in rows], batch_size=500)
    return opened(world, [nora], person="quinn"), nora


def queries_of(client: APIClient, path: str) -> int:
    with CaptureQueriesContext(connection) as found:
        assert client.get(path).status_code == 200
    return len(found)


def test_a_page_asks_as_many_queries_for_a_hundred_grants_as_for_three(world: World, client_of: Client) -> None:
    campaign, nora = many(world, 230)
    client, path = client_of(nora), f"{ROOT}{campaign.pk}/grants/"
    first = client.get(path).json()
    seen, more = [row["grant"]["id"] for row in first["results"]], first["next"]
    while more:
        part = client.get(path + more).json()
        seen, more = seen + [row["grant"]["id"] for row in part["results"]], part["next"]
    assert len(set(seen)) == 230
    last = campaign.items.order_by("-pk")[3].pk
    assert queries_of(client, path) == queries_of(client, f"{path}?after={last}")


@pytest.mark.figures
def test_five_thousand_grants_stay_fast(world: World, client_of: Client, figure: Callable[[str, Any], None]) -> None:
    began = time.perf_counter()
    campaign, nora = many(world, 5_000)
    opening = time.perf_counter() - began
    client, path = client_of(nora), f"{ROOT}{campaign.pk}/grants/"
    began = time.perf_counter()
    assert len(client.get(path).json()["results"]) == 100
    page = time.perf_counter() - began
    began = time.perf_counter()
    assert campaign_ends.end_campaigns(at=now() + timedelta(days=8)) == 5_000
    lapsing = time.perf_counter() - began
    campaign.refresh_from_db()
    assert campaign.state == "closed"
    figure("campaign-5000", {"opening_s": opening, "page_s": page, "lapsing_s": lapsing})
    assert page < 2
