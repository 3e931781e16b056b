"""The triggers that the rules of `evidenced` become: a change without its event does not get through its commit.

PostgreSQL compares the number of the transaction. SQLite has none and no deferred trigger, but it has deferred keys: a
change that no event which waits for the log pays for is written down as owed, to an event that there never is; the
event that comes after it in the transaction crosses it out. What still is owed at the commit fails it.
"""

# ruff: noqa: S608 - the words are those of `evidenced`, none is anybody's
from __future__ import annotations

from collections.abc import Iterator

from procedures.models.evidenced import RULES, RUN, Kinds, Rule

WITHOUT = "without an evidence event of its own"
OWED = """
    CREATE TABLE IF NOT EXISTS evidence_owed (
      of_table TEXT NOT NULL, of_row TEXT NOT NULL, became TEXT NOT NULL,
      event TEXT NOT NULL REFERENCES evidence_event(id) DEFERRABLE INITIALLY DEFERRED)"""


def _fits(kinds: Kinds, column: str) -> str:
    whole = ", ".join(f"'{kind}'" for kind in kinds if not kind.endswith("."))
    said = [f"{column} IN ({whole})"] if whole else []
    return " OR ".join(said + [f"{column} LIKE '{kind}%'" for kind in kinds if kind.endswith(".")])


def _paid(rule: Rule, became: str, event: str) -> str:
    """That this event is of a kind which brings about just what the row became."""
    if not rule.column:
        return f"({_fits(rule.by_value()[''], f'{event}.kind')})"
    cases = " ".join(f"WHEN '{value}' THEN {_fits(kinds, f'{event}.kind')}" for value, kinds in rule.by_value().items())
    return f"(CASE {became} {cases} ELSE {{never}} END)"


def _free(rule: Rule) -> str:
    return ", ".join(f"'{value}'" for value in rule.free)


def _changed(rule: Rule, differs: str) -> str:
    return " OR ".join(f"NEW.{name} {differs} OLD.{name}" for name in rule.watched)


# PostgreSQL


def _postgres_named(rule: Rule) -> str:
    body = "convert_from(e.body, 'UTF8')::jsonb ->> "
    said = [
        f"e.run = NEW.{column}" if fact == RUN else f"{body}'{fact}' = NEW.{column}::text"
        for fact, column in rule.names
    ]
    return f"({' OR '.join(said)})" if said else "true"


def _postgres(rule: Rule) -> str:
    became = f"NEW.{rule.column}" if rule.column else "''"
    skips = []
    if rule.free:
        skips.append(f"IF {became} IN ({_free(rule)}) THEN RETURN NULL; END IF;")
    if rule.watched:
        skips.append(
            f"IF TG_OP = 'UPDATE' THEN IF NOT ({_changed(rule, 'IS DISTINCT FROM')}) THEN RETURN NULL; END IF; END IF;"
        )
    paid = _paid(rule, became, "e").format(never="false")
    of = f" OF {', '.join(rule.watched)}" if rule.watched else ""
    name = f"opsportal_evidenced_{rule.table}"
    return f"""
CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  {" ".join(skips)}
  IF NOT EXISTS (SELECT 1 FROM evidence_event e WHERE e.xid = pg_current_xact_id()::text::bigint
      AND CASE WHEN {paid} THEN {_postgres_named(rule)} ELSE false END) THEN
    RAISE EXCEPTION 'a change of {rule.table} {WITHOUT}' USING ERRCODE = 'integrity_constraint_violation';
  END IF; RETURN NULL; END $$;
DROP TRIGGER IF EXISTS opsportal_evidenced ON {rule.table};
CREATE CONSTRAINT TRIGGER opsportal_evidenced AFTER INSERT OR UPDATE{of} ON {rule.table}
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {name}();
"""


def postgres() -> Iterator[str]:
    """One batch of statements per rule, with functions that are still to be closed."""
    return map(_postgres, RULES)


# SQLite


def _sqlite_named(rule: Rule, event: str, row: str) -> str:
    """`row`: what stands before a column of the changed row; ids lie there without hyphens."""
    said = [
        f"{event}.run = {row}{column}"
        if fact == RUN
        else f"replace(json_extract(CAST({event}.body AS TEXT), '$.{fact}'), '-', '') = CAST({row}{column} AS TEXT)"
        for fact, column in rule.names
    ]
    return f"({' OR '.join(said)})" if said else "1"


def _sqlite_owes(rule: Rule, act: str) -> str:
    became = f"NEW.{rule.column}" if rule.column else "''"
    paid = _paid(rule, became, "e").format(never="0")
    when = [f"{became} NOT IN ({_free(rule)})"] if rule.free else []
    if act == "UPDATE" and rule.watched:
        when.append(f"({_changed(rule, 'IS NOT')})")
    asked = f"WHEN {' AND '.join(when)}" if when else ""
    return f"""
        CREATE TRIGGER opsportal_owes_{rule.table}_{act.lower()} AFTER {act} ON {rule.table} {asked}
        BEGIN INSERT INTO evidence_owed SELECT '{rule.table}', CAST(NEW.id AS TEXT), {became}, 'owed'
          WHERE NOT EXISTS (SELECT 1 FROM evidence_outbox o CROSS JOIN evidence_event e ON e.id = o.event_id
            WHERE CASE WHEN {paid} THEN {_sqlite_named(rule, "e", "NEW.")} ELSE 0 END); END"""


def _sqlite_pays(rule: Rule) -> str:
    paid = _paid(rule, "evidence_owed.became", "NEW").format(never="0")
    return f"""
        CREATE TRIGGER opsportal_pays_{rule.table} AFTER INSERT ON evidence_event
        WHEN {_fits(rule.every_kind(), "NEW.kind")}
        BEGIN DELETE FROM evidence_owed WHERE of_table = '{rule.table}' AND {paid}
          AND EXISTS (SELECT 1 FROM {rule.table} r
            WHERE CAST(r.id AS TEXT) = of_row AND {_sqlite_named(rule, "NEW", "r.")}); END"""


def _sqlite() -> Iterator[tuple[str, str]]:
    for rule in RULES:
        for act in ("INSERT", "UPDATE"):
            yield f"opsportal_owes_{rule.table}_{act.lower()}", _sqlite_owes(rule, act)
        yield f"opsportal_pays_{rule.table}", _sqlite_pays(rule)


SQLITE = dict(_sqlite())
