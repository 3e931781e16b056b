"""Whom a text names: `@name` tells that person, if they may see what it is said of; its writer learns of the rest."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from procedures.models import Person

MENTION = re.compile(r"(?<![\w@.-])@([A-Za-z0-9][A-Za-z0-9._+-]{0,148}[A-Za-z0-9]|[A-Za-z0-9])")
MOST = 10


@dataclass(frozen=True, slots=True)
class Named:
    """`told`: who is to be told. `untold`: names, as they were written, that reach nobody, ten at most.

    A name that nobody bears and one of somebody who may not see it look alike: a comment finds out no accounts.
    """

    told: list[Person]
    untold: list[str]

    @property
    def subjects(self) -> list[str]:
        return [str(person.subject) for person in self.told]


def named(body: str, author: Person, may_see: Callable[[Person], bool]) -> Named:
    """The people whom a text names by `@username`, the first ten, who may see it; never its author, never software."""
    names = list(dict.fromkeys(MENTION.findall(body)))
    people = Person.objects.filter(username__in=names[:MOST], is_active=True, kind=Person.Kind.PERSON)
    told = [one for one in people.exclude(pk=author.pk).order_by("username") if may_see(one)]
    reached = {author.username, *(one.username for one in told)}
    return Named(told, [name for name in names if name not in reached][:MOST])
