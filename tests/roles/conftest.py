"""A portal's database with its roles, and links to it from the place of each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from django.db import connection

from opsportal.roles import giving
from tests.factories.portal import World, new_world
from tests.fixtures.databases import FreshDatabase


@dataclass(slots=True)
class Walled:
    """An installed portal whose database holds its roles."""

    world: World
    url: str
    links: ExitStack = field(default_factory=ExitStack)
    open: dict[str, psycopg.Connection[tuple[Any, ...]]] = field(default_factory=dict)

    def role(self, part: str) -> str:
        return f"{connection.settings_dict['NAME']}_{part}"

    def link(self, part: str) -> psycopg.Connection[tuple[Any, ...]]:
        """The connection of this part, each statement a transaction of its own."""
        if part not in self.open:
            made = psycopg.connect(self.url.replace("opsportal@", f"{self.role(part)}@", 1), autocommit=True)
            self.open[part] = self.links.enter_context(made)
        return self.open[part]

    def refusal(self, part: str, *statements: str) -> str:
        """How the database refuses these statements, in one transaction of a part; fails if it does them."""
        link = self.link(part)
        try:
            with link.transaction():
                for statement in statements:
                    link.execute(statement.encode())
        except psycopg.Error as problem:
            return str(problem).strip()
        raise AssertionError(f"{part} did it: {statements}")


def let_in(name: str) -> None:
    """The cluster of tests asks nobody for a password, so a role only has to be one that may log in."""
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER ROLE "{name}" LOGIN')


@pytest.fixture
def walled(fresh_database: FreshDatabase) -> Iterator[Walled]:
    """Every part with a login of its own, each environment's issuer apart from its runner."""
    world = new_world()
    giving.give()
    made = Walled(world, fresh_database.url)
    for name, role in giving.wanted_now().roles.items():
        if role.may_log_in:
            let_in(name)
    giving.give()
    with made.links:
        yield made
