"""A client signed in as somebody, against a portal of this test."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from procedures.models import Person
from tests.factories.portal import World, new_world

Client = Callable[[Person], APIClient]


@pytest.fixture
def world(db: None) -> World:
    return new_world()


@pytest.fixture
def client_of() -> Client:
    def make(person: Person) -> APIClient:
        client = APIClient()
        client.force_login(person, backend="procedures.access.backend.PasswordBackend")
        client.get("/api/v1/me/")  # a session from elsewhere gets its row at its first request
        return client

    return make
