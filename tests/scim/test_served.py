"""Real counterparts over real HTTP: another project's compliance checker, and its client provisioning a company.

Their library reads its own sources as it loads, four seconds of it: so it loads where a test begins that needs it, and
not in each process that only looks which tests there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from django.conf import settings as django_settings
from django.test import Client

from procedures.domain.clock import now
from procedures.models import DirectoryEntry, Grant, Person, Run
from procedures.runner.drive import drive
from procedures.services import tokens
from tests.factories.directories import provider
from tests.factories.portal import World, new_world
from tests.fixtures.databases import FreshDatabase
from tests.fixtures.serving import free_port, served
from tests.scim.conftest import groups_of

if TYPE_CHECKING:
    from scim2_client.engines.httpx2 import SyncSCIMClient

pytestmark = pytest.mark.once
IN_GATE = {"discovery", "misc", "crud"}


@pytest.fixture
def portal(
    fresh_database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[World, SyncSCIMClient, str]]:
    """The web process with a directory let in, that directory's client, and the address."""
    port = free_port()
    monkeypatch.setattr(django_settings, "OPSPORTAL_PUBLIC_URL", f"http://localhost:{port}")
    world = new_world()
    world.confirmed("identity_provider", provider())
    _, secret = tokens.make_directory_token(actor=world.mira, provider="corp", name="x", days=1, at=now())
    with served(fresh_database, port, tmp_path / "web.log") as url, client_at(url, secret) as client:
        yield world, client, url


@contextmanager
def client_at(url: str, secret: str) -> Iterator[SyncSCIMClient]:
    from scim2_client.engines.httpx2 import SyncSCIMClient

    headers = {"Authorization": f"Bearer {secret}"}
    with httpx2.Client(base_url=f"{url}/scim/v2", headers=headers, timeout=60) as http:
        yield SyncSCIMClient(http)


# The checker makes a person active or not by chance. Whoever is not stays so when `active` is taken away, and says so:
# an account is opened again by whoever says that it is.
STAYS_CLOSED = ("check_remove_attribute", "Attribute 'active' was not removed")


def test_the_compliance_checker_finds_no_fault(
    portal: tuple[World, SyncSCIMClient, str],
    request: pytest.FixtureRequest,
    record_property: Callable[[str, Any], None],
) -> None:
    """With --all every attribute is added, replaced and removed by PATCH too."""
    from scim2_tester import Status, check_server

    tags = None if request.config.getoption("--all") else IN_GATE
    results = check_server(portal[1], include_tags=tags)
    faults = [(one.title, one.reason) for one in results if one.status not in {Status.SUCCESS, Status.SKIPPED}]
    passed = [one for one in results if one.status == Status.SUCCESS]
    record_property("scim2-tester", f"{len(passed)} checks passed, {len(faults)} faults")
    assert [one for one in faults if one != STAYS_CLOSED] == []
    assert len(passed) > 20


def patched(client: SyncSCIMClient, kind: Any, id: str, *operations: dict[str, Any]) -> None:
    from scim2_models import PatchOp, PatchOperation

    rows = [PatchOperation[kind](**one) for one in operations]
    client.modify(kind, id, PatchOp[kind](operations=rows))


def test_a_company_is_provisioned_moves_and_shrinks(portal: tuple[World, SyncSCIMClient, str]) -> None:
    from scim2_models import SearchRequest, UniquenessException

    world, client, url = portal
    client.discover()
    user, group = client.get_resource_model("User"), client.get_resource_model("Group")
    assert user is not None
    assert group is not None
    people = {
        name: client.create(user(user_name=name, external_id=f"id-{name}", display_name=name.title(), active=True))
        for name in ("ann", "bob", "cid")
    }
    eng = client.create(group(display_name="eng", members=[{"value": people["ann"].id}, {"value": people["bob"].id}]))
    assert [groups_of(person(people[name])) for name in people] == [{"developers"}, {"developers"}, set()]

    with pytest.raises(UniquenessException, match="belongs to another account"):
        client.create(user(user_name="mira", external_id="id-mira"))
    found = client.query(user, query_parameters=SearchRequest(filter='externalId eq "id-bob"'))
    assert [one.id for one in found.resources] == [people["bob"].id]

    patched(client, user, people["bob"].id, {"op": "replace", "path": "userName", "value": "robert"})
    assert person(people["bob"]).username == "robert"
    gone, joined = f'members[value eq "{people["ann"].id}"]', [{"value": people["cid"].id}]
    patched(client, group, eng.id, {"op": "remove", "path": gone}, {"op": "add", "path": "members", "value": joined})
    assert [groups_of(person(people[name])) for name in people] == [set(), {"developers"}, {"developers"}]

    world.accepted()
    leaver = person(people["cid"])
    world.may(leaver, "run", "view", procedure="hello")
    _, secret = tokens.make_token(actor=leaver, name="ci", days=1, at=now())
    browser = Client()
    browser.force_login(leaver, backend="procedures.access.backend.IdentityBackend")
    run = world.ask(leaver)
    with httpx2.Client(base_url=url, cookies={key: one.value for key, one in browser.cookies.items()}) as http:
        bearer = {"Authorization": f"Bearer {secret}"}
        assert http.get("/settings/").status_code == 200
        assert http.get("/api/v1/me/", headers=bearer).json()["username"] == "cid"
        patched(client, user, people["cid"].id, {"op": "replace", "path": "active", "value": False})
        assert http.get("/settings/").status_code == 302
        assert http.get("/api/v1/me/", headers={**bearer, "Cookie": ""}).status_code == 401
    assert not Grant.objects.filter(person=leaver, revoked_at=None).exists()
    assert groups_of(leaver) == set()
    drive(run.pk)
    assert Run.objects.get(pk=run.pk).state == "denied"
    client.delete(user, people["ann"].id)
    assert not person(people["ann"]).is_active


def person(said: Any) -> Person:
    return DirectoryEntry.objects.get(pk=said.id).person
