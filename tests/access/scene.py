"""One portal with a thing of every kind and a person of every sort: what the matrix of doors is tried on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.test import Client

from procedures.domain.canonical import canon, moment
from procedures.domain.clock import now
from procedures.evidence.models import Event
from procedures.evidence.notes import load_key
from procedures.evidence.sequence import Sequencer
from procedures.models import (
    ApiToken,
    ControlChange,
    Environment,
    Grant,
    IdentityProvider,
    Inventory,
    OpenSession,
    Person,
    Run,
    Source,
    Target,
    Version,
)
from procedures.queries.duties import duties_of
from procedures.runner.drive import drive
from procedures.services import (
    break_glass,
    discussions,
    drafts,
    exports,
    install,
    leavers,
    reviews,
    saved_requests,
    tokens,
)
from tests.access import standing
from tests.factories import agents
from tests.factories.access_requests import ask
from tests.factories.campaigns import opened
from tests.factories.connections import program_asking
from tests.factories.directories import provider
from tests.factories.portal import RUNBOOKS, World, new_world
from tests.trials.hostile import bundle

API = ApiToken.Audience.API
BACKEND = "procedures.access.backend.PasswordBackend"
# Columns of the matrix, in its order, with what each holds.
PERSONAS = {
    "nobody": "is not signed in",
    "closed": "held everything; the account was closed",
    "stranger": "is signed in and holds no grant",
    "asker": "may run hello; asked for the run",
    "peer": "may run hello; asked for nothing",
    "author": "may write; wrote the version in review",
    "writer": "may write; wrote nothing",
    "reviewer": "may review, with every duty",
    "approver": "may approve and break the glass, with the duty of operations",
    "manager": "manages access and nothing else",
    "operator": "operates and nothing else",
    "auditor": "audits and nothing else",
    "asker's token": "a bearer token of the asker",
    "robot": "a bearer token of a service account that may run hello",
    "agent": "a bearer token for the API of an agent that may run hello in development",
    "first manager": "holds every verb; made the portal",
    "her token": "a bearer token of the first manager",
}


@dataclass(slots=True)
class Scene:
    """`ids` are what paths name; `clients` one browser or program for each persona."""

    world: World
    people: dict[str, Person] = field(default_factory=dict)
    clients: dict[str, Client] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)


def play(folder: Path) -> Scene:
    """Everybody moves in, a run is asked for and another has ended, a version and a change wait."""
    world = new_world()
    scene = Scene(world)
    Environment.objects.filter(pk="staging").update(min_strength="session", approvals={"low": {"operations": 1}})
    _move_in(scene)
    hello = world.accepted()
    done = world.ask(scene.people["asker"])
    drive(done.id)
    standing.furnish(scene.people["robot"], scene.people["asker"], hello)
    waiting = world.ask(scene.people["asker"], environment="staging")
    version = world.submit(scene.people["author"], name="disk-cleanup", README__md=b"# Mine\n")
    draft = drafts.submit_draft(actor=scene.people["author"], files=bundle("true"), note="", at=now())
    wanted = world.submit(scene.people["author"], name="restart-service", README__md=b"# Mine\n")
    world.review(scene.people["reviewer"], wanted, "operations", verdict="request_changes", signed=True)
    scene.ids["wanted"] = str(wanted.pk)
    thread = discussions.comment(
        actor=scene.people["reviewer"], version=version.pk, body="why?", path="", line=None, at=now()
    )
    change = _waiting_change(scene)
    _ask_for_access(scene)
    _break_the_glass(scene)
    Source.objects.create(
        name="repo",
        url="/srv/repo.git",
        branch="main",
        owner=scene.people["author"],
        hook_secret="f" * 64,
        since_at=now(),
    )
    scene.ids["ahead"] = standing.approved_ahead(world, scene.people["approver"])
    _name(scene, done=done, waiting=waiting, version=version, hello=hello, draft=draft)
    scene.ids |= {"asker": "asker", "thread": str(thread.pk), "change": str(change.pk), "source": "repo"}
    IdentityProvider.objects.create(name="corp", object=provider(), since_at=now())
    Target.objects.create(
        environment_id="staging",
        name="web-1",
        address="10.0.0.1",
        host_key="ssh-ed25519 AAAA",
        host_key_sha256="SHA256:web-1",
        since_at=now(),
    )
    fields = {"every_s": 300, "set_by": world.mira, "event": UUID(int=0), "since_at": now()}
    Inventory.objects.create(name="hosts", environment_id="staging", kind="yaml", **fields)
    sequencer = Sequencer(load_key(folder / "log.key", "test/log"), folder / "log.published")
    while sequencer.step(now()):
        continue
    scene.ids["population"] = exports.fix(actor=world.mira, wanted={}, at=now())["population"]
    scene.ids["saved"] = saved_requests.save(actor=world.mira, name="PBC-1", wanted={}, period="quarter", at=now())
    return scene


def _move_in(scene: Scene) -> None:
    world, held = scene.world, scene.people
    for name in PERSONAS:
        if name in {"nobody", "first manager", "asker's token", "her token", "robot", "agent"}:
            continue
        held[name] = world.person(name.replace(" ", "-"), key=name in {"reviewer", "approver", "manager"})
    held["robot"] = world.person("robot")
    Person.objects.filter(pk=held["robot"].pk).update(kind=Person.Kind.SERVICE, owner=held["asker"])
    held["robot"].refresh_from_db()
    held["first manager"] = world.mira
    install.submit_shipped(RUNBOOKS, at=now())
    held["agent"] = agents.new_agent(world, held["peer"])
    world.may(held["agent"], "run", "view", procedure="hello", environments=["development"])
    for name in ("asker", "peer", "robot"):
        world.may(held[name], "run", "view", procedure="hello")
    for name in ("author", "writer"):
        world.may(held[name], "author", "view")
    world.may(held["reviewer"], "review", "view")
    world.may(held["approver"], "approve", "view", "break_glass")
    world.may(held["manager"], "manage_access")
    world.may(held["operator"], "operate")
    world.may(held["auditor"], "audit")
    world.may(held["closed"], "run", "view", "review", "approve", "operate", "audit")
    for duty in ("operations", "security", "compliance"):
        give(world, held["reviewer"], duty)
    give(world, held["approver"], "operations")
    _sign_in(scene)


def give(world: World, person: Person, duty: str) -> None:
    world.propose("duty", {"principal": f"person:{person.subject}", "duty": duty, "action": "add"})


def _sign_in(scene: Scene) -> None:
    for name in PERSONAS:
        client = Client(HTTP_HOST="localhost", raise_request_exception=False)
        if name == "agent":
            client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {agents.token_of(scene.people[name], API)}"
        elif name in {"asker's token", "her token", "robot"}:
            owner = {"asker's token": "asker", "her token": "first manager"}.get(name, name)
            secret = token_of(scene, owner)
            client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
        elif name != "nobody":
            client.force_login(scene.people[name], backend=BACKEND)
        scene.clients[name] = client
    leavers.close_person(actor=scene.world.mira, person=scene.people["closed"].subject, at=now())


def token_of(scene: Scene, name: str) -> str:
    row, secret = tokens.make_token(actor=scene.people[name], name="matrix", days=1, at=now())
    if name == "asker":
        scene.ids["token"] = str(row.pk)
    return secret


def _ask_for_access(scene: Scene) -> None:
    """The asker wants more than is held, and holds a grant that could be extended."""
    asker = scene.people["asker"]
    scene.ids["wish"] = str(ask(asker, environments=["staging", "production"]).pk)
    held = Grant.objects.get(person=scene.people["writer"])
    scene.ids |= {"reviewed": str(held.pk)}
    manager = scene.people["manager"]
    scene.ids["campaign"] = str(opened(scene.world, [manager, scene.world.mira], person="writer").pk)
    scene.ids["grant"] = str(Grant.objects.get(person=asker).pk)


def _break_the_glass(scene: Scene) -> None:
    """The approver let another run of the asker's go ahead."""
    run = scene.world.ask(scene.people["asker"], environment="staging")
    body = broken_by(scene, "approver", run)
    use = break_glass.break_the_glass(actor=scene.people["approver"], run=run.pk, at=now(), **body)
    scene.ids["use"] = str(use.pk)


