"""What a SQL step used, in the words of a real PostgreSQL, whatever the step made there."""

from __future__ import annotations

import pytest

from procedures.domain.ports import Lease
from tests.postgres.conftest import Shop
from tests.postgres.test_query import asked, fixer, reader

__all__ = ["fixer", "reader"]


def test_the_server_tells_which_tables_a_step_touched_and_whether_it_changed_anything(
    reader: Lease, fixer: Lease
) -> None:
    look = asked(reader, query="SELECT count(id) FROM app.users").facts["seen"]
    assert look == {"credential": "used", "wrote": False, "read": ["app.users"]}
    mend = asked(fixer, query="UPDATE app.users SET locked = true WHERE id = 4 RETURNING id", writes=True).facts["seen"]
    assert mend == {"credential": "used", "wrote": True, "written": ["app.users"]}
    made = asked(fixer, query="CREATE TABLE app.made (id int)", writes=True, asTemplate=True).facts["seen"]
    assert made["wrote"], "what no statistics count is a change all the same"


def test_a_server_that_cannot_say_what_was_used_keeps_what_the_step_did(
    shop: Shop, fixer: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question stands behind a savepoint: its failure ends no transaction of the step."""
    monkeypatch.setattr("procedures.actions.database.TOUCHED", "SELECT nowhere FROM nothing")
    result = asked(fixer, query="UPDATE app.users SET locked = true WHERE id = 5", writes=True)
    assert (result.outcome, result.facts["seen"]) == ("succeeded", {"credential": "used"})
    assert shop.root.execute("SELECT locked FROM app.users WHERE id = 5").fetchone() == (True,)


def test_an_operator_of_the_steps_own_changes_nothing_about_what_was_seen(fixer: Lease) -> None:
    shadow = (
        "CREATE FUNCTION app.never(bigint, integer) RETURNS boolean LANGUAGE sql AS 'SELECT false'; "
        "CREATE OPERATOR app.> (LEFTARG = bigint, RIGHTARG = integer, FUNCTION = app.never); "
        "SET LOCAL search_path = app, pg_catalog; UPDATE app.users SET locked = false WHERE id = 5"
    )
    result = asked(fixer, query=shadow, writes=True, asTemplate=True)
    assert result.outcome == "succeeded", result.message
    assert result.facts["seen"]["written"] == ["app.users"]
