"""A run that its runner has claimed, with a credential for its step; and an issuer apart from it, behind a socket."""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connections

from procedures.domain.clock import now
from procedures.domain.lending import Lend, Open
from procedures.domain.sealing import secret_object
from procedures.evidence.queries import facts_of_run
from procedures.issuer import place
from procedures.issuer.door import Door
from procedures.issuer.stock import stock_of
from procedures.models import Person, PoolKey, Run, Runner
from procedures.runner import drive
from procedures.services import claims, versions
from tests.factories.portal import World

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB8bYhIlcRoLxmZMcVoz5gGW7LZfaCnPBR0h0ZkIZs2u"
CANARY = "canary-3f0a77d1c2"
YAML = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: tidy}
spec:
  owner: group:default/x
  type: operation
  risk: moderate
  environments: [development, staging]
  timeout: 5m
  parameters: {properties: {word: {type: string, title: Word, default: x}}}
  secrets: {schema: {properties: {token: {type: string, title: Token}}}}
  targets: {filter: "role=web"}
  credentials: {deploy: {kind: ssh, ttl: 2m}, other: {kind: ssh, ttl: 2m}}
  steps:
    - {id: one, action: "ssh:script", credentials: [deploy], timeout: 20s, retry: {attempts: 2},
       input: {script: note.sh, env: {WORD: "${{ parameters.word }}", TOKEN: "${{ secrets.token }}"}}}
    - {id: two, action: "ssh:script", credentials: [other], timeout: 20s, input: {script: note.sh}}
"""


@dataclass(slots=True)
class Claimed:
    """A run under way of the procedure `tidy`, on the targets web-1 and web-2, with a secret of its launch."""

    world: World
    quinn: Person
    run: Run
    token: UUID

    def ask(self, **other: Any) -> Lend:
        """What an honest runner asks for its first step, but for what is said otherwise."""
        words = {"step": "one", "target": "web-1", "attempt": 1, "credential": "deploy"}
        return Lend(**{"run": self.run.pk, "claim": self.token, **words, **other})

    @property
    def secrets(self) -> Open:
        return Open(self.run.pk, self.token)

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [dict(fact.facts) for fact in facts_of_run(self.run.pk) if fact.kind == kind]


def furnish(world: World, *, host_key: str = HOST_KEY, port: int = 22, account: str = "deploy") -> Person:
    """Targets, bindings and an accepted procedure in development; who may run it."""
    for number in (1, 2):
        words = {"environment": "development", "name": f"web-{number}", "address": f"127.0.0.{number}", "port": port}
        more = {"trust": "certificate", "tags": {"role": "web"}, "attributes": {}, "action": "set"}
        world.propose("target", {**words, **more, "host_key": host_key if number == 1 else _other(host_key)})
    for name in ("deploy", "other"):
        binding = {"environment": "development", "name": name, "role": account, "max_ttl_s": 300, "reach": {}}
        world.propose("binding", {**binding, "provider": "ssh-certificate", "ceiling": {}})
    adam = world.person("adam")
    world.may(adam, "author")
    files = {"procedure.yaml": YAML.encode(), "note.sh": b'echo "$WORD" >>"$HOME/notes"\n', "README.md": b"x"}
    version = versions.submit_version(actor=adam, files=files, note="", at=now())
    world.review(world.mira, version, "operations", "security", signed=True)
    quinn = world.person("quinn")
    world.may(quinn, "run", procedure="tidy")
    return quinn


def _other(host_key: str) -> str:
    """Another key of the same form: a host has one of its own."""
    return host_key[:-4] + ("AAAA" if host_key[-4:] != "AAAA" else "BBBB")


def claimed(world: World, quinn: Person | None = None) -> Claimed:
    """A run that this process's runner has claimed."""
    quinn = quinn or furnish(world)
    run = world.ask(quinn, procedure="tidy", secrets={"token": CANARY}, parameters={"word": "hello"})
    taken = claims.claim_run(run=run.pk, runner=Runner.objects.get(pk=drive.identity().id), at=now())
    assert taken is not None, run.message
    return Claimed(world, quinn, run, taken.token)


def seal(world: World, name: str, value: bytes, environment: str = "development") -> None:
    pool = PoolKey.objects.get(environment_id=environment).public
    world.propose("secret", secret_object(environment=environment, name=name, value=value, pool=pool))


@contextmanager
def listens(environment: str = "development", peers: Collection[int] = (), at: Path | None = None) -> Iterator[Path]:
    """An issuer of that environment on a socket of its own, served by a thread; gives the socket's path."""
    with ExitStack() as stack:
        path = at or Path(stack.enter_context(_folder())) / "door" / "socket"
        stack.enter_context(place.claim(path))
        serving = _Serving(path, environment, peers or {os.geteuid()})
        serving.start()
        try:
            yield path
        finally:
            serving.end()


def _folder() -> AbstractContextManager[str]:
    return tempfile.TemporaryDirectory(prefix="issuer-", dir="/var/tmp")


class _Serving(threading.Thread):
    """The issuer's loop in a thread of this process, on the test's own database."""

    def __init__(self, path: Path, environment: str, peers: Collection[int]) -> None:
        super().__init__(name="issuer-of-a-test")
        self.path, self.loop, self.ready = path, asyncio.new_event_loop(), threading.Event()
        self.stop = asyncio.Event()
        self.door = Door(stock_of(Path(settings.OPSPORTAL_KEYS_DIR), environment), peers)

    def run(self) -> None:
        self.loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_unix_server(self.door.meet, sock=place.listening(self.path), backlog=512)
        self.ready.set()
        await self.stop.wait()
        server.close()
        await self.door.quiet(within_s=5)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0.05)

    def start(self) -> None:
        super().start()
        assert self.ready.wait(10)

    def end(self) -> None:
        self.loop.call_soon_threadsafe(self.stop.set)
        self.join(10)
        self.loop.close()
        connections.close_all()
