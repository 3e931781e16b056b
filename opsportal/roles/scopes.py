"""Which rows belong to a pool, in SQL: by indexed columns, and through the run's own row wherever one has a run.

A subquery sees what the role sees: what hangs on a run, a target or an inventory is bounded by the row above it, so
that one sentence serves every environment.
"""

from __future__ import annotations

from opsportal.roles.rights import Within

ABOVE = {
    Within.OF_RUN: ("procedures_run", "id", "run_id"),
    Within.COUNTED: ("procedures_run", "id", "run"),
    Within.TARGET: ("procedures_target", "id", "target_id"),
    Within.STANDING: ("procedures_standing", "id", "standing_id"),
    Within.INVENTORY: ("procedures_inventory", "name", "inventory_id"),
}


def literal(text: str) -> str:
    """A string constant of SQL."""
    return "'" + text.replace("'", "''") + "'"


def shared(table: str, within: Within) -> str | None:
    """The rows of a pool where the same words hold for every pool; None where each has words of its own."""
    if within is Within.IDENTITY_KEYS:
        return f"{table}.name = 'identity-keys'"
    if within is Within.MAY_HAVE_RUN:
        return f"{table}.run IS NULL OR {_above(table, *ABOVE[Within.COUNTED])}"
    return _above(table, *ABOVE[within]) if within in ABOVE else None


def _above(table: str, above: str, key: str, column: str) -> str:
    return f"EXISTS (SELECT 1 FROM {above} above WHERE above.{key} = {table}.{column})"  # noqa: S608 - our own words


def of_environment(within: Within, environment: str) -> str:
    """The rows of one environment's pool. Drafts are the disposable pool's, wherever they run."""
    name = literal(environment)
    return {
        Within.RUN: f"environment_id = {name} AND NOT draft",
        Within.ENVIRONMENT: f"environment_id = {name}",
        Within.PLACE: f"name = {name}",
        Within.SERVES: f"environments ? {name}",
    }[within]


def of_drafts(table: str, within: Within) -> str:
    """The rows of the disposable pool: drafts, in environments that let them run."""
    there = "SELECT 1 FROM procedures_environment above WHERE above.drafts AND above.name"
    return {
        Within.RUN: "draft",
        Within.ENVIRONMENT: f"EXISTS ({there} = {table}.environment_id)",
        Within.PLACE: "drafts",
        Within.SERVES: "disposable",
    }[within]
