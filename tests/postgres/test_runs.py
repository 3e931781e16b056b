"""Runs that ask a database, from the request to the evidence: a role for each step, and none afterwards."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from opsportal.cli.databases import database
from procedures.domain.sealing import secret_object
from procedures.evidence.queries import facts_of_run
from procedures.models import LeaseRecord, Person, PoolKey, Run
from procedures.runner.drive import drive
from procedures.services.install import ENVIRONMENTS
from tests.engine.test_plain_key import everything_stored
from tests.factories.portal import World, new_world
from tests.postgres.conftest import PASSWORD, Shop, setup

pytestmark = pytest.mark.ordinary


@dataclass(slots=True)
class Place:
    """A portal whose development environment reaches the shop's database server."""

    world: World
    shop: Shop

    def furnish(self, credential: str, template: str, database: str) -> None:
        self.world.propose("environment", {**ENVIRONMENTS[0], "networks": ["127.0.0.0/8"]})
        pool = PoolKey.objects.get(environment_id="development").public
        self.world.propose(
            "secret", secret_object(environment="development", name="minter", value=PASSWORD.encode(), pool=pool)
        )
        self.world.propose(
            "binding",
            {
                "environment": "development",
                "name": credential,
                "provider": "postgres-role",
                "role": template,
                "ceiling": {"secret": "minter", "host": self.shop.address, "database": database, "tls": "off"},
                "max_ttl_s": 600,
                "reach": {},
            },
        )

    def run(self, procedure: str, **parameters: Any) -> Run:
        self.world.accepted(procedure)
        quinn = self.world.person("quinn")
        self.world.may(quinn, "run", procedure=procedure)
        return self.again(quinn, procedure, **parameters)

    def again(self, quinn: Person, procedure: str, **parameters: Any) -> Run:
        run = self.world.ask(quinn, procedure=procedure, parameters=parameters)
        drive(run.id)
        run.refresh_from_db()
        return run


@pytest.fixture
def place(db: None, shop: Shop) -> Place:
    return Place(new_world(), shop)


def told(run: Run) -> str:
    return "\n".join(run.log.order_by("seq").values_list("text", flat=True)) + run.message


@pytest.mark.parametrize("report", ["largest-tables", "long-transactions", "unused-indexes"])
def test_a_report_is_read_under_a_role_of_its_own(place: Place, report: str) -> None:
    place.furnish("database", "reader", "app")
    run = place.run("run-sql-report", report=report, rows=5)
    assert run.state == "succeeded", told(run)
    row = run.artifacts.get(name=report)
    head, *rows = csv.reader(bytes(row.content or b"").decode().splitlines())
    assert len(head) >= 4
    if report == "largest-tables":
        assert ["app", "users"] in [cells[:2] for cells in rows]
    lease = LeaseRecord.objects.get(run=run)
    assert (lease.state, lease.facts["template"]) == ("revoked", "reader")
    assert place.shop.run_roles() == []
    issued = next(f.facts for f in facts_of_run(run.id) if f.kind == "lease.issued")
    assert issued["kills_sessions"] is True
    assert (
        place.shop.ask("SELECT requester FROM opsportal.lease WHERE role = %s", issued["evidence"]["role"]) == "quinn"
    )
    assert PASSWORD.encode() not in everything_stored()


def test_a_database_is_made_for_a_team_and_closed_to_others(place: Place) -> None:
    root = place.shop.root
    with psycopg.connect(root.info.dsn, dbname="postgres", autocommit=True) as maintenance:
        for text in (
            "CREATE ROLE team_payments NOLOGIN",
            "CREATE ROLE database_maker NOLOGIN CREATEDB",
            "GRANT team_payments TO database_maker",
        ):
            maintenance.execute(text.encode())
        printed = CliRunner().invoke(database, ["onboard", "--template", "database_maker=600"])
        assert printed.exit_code == 0, printed.output
        maintenance.execute(printed.output.encode())
    place.furnish("maker", "database_maker", "postgres")
    run = place.run("create-database", name="payments", owner="team_payments")
    assert run.state == "succeeded", told(run)
    assert run.output["values"] == {"database": "payments", "owner": "team_payments"}
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'payments'"
    assert place.shop.ask(owner) == "team_payments"
    assert place.shop.ask("SELECT has_database_privilege('reader', 'payments', 'CONNECT')") is False
    quinn = Person.objects.get(username="quinn")
    again = place.again(quinn, "create-database", name="payments", owner="team_payments")
    assert (again.state, "at most 0 were expected" in told(again)) == ("failed", True)
    foreign = place.again(quinn, "create-database", name="other", owner="app_owner")
    assert foreign.state == "failed"
    assert "42501" in told(foreign)
    assert place.shop.ask("SELECT count(*) FROM pg_database WHERE datname = 'other'") == 0
    assert place.shop.run_roles() == []
    root.execute("DROP DATABASE payments")


def test_a_run_gets_no_role_where_the_template_is_not_allowed(place: Place) -> None:
    place.furnish("database", "app_owner", "app")
    run = place.run("run-sql-report", report="largest-tables")
    assert run.state == "failed"
    assert "The template app_owner is not allowed here." in told(run)
    assert {row.state for row in LeaseRecord.objects.filter(run=run)} == {"revoked"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--template", "pg_monitor"], "is no role of your own"),
        (["--template", "x; DROP"], "is no role of your own"),
        (["--template", "reader=soon"], "write ROLE=SECONDS/CONNECTIONS"),
        (["--template", "reader=99999"], "1 to 43200 seconds"),
        (["--template", "reader=60/99"], "1 to 20 connections"),
        (["--template", "reader", "--login", "a b"], "lower-case letters"),
        ([], "Missing option"),
    ],
)
def test_what_is_printed_is_for_roles_that_can_be(words: list[str], said: str) -> None:
    result = CliRunner().invoke(database, ["onboard", *words])
    assert result.exit_code == 2
    assert said in result.output


def test_what_was_set_up_is_set_up_again_without_harm(shop: Shop) -> None:
    lease = shop.lend()
    shop.root.execute(setup().encode())
    shop.login(lease).close()
    assert shop.provider.revoke(lease.handle, "over") == "revoked"
