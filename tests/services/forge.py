"""A git source over a real remote, and people with an address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Group

from procedures.domain.clock import now
from procedures.models import Person, Source, SourceFinding, Version
from procedures.services import sources
from tests.factories.portal import World
from tests.factories.repositories import Remote


@dataclass(slots=True)
class Forge:
    """A source named `repo` over a remote, owned by Olga, and people with an address."""

    world: World
    remote: Remote
    owner: Person

    def someone(self, name: str, *duties: str) -> Person:
        person = self.world.person(name, *duties)
        Person.objects.filter(pk=person.pk).update(email=f"{name}@example.com")
        self.world.may(person, "review", "author")
        person.refresh_from_db()
        return person

    def group(self, name: str, *people: Person) -> None:
        """The group of people who may push, as the source names it."""
        Group.objects.create(name=name)
        for person in people:
            self.world.propose("membership", {"person": str(person.subject), "group": name, "action": "add"})
        Source.objects.update(group=name)

    def look(self) -> list[Version]:
        return sources.look(name="repo", at=now())

    def named(self, pusher: str, commit: str) -> None:
        """A signed hook said that this person pushed this commit."""
        row = {"name": pusher, "email": f"{pusher}@example.com", "after": commit}
        Source.objects.update(pushers=[row])

    def pushed(self, name: str = "greet", word: str = "hello", *, pusher: str = "", **how: Any) -> Version:
        self.remote.write(name, word)
        commit = self.remote.commit(**how)
        self.remote.push("--force")
        if pusher:
            self.named(pusher, commit)
        made = self.look()
        assert len(made) == 1, list(SourceFinding.objects.values_list("message", flat=True))
        return made[0]

    def authors(self, version: Version) -> set[str]:
        return set(version.authors.values_list("person__username", flat=True))