def broken_by(scene: Scene, name: str, run: Run) -> dict[str, Any]:
    """Break-glass for a run as this persona would hand it in."""
    person = scene.people[name]
    statement = canon(break_glass.statement_for(actor=person, run=run, reason="it burns", at=now()))
    signature = scene.world.signed(person.username, statement)
    return {"plan_digest": run.plan_digest, "reason": "it burns", "signature": signature}


def _waiting_change(scene: Scene) -> ControlChange:
    """A rule of production, proposed by the first manager: it waits for a second one."""
    Group.objects.create(name="ops")
    row = Environment.objects.get(pk="production")
    names = ("title", "position", "production", "drafts", "approvals", "min_strength", "approval_expiry_s")
    made = {"name": "production", "reason_required": True} | {name: getattr(row, name) for name in names}
    change: ControlChange = scene.world.propose("environment", made | {"title": "Live"})
    assert change.state == ControlChange.State.PROPOSED
    return change


def _name(scene: Scene, *, done: Run, waiting: Run, version: Version, hello: Version, draft: Version) -> None:
    done.refresh_from_db()
    waiting.refresh_from_db()
    scene.ids |= {
        "done": str(done.pk),
        "waiting": str(waiting.pk),
        "version": str(version.pk),
        "accepted": str(hello.pk),
        "draft": str(draft.pk),
        "plan_digest": waiting.plan_digest,
        "digest": version.digest,
        "grant": str(done.grant),
        "event": str(Event.objects.filter(kind="run.requested").first().pk),  # type: ignore[union-attr]
        "robot": str(scene.people["robot"].subject),
        "session": str(_session_of(scene.people["asker"]).pk),
        "stranger": str(scene.people["stranger"].subject),
        "peer": str(scene.people["peer"].subject),
        "agent": str(scene.people["agent"].subject),
        "asks": program_asking(),
    }


def _session_of(person: Person) -> OpenSession:
    at = now()
    return OpenSession.objects.create(
        person=person, kind="cli", began_at=at, seen_at=at, until_at=at + timedelta(hours=8)
    )


def review_signed_by(scene: Scene, name: str, verdict: str) -> dict[str, Any]:
    """A review of the waiting version as this persona would hand it in."""
    person = scene.people[name]
    version = Version.objects.get(pk=scene.ids["version"])
    duties = duties_of(person)
    value = reviews.statement_for(actor=person, version=version, verdict=verdict, duties=duties)
    signed = scene.world.signed(person.username, canon(value))
    return {"version": str(version.pk), "digest": version.digest, "verdict": verdict, "duties": duties} | {
        "signature": signed
    }


def grant_for(scene: Scene, name: str) -> dict[str, Any]:
    """A grant in development to this persona, as it is proposed."""
    return {
        "principal": f"person:{scene.people[name].subject}",
        "verbs": ["view"],
        "environments": ["development"],
        "not_before": moment(now()),
        "expires_at": moment(now() + timedelta(days=7)),
        "reason": "to see it",
    }


def confirmation_by(scene: Scene, name: str) -> dict[str, Any]:
    change = ControlChange.objects.get(pk=scene.ids["change"])
    return {"signature": scene.world.signed(scene.people[name].username, bytes(change.statement))}
