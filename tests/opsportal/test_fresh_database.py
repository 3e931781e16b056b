"""A fresh database is migrated, committed, the test's own, and on the database that was asked for."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from django.contrib.auth.models import Group
from django.db import connection, connections, transaction

from tests.fixtures.databases import FreshDatabase

COUNT = "import django; django.setup(); from django.contrib.auth.models import Group; print(Group.objects.count())"


def test_other_thread_and_other_process_see_what_was_committed(fresh_database: FreshDatabase) -> None:
    Group.objects.create(name="seen")
    counted: list[int] = []

    def count() -> None:
        counted.append(Group.objects.count())
        connections.close_all()

    thread = threading.Thread(target=count)
    thread.start()
    thread.join()
    child = subprocess.run(
        [sys.executable, "-c", COUNT], env=fresh_database.environ, capture_output=True, text=True, check=True
    )
    assert counted == [1]
    assert child.stdout.strip() == "1"


def test_fresh_database_begins_empty(fresh_database: FreshDatabase) -> None:
    assert not Group.objects.exists()


def test_fresh_database_is_of_the_kind_that_was_asked_for(
    fresh_database: FreshDatabase, pytestconfig: pytest.Config
) -> None:
    assert fresh_database.vendor == connection.vendor == pytestconfig.getoption("--database")


@pytest.mark.django_db
def test_rolled_back_tests_follow_a_fresh_one() -> None:
    assert not Group.objects.exists()
    Group.objects.create(name="gone after this test")


def test_writers_on_sqlite_wait_for_each_other(fresh_database: FreshDatabase) -> None:
    def write(number: int) -> None:
        with transaction.atomic():
            before = Group.objects.count()
            Group.objects.create(name=f"{number}-{before}")
        connections.close_all()

    assert not Group.objects.exists()  # as in a portal, somebody is connected already
    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Group.objects.count() == 6
