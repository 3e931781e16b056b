"""The seed's template, imported, accepted and run for real: filled in, made on a code host, pushed, registered.

`argocd:create-application` has no counterpart yet; it stands as a marked step that blocks publication (the importer's
test says so), and is taken out of the definition here before it is submitted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from procedures.domain.canonical import parse
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.domain.sealing import secret_object
from procedures.evidence.queries import facts_of_run
from procedures.importers import backstage
from procedures.models import Entity, Person, PoolKey, Run, Version
from procedures.runner.drive import drive
from procedures.services import versions
from procedures.services.install import ENVIRONMENTS
from tests.engine.test_plain_key import everything_stored
from tests.factories.portal import World
from tests.fixtures.forge import TOKEN, Forge, forge

pytestmark = pytest.mark.ordinary

TEMPLATE = Path(__file__).parents[1] / "importers" / "samples" / "backstage" / "kubernetes-service.yaml"
SKELETON: Mapping[str, bytes] = {
    "skeleton/catalog-info.yaml": b"""\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: ${{ values.name }}
  annotations:
    github.com/project-slug: acme/${{ values.name }}
spec:
  type: service
  lifecycle: production
  owner: ${{ values.owner }}
""",
    "skeleton/README.md": b"# ${{ values.name }}\n{%- if values.language == 'go' %}\n\n    go test\n{%- endif %}\n",
    "skeleton/k8s/overlays/staging/kustomization.yaml": b"namespace: ${{ values.name }}\n",
    "skeleton/cmd/${{ values.name }}/main.go": b"package main\n\nfunc main() {}\n",
    "skeleton/.github/workflows/ci.yaml": b"on: push\njobs: {test: {steps: [{run: make test}]}}\n",
    "skeleton/build.sh": b"#!/bin/sh\necho building ${{ values.name }}\n",
}
GIVEN = {"name": "payments", "owner": "group:default/team-payments", "description": "Takes; $(touch /tmp/owned) `x`"}
WORKSPACES = "opsportal-workspace-*"


@dataclass(slots=True)
class Place:
    """A portal whose development environment may reach one code host with one sealed token."""

    world: World
    host: Forge

    def furnish(self) -> None:
        about = {**ENVIRONMENTS[0], "networks": ["127.0.0.0/8"]}
        self.world.propose("environment", about)
        pool = PoolKey.objects.get(environment_id="development").public
        token = secret_object(environment="development", name="github-token", value=TOKEN.encode() + b"\n", pool=pool)
        self.world.propose("secret", token)
        ceiling = {"secret": "github-token", "host": "github.com", "git": self.host.git, "api": self.host.api}
        self.bind(ceiling)

    def bind(self, ceiling: Mapping[str, Any]) -> None:
        self.world.propose(
            "binding",
            {
                "environment": "development",
                "name": "git",
                "provider": "git-token",
                "role": "x-access-token",
                "ceiling": ceiling,
                "max_ttl_s": 900,
                "reach": {},
            },
        )

    def newcomer(self, name: str, verb: str, **more: Any) -> Person:
        person = self.world.person(name)
        self.world.may(person, verb, **more)
        return person

    def accept(self, files: Mapping[str, bytes]) -> Version:
        adam = Person.objects.filter(username="adam").first() or self.newcomer("adam", "author")
        version = versions.submit_version(actor=adam, files=files, note="", at=now())
        self.world.review(self.world.mira, version, "operations", "security", signed=True)
        return version

    def run(self, **parameters: Any) -> Run:
        quinn = Person.objects.filter(username="quinn").first()
        quinn = quinn or self.newcomer("quinn", "run", procedure="kubernetes-service")
        run = self.world.ask(quinn, procedure="kubernetes-service", parameters={**GIVEN, **parameters})
        drive(run.id)
        run.refresh_from_db()
        return run


@pytest.fixture
def place(world: World, tmp_path: Path) -> Iterator[Place]:
    with forge(tmp_path / "forge") as host:
        yield Place(world, host)


def bundle(*, without: tuple[str, ...] = ()) -> dict[str, bytes]:
    """What the importer makes of the template, with a skeleton beside it, less the steps named."""
    made = backstage.read(TEMPLATE.name, TEMPLATE.read_bytes()).procedures[0]
    document = yaml.safe_load(made.files["procedure.yaml"])
    document["spec"]["steps"] = [step for step in document["spec"]["steps"] if step["id"] not in without]
    return {**made.files, "procedure.yaml": yaml.safe_dump(document, sort_keys=False).encode(), **SKELETON}


def workspaces() -> set[Path]:
    return set(Path("/var/tmp").glob(WORKSPACES))


def told(run: Run) -> str:
    return "\n".join(run.log.order_by("seq").values_list("text", flat=True)) + run.message


def test_the_whole_template_with_its_marked_step_is_refused_by_name(place: Place) -> None:
    with pytest.raises(InvalidInput) as refused:
        place.accept(bundle())
    assert "argocd:create-application" in str(refused.value.problems)
    assert not Version.objects.filter(procedure__name="kubernetes-service").exists()


def test_a_new_service_is_filled_in_pushed_and_registered(place: Place, tmp_path: Path) -> None:
    before = workspaces()
    place.furnish()
    place.accept(bundle(without=("create-argocd-app",)))
    run = place.run()
    assert run.state == "succeeded", told(run)
    clone = place.host.clone("acme", "payments", tmp_path / "clone")
    held = {p.relative_to(clone).as_posix() for p in clone.rglob("*") if p.is_file() and ".git/" not in p.as_posix()}
    assert held == {
        "README.md",
        "build.sh",
        "catalog-info.yaml",
        "cmd/payments/main.go",
        "k8s/overlays/staging/kustomization.yaml",
        ".github/workflows/ci.yaml",
    }
    assert (clone / "README.md").read_text() == "# payments\n\n    go test\n"
    assert yaml.safe_load((clone / "catalog-info.yaml").read_text())["spec"]["owner"] == GIVEN["owner"]
    _, _, _, asked = next(row for row in place.host.requests if row[0] == "POST")
    assert asked["description"] == GIVEN["description"]
    assert run.output["values"] == {"Backstage-component": "component:default/payments"}
    assert run.output["links"] == [{"title": "Repository", "url": "https://github.com/acme/payments.git"}]
    assert workspaces() == before, "the workspace is gone"


def test_what_was_published_and_registered_stands_in_evidence(place: Place) -> None:
    place.furnish()
    place.accept(bundle(without=("create-argocd-app",)))
    run = place.run()
    done = {f.facts["step"]: f.facts["facts"] for f in facts_of_run(run.id) if f.kind == "task.finished"}
    assert done["publish"]["repository"] == "https://github.com/acme/payments.git"
    assert done["register"]["entities"] == ["component:default/payments"]
    assert done["register"]["commit"] == done["publish"]["commit"]
    entity = Entity.objects.get()
    assert entity.ref == "component:default/payments"
    assert entity.place == "https://github.com/acme/payments/blob/main/catalog-info.yaml"
    assert entity.document["spec"]["owner"] == GIVEN["owner"]
    assert entity.run == run
    event = next(f.facts for f in facts_of_run(run.id) if f.kind == "entity.registered")
    assert (event["ref"], event["commit"], event["step"]) == (entity.ref, entity.commit, "register")
    assert event["descriptor_sha256"] == entity.descriptor_sha256 == done["register"]["descriptor_sha256"]
    lease = next(f.facts for f in facts_of_run(run.id) if f.kind == "lease.issued")
    assert lease["evidence"]["host"] == "github.com"
    stored = everything_stored()
    assert TOKEN.encode() not in stored
    assert b"github-token" in stored, "the control: what is stored was looked at"


def test_a_second_place_does_not_take_an_entity_over(place: Place) -> None:
    """Two repositories declare the same entity: the second is refused and said, the first stands (H11)."""
    place.furnish()
    place.accept(bundle(without=("create-argocd-app",)))
    first = place.run()
    fixed = {
        "skeleton/catalog-info.yaml": SKELETON["skeleton/catalog-info.yaml"].replace(b"${{ values.name }}", b"payments")
    }
    place.accept({**bundle(without=("create-argocd-app",)), **fixed})
    second = place.run(name="impostor")
    assert second.state == "failed"
    assert "is described by https://github.com/acme/payments/blob/main" in told(second)
    assert Entity.objects.get().run == first


def test_the_plan_names_every_file_and_the_place_it_goes_to(place: Place) -> None:
    place.furnish()
    place.accept(bundle(without=("create-argocd-app",)))
    run = place.run()
    steps = {row["id"]: row["effects"][0]["does"] for row in parse(bytes(run.plan))["steps"]}
    assert "cmd/payments/main.go" in [path for path, _ in steps["fetch-template"]["files"]]
    assert steps["publish"]["makes"] == "https://github.com/acme/payments"
    assert steps["publish"]["visibility"] == "private"
    assert steps["register"]["of"] == {"decided at run time by": "step publish"}


def test_a_token_for_another_host_is_not_carried_and_nothing_is_made(place: Place) -> None:
    place.furnish()
    place.bind({"secret": "github-token", "host": "ghe.example", "git": place.host.git, "api": place.host.api})
    place.accept(bundle(without=("create-argocd-app",)))
    before = workspaces()
    run = place.run()
    assert run.state == "failed"
    assert "asks for the host github.com" in told(run)
    assert place.host.requests == []
    assert workspaces() == before, "the workspace is gone after a failure too"


@pytest.mark.parametrize("name", ["x&owner=evil", "../x", "x%26owner=evil", "x y"])
def test_a_name_leads_nowhere_else(place: Place, name: str) -> None:
    place.furnish()
    place.accept(bundle(without=("create-argocd-app",)))
    with pytest.raises(InvalidInput):
        place.run(name=name)
    assert place.host.requests == []
